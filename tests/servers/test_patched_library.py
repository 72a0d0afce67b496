"""What a program patches in the standard library does not reach the thread that updates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.interpreter import python

if TYPE_CHECKING:
    from pathlib import Path

PATCH = "from gevent import monkey; monkey.patch_all()"
APP = "def app(e, s):\n    s('200 OK', []); return [b'{}']\n"
SERVING = """
    import os, transfuse
    transfuse.install(roots=[os.getcwd()])
    """
ASKING = """
    import gevent, gevent.pywsgi, urllib.request
    server = gevent.pywsgi.WSGIServer(("127.0.0.1", 0), transfuse.wsgi("web:app"), log=None)
    server.start()
    def get():
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/", timeout=9) as answer:
            return answer.read().decode()
    def save(number):
        with open("web.py", "w") as file:
            file.write("def app(e, s):\\n    s('200 OK', []); return [b'%d']\\n" % number)
    print(get())
    save(2)
    with gevent.Timeout(20):
        while get() != "2": gevent.sleep(0.05)
    save(3)
    print(transfuse.update().outcome, get())
    server.stop()
    """


@pytest.mark.servers
@pytest.mark.parametrize("first", [True, False], ids=["patched first", "patched later"])
def test_gevent(tmp_path: Path, first: bool) -> None:
    pytest.importorskip("gevent", reason="gevent has no wheel for this Python")
    (tmp_path / "web.py").write_text(APP.format(1))
    pieces = [PATCH, SERVING] if first else [SERVING, PATCH]
    assert python(tmp_path, *pieces, ASKING)[:2] == ["1", "published 3"]


PATCHES = {
    "json": "import json\nold = json.dumps\njson.dumps = lambda *a, **k: old(*a, **k) + '|v1'",
    "the clock": "import time\ntime.monotonic = time.time = lambda: 1.0",
    "sleep": "import time\ndef sleep(seconds): raise RuntimeError('no sleep')\ntime.sleep = sleep",
    "threads": """
        import threading
        class Never:
            def __init__(self, *a, **k): pass
            def start(self): raise RuntimeError('no threads')
        threading.Lock = threading.Condition = threading.Event = None
        """,
}


@pytest.mark.servers
@pytest.mark.parametrize("what", PATCHES)
def test_a_worker_goes_on_with_a_patched_library(tmp_path: Path, what: str) -> None:
    """Each is a child of another Python, so it takes itself for one of several workers."""
    (tmp_path / "app.py").write_text("VALUE = 1\n")
    child = f"""
        import os, transfuse
        transfuse.install(roots=[os.getcwd()])
        import app
        exec({PATCHES[what]!r})
        with open("app.py", "w") as file: file.write("VALUE = 22\\n")
        for _ in range(400):
            transfuse.update()
            if transfuse.import_module("app").VALUE == 22: break
        print(transfuse.import_module("app").VALUE)
        """
    if what == "threads":
        child = child.replace(
            f"exec({PATCHES[what]!r})", f"import textwrap; exec(textwrap.dedent({PATCHES[what]!r}))"
        )
    assert python(tmp_path, child)[-1] == "22"
