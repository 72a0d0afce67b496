"""What does `transfuse status` cost, beyond the start of the command, and does it hold requests up?

A process with many objects, in which former modules linger, is asked at rest and while an update
runs. A thread in it takes short turns, as requests do: its longest gap is reported with each row.
Beside it stands `transfuse leaks`, which searches all memory.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from transfuse.cli.group import transfuse

# How long the thread is watched while nothing is asked, in seconds.
REST = 2.0
SERVER = """
import gc, os, sys, threading, time
import transfuse
from transfuse.control import unix_socket
root, lingering, objects = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
ballast = [[str(n)] for n in range(objects)]
def save(name, text):
    with open(os.path.join(root, name), "w") as file:
        file.write(text)
body = "".join(f"class C{n}:\\n    def m(self): return C{n}\\n" for n in range(20))
save("shop.py", body)
save("slow.py", "")
transfuse.install(roots=[root], watch=False, policy="fresh", keep=0)
hooks = []
for number in range(lingering):
    hooks.append(transfuse.import_module("shop").C0)
    save("shop.py", f"{body}# {number}\\n")
    transfuse.update().check()
transfuse.import_module("slow")
gc.collect()
unix_socket.serve("bench")
gap = 0.0
def turn():
    global gap
    before = time.perf_counter()
    while True:
        time.sleep(0.0005)
        now = time.perf_counter()
        gap, before = max(gap, now - before), now
threading.Thread(target=turn, daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    if line == "update\\n":
        save("slow.py", "from time import monotonic\\nend = monotonic() + 60\\n"
            "while monotonic() < end: pass\\n")
        updating = threading.Thread(target=transfuse.update, daemon=True)
        updating.start()
        time.sleep(0.5)
    print(gap * 1000, flush=True)
    gap = 0.0
os._exit(0)
"""


def command(*words: str) -> float:
    """Do what a command does once it is started, and return how long that took in seconds."""
    transfuse.make_context("transfuse", list(words))  # imports are made, options are read
    begun = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        transfuse.main(list(words), prog_name="transfuse", standalone_mode=False)
    return time.perf_counter() - begun


def asked(server: subprocess.Popen[str], line: str = "gap") -> float:
    """Return the longest gap since this was asked last, in milliseconds."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(line + "\n")
    server.stdin.flush()
    return float(server.stdout.readline())


def row(title: str, server: subprocess.Popen[str], rounds: int, *words: str) -> None:
    """Measure one command, in turns with one that only starts, and print both."""
    asked(server)
    found = [command(*words) for _ in range(rounds)]
    gap = asked(server)
    print(
        f"{title:<34}{statistics.median(found) * 1000:>9.1f}{max(found) * 1000:>9.1f}{gap:>9.0f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--modules", type=int, default=100, help="former modules (100)")
    parser.add_argument("--objects", type=int, default=500_000, help="other objects (500000)")
    parser.add_argument("--rounds", type=int, default=21, help="how often status is asked (21)")
    parser.add_argument("--no-leaks", action="store_true", help="only status")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tf-") as folder:
        root = Path(folder, "site")
        root.mkdir()
        os.environ["XDG_RUNTIME_DIR"] = folder
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(root), str(options.modules), str(options.objects)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        print(f"Python {sys.version.split()[0]}, {options.modules} former modules,", end=" ")
        print(f"{options.objects} other objects; milliseconds beyond the start of the command\n")
        print(f"{'':<34}{'median':>9}{'slowest':>9}{'gap':>9}")
        row("status, at rest", server, options.rounds, "status")
        if not options.no_leaks:
            row("leaks, at rest", server, 3, "leaks")
        asked(server)
        time.sleep(REST)
        print(f"{'(nothing is asked)':<34}{'':>18}{asked(server):>9.0f}")
        asked(server, "update")
        time.sleep(REST)
        print(f"{'(the update alone)':<34}{'':>18}{asked(server):>9.0f}")
        row("status, while an update runs", server, options.rounds, "status")
        if not options.no_leaks:
            row("leaks, while an update runs", server, 3, "leaks")
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
