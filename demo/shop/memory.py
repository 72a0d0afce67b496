"""The state that the process keeps when this module is edited."""

import threading

__preserve__ = ["cache", "lock", "let_go"]

EDITION = 1

# Key -> what was put there by a request.
cache: dict[str, str] = {}
# Held by a request that is at work on the cache.
lock = threading.Lock()
# Set when the request that holds the lock is to go on.
let_go = threading.Event()
