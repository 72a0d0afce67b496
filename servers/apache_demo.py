"""`make apache-demo`: the shop in Apache takes edits while wrk runs, without a restart."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from http.client import HTTPException
from pathlib import Path

from demo.client import Answer, Client
from demo.files import Source
from demo.load import LoadProcess, Tally
from servers import apache
from servers.process import NotStarted, Server, free_port

MODES = ("Daemon mode", "Embedded mode")
EDITS = 20
# How long wrk runs at most, in seconds; it is ended when the edits are over.
SECONDS = 60
CAP = 10.0


class Fault(Exception):
    """What had to be seen was not seen."""


class Show:
    """One run in one mode."""

    def __init__(self, mode: str, folder: Path) -> None:
        self.port = free_port()
        (folder / "site").mkdir()
        self.source = Source(folder / "site")
        command = apache.command(mode, self.port, folder, target="shop.web:app")
        self.server = Server(command, folder, self.port, path="/edition")
        self.times: list[float] = []

    def run(self) -> tuple[Tally, str]:
        """Play it; return what the checking load and wrk have to say."""
        self.server.wait_until_ready()
        before = self.processes()
        load = LoadProcess(self.port, threads=8, rate=150.0, more=["--several"])
        wrk = subprocess.Popen(
            ["wrk", "-t1", "-c4", f"-d{SECONDS}s", f"http://127.0.0.1:{self.port}/orders/quick"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            load.wait_until_begun()
            self.edits()
            tally = load.stop()
            # It tells what it has counted when it is interrupted.
            wrk.send_signal(signal.SIGINT)
            said, _ = wrk.communicate(timeout=CAP)
        finally:
            load.kill()
            wrk.kill()
            wrk.communicate()
        # It may have started more of them meanwhile.
        if not set(before) <= set(self.processes()):
            raise Fault(f"Apache's processes were {before} and are {self.processes()}")
        print(f"  Apache's processes, the same before and after: {', '.join(map(str, before))}")
        return tally, said

    def edits(self) -> None:
        """Save all kinds of edits, and see each of them served."""
        for number in range(1, EDITS):
            if number % 2:
                self.edit("one leaf of 20 modules", {"conf": []})
            else:
                old, new = number // 2, number // 2 + 1
                self.edit(
                    "two files that change together",
                    {
                        "coupons": [(f"FORMAT = {old}", f"FORMAT = {new}")],
                        "checkout": [(f"UNDERSTANDS = {old}", f"UNDERSTANDS = {new}")],
                    },
                )
            time.sleep(random.uniform(0.05, 0.2))  # waits for nothing: edits come at any moment
        good = "return cents * VAT // 100"
        broken = self.source.edited("tax", (good, "return cents * VAT //"))
        self.source.save({"tax": broken})
        self.until("a refusal", lambda: "SyntaxError" in self.server.log)
        line = re.search(r"refused: .*", self.server.log)
        print(f"  {line[0] if line else 'refused'}")
        self.edit("a syntax error repaired", {"tax": [("cents * VAT //", "cents * VAT // 100")]})

    def edit(self, what: str, changes: dict[str, list[tuple[str, str]]]) -> None:
        """Save changes, and ask until they are seen."""
        texts = {name: self.source.edited(name, *each) for name, each in changes.items()}
        wanted = {name: self.source.edition(name) + 1 for name in changes}
        began = time.perf_counter()
        self.source.save(texts)

        def seen() -> bool:
            answer = self.ask("/orders/quick")
            return answer is not None and wanted.items() <= answer.content["editions"].items()

        self.until(what, seen)
        self.times.append(time.perf_counter() - began)

    def until(self, what: str, seen: object) -> None:
        """Wait until something is so; Fault if it never is."""
        deadline = time.monotonic() + CAP
        assert callable(seen)
        while not seen():
            if time.monotonic() > deadline:
                raise Fault(f"{what}: not seen in {CAP} s")
            time.sleep(0.002)  # between two looks, until the deadline

    def ask(self, path: str) -> Answer | None:
        """Ask once; None if there is no good answer."""
        client = Client(self.port)
        try:
            answer = client.get(path)
            return answer if answer.status == 200 else None
        except (OSError, HTTPException):
            return None
        finally:
            client.close()

    def processes(self) -> list[int]:
        """The processes that Apache has started."""
        pid = self.server.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in children.split()]


def main() -> int:
    """Show both modes."""
    wrong = 0
    for mode in MODES:
        print(f"{mode}: 20 modules of Flask in Apache, mpm_event; wrk on 4 connections", flush=True)
        with tempfile.TemporaryDirectory(prefix="transfuse-apache-") as name:
            show = Show(mode, Path(name).resolve())
            try:
                wrong += tell(show, *show.run())
            except (NotStarted, Fault, RuntimeError) as error:
                wrong += 1
                print(f"fault: {error}\n{show.server.log[-3000:]}", file=sys.stderr)
            finally:
                show.server.stop()
    print("nothing lost, nothing mixed, Apache was not restarted" if not wrong else "FAILED")
    return 1 if wrong else 0


def tell(show: Show, tally: Tally, wrk: str) -> int:
    """Print what came of it; return how much went wrong."""
    made = re.search(r"(\d+) requests in", wrk)
    errors = re.findall(r"Socket errors.*|Non-2xx.*", wrk)
    times = sorted(show.times)
    rows: list[tuple[str, str]] = [
        ("requests by wrk", f"{int(made[1]) if made else 0:,}"),
        ("  failed", "; ".join(errors) or "0"),
        ("requests that were checked", f"{tally.requests:,}"),
        ("  failed", str(tally.failed)),
        ("  mixed", str(tally.mixed)),
        ("edits, all served", str(len(times))),
        ("save to served, median", f"{times[len(times) // 2] * 1000:.0f} ms"),
    ]
    for what, value in rows:
        print(f"  {what:<30}{value:>12}")
    for fault in tally.faults:
        print(f"  fault: {fault}", file=sys.stderr)
    return len(errors) + tally.failed + tally.mixed + (made is None)


if __name__ == "__main__":
    sys.exit(main())
