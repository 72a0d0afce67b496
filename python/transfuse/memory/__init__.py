"""What keeps superseded code in memory.

`leaks` groups what `search` finds and `describe` puts into words. `units` tells what keeps a former
generation in use. `typing_caches` empties two caches.
"""
