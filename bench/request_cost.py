"""What does a request cost between updates, with Transfuse and without?

`python -m bench.request_cost`: one small Flask application, called as a server does it, alone and
through `transfuse.wsgi`, in turns; P10 allows 2 percent.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import transfuse

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = """
from flask import Flask
app = Flask(__name__)

@app.get("/orders/<int:number>")
def order(number):
    return {"number": number, "lines": [{"item": item, "price": item * 7} for item in range(20)]}
"""
CALLS = 300


def _environ() -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/orders/17",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": sys.stdin.buffer,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def _took(application: Callable[..., Any]) -> float:
    """Microseconds a request."""
    begun = time.perf_counter()
    for _ in range(CALLS):
        body = application(_environ(), lambda *_: None)
        b"".join(body)
        if close := getattr(body, "close", None):
            close()
    return (time.perf_counter() - begun) / CALLS * 1e6


def main() -> None:
    """Measure in turns and print medians."""
    parser = argparse.ArgumentParser(prog="python -m bench.request_cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="transfuse-bench-") as folder:
        Path(folder, "shop_bench.py").write_text(SOURCE)
        Path(folder, "plain_bench.py").write_text(SOURCE)
        sys.path.append(folder)
        import plain_bench  # type: ignore[import-not-found]  # noqa: PLC0415 - made just now

        plain = plain_bench.app.wsgi_app
        transfuse.install(roots=[folder], include=["shop_bench.py"], watch=True)
        live = transfuse.wsgi("shop_bench:app")
        _took(plain), _took(live)
        pairs = [(_took(plain), _took(live)) for _ in range(rounds)]
        transfuse.uninstall()
    without, through = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(live / plain for plain, live in pairs)
    print(f"a request to a small Flask application, medians of {rounds} times {CALLS}")
    print(
        f"  by itself {without:.1f} us, through transfuse.wsgi {through:.1f} us; ratio {ratio:.3f}"
    )


if __name__ == "__main__":
    main()
