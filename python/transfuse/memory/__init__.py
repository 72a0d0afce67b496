"""What keeps superseded code in memory.

`leaks` finds the holders, `describe` puts them into words, `units` tells what keeps a generation in
use, `typing_caches` empties two caches.
"""
