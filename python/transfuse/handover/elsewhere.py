"""How are fresh processes started under servers that are not ours, and what does that lose?

`transfuse handover` hands over under `transfuse serve` only. Under other servers it says what to
type for the one that runs here, and whether that loses requests: `python -m servers.restarts` has
measured it (`docs/servers.md`).
"""

from __future__ import annotations

import multiprocessing
import os
import sys


def advice() -> str:
    """Say what starts fresh processes of the server that runs in this process."""
    parent = os.getppid()
    has_parent = multiprocessing.parent_process() is not None
    if "mod_wsgi" in sys.modules:
        return "apachectl -k graceful starts Apache's processes anew, and loses requests"
    if "gunicorn.arbiter" in sys.modules:
        return (
            f"kill -HUP {parent} starts gunicorn's workers anew, and loses no request (with"
            " --preload it keeps the old code: restart gunicorn)"
        )
    if "granian" in sys.modules and has_parent:
        return (
            f"kill -HUP {parent} starts Granian's workers anew, and loses requests on idle"
            " connections"
        )
    if "uvicorn" in sys.modules and has_parent:
        return (
            f"kill -HUP {parent} starts uvicorn's workers anew, and loses requests on idle"
            " connections"
        )
    return "restart the server: it loses the requests of the meantime"
