"""How are fresh processes started under servers that are not ours, and what does that lose?

`transfuse handover` hands over under `transfuse serve` only. Under other servers it says what to
type for the one that runs here, and whether that loses requests: `python -m servers.restarts` has
measured it (`docs/servers.md`).
"""

from __future__ import annotations

import multiprocessing
import os
import sys

# Module of a server -> its name. Those whose workers are started anew by HUP to their parent, and
# lose what is sent on a connection that was idle.
_BY_HUP = {"granian": "Granian", "uvicorn": "uvicorn", "hypercorn": "hypercorn"}


def advice() -> str:
    """Say what starts fresh processes of the server that runs in this process."""
    parent = os.getppid()
    loses = "and loses requests on connections that are kept alive"
    if "mod_wsgi" in sys.modules:
        return f"apachectl -k graceful starts Apache's processes anew, {loses}"
    if "gunicorn.arbiter" in sys.modules:
        if "uvicorn" not in sys.modules:
            loses = "and loses no request"
        return (
            f"kill -HUP {parent} starts gunicorn's workers anew, {loses} (with --preload it keeps"
            " the old code: restart gunicorn)"
        )
    if multiprocessing.parent_process() is not None:
        for module, name in _BY_HUP.items():
            if module in sys.modules:
                return f"kill -HUP {parent} starts {name}'s workers anew, {loses}"
    return "restart the server: it loses the requests of the meantime"
