"""What keeps superseded code in memory.

`referrers` finds the holders, `describe` puts them into words, `typing_caches` empties two caches.
"""
