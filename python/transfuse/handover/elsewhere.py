"""How are fresh processes started under other servers, and which requests does that lose?

`transfuse handover` hands over under `transfuse serve` only. Under other servers it says what to
type for the one that runs here, and whether that loses requests: `python -m servers.restarts` has
measured it (`docs/servers.md`).
"""

from __future__ import annotations

import os
import sys

# Module of a server -> its name. Those whose workers are started anew by HUP to their parent.
_BY_HUP = {"granian": "Granian", "uvicorn": "uvicorn", "hypercorn": "hypercorn"}
# The requests that this loses.
_NOTHING = "and loses no request"
_ON_IDLE = "and loses requests on connections that are kept alive"
_ON_NEW_TOO = "and loses requests, on new connections too"


def advice() -> str:
    """Say what starts fresh processes of the server that runs in this process."""
    parent = os.getppid()
    if "mod_wsgi" in sys.modules:
        return f"apachectl -k graceful starts Apache's processes anew, {_ON_IDLE}"
    if "gunicorn.arbiter" in sys.modules:
        loses = _ON_IDLE if "uvicorn" in sys.modules else _NOTHING
        return (
            f"kill -HUP {parent} starts gunicorn's workers anew, {loses} (with --preload it keeps"
            " the old code: restart gunicorn)"
        )
    # What has not imported it is no child of it.
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        for module, name in _BY_HUP.items():
            if module in sys.modules:
                loses = _ON_NEW_TOO if module == "hypercorn" else _ON_IDLE
                return f"kill -HUP {parent} starts {name}'s workers anew, {loses}"
    return (
        f"restart the server, process {os.getpid()}: it has no others to start beside this one, and"
        " loses the requests of the meantime"
    )
