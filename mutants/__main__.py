"""`python -m mutants`: all faults, or those of the promises that are named."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from mutants.table import MUTANTS, Mutant

PROJECT = Path(__file__).resolve().parent.parent
# How long a build or a run may take, in seconds.
CAP = 600.0


def main() -> int:
    """Insert each fault, and return 1 if the tests miss one."""
    parser = argparse.ArgumentParser(prog="python -m mutants", description=__doc__)
    parser.add_argument("promises", nargs="*", help="such as P4; default: all")
    chosen = parser.parse_args().promises
    known = {mutant.promise for mutant in MUTANTS}
    if unknown := set(chosen) - known:
        parser.error(f"no fault for {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    missed = []
    try:
        for mutant in MUTANTS:
            if not chosen or mutant.promise in chosen:
                begun = time.monotonic()
                told = _try(mutant)
                took = f"{time.monotonic() - begun:.0f} s"
                print(f"{mutant.promise:<4} {mutant.what}: {told} ({took})", flush=True)
                if not told.startswith("noticed"):
                    missed.append(mutant.promise)
    finally:
        _build()
    print(f"NOT NOTICED: {', '.join(missed)}" if missed else "all are noticed")
    return 1 if missed else 0


def _try(mutant: Mutant) -> str:
    path = PROJECT / mutant.file
    good = path.read_text(encoding="utf-8")
    if good.count(mutant.before) != 1:
        return f"NOT PUT IN: the text is there {good.count(mutant.before)} times in {mutant.file}"
    path.write_text(good.replace(mutant.before, mutant.after), encoding="utf-8")
    try:
        if path.suffix == ".rs" and (failed := _build()):
            return f"DOES NOT BUILD: {failed}"
        words = [sys.executable, "-m", "pytest", "-q", "-x", "--timeout=60", *mutant.tests]
        done = _run(words)
    except subprocess.TimeoutExpired:
        return "noticed: the tests do not end"
    finally:
        path.write_text(good, encoding="utf-8")
    if done.returncode == 1:
        ends = ("FAILED tests", "ERROR tests")
        failures = [line for line in done.stdout.splitlines() if line.startswith(ends)]
        return f"noticed by {failures[0].split()[1] if failures else 'an error'}"
    if done.returncode < 0:
        return f"noticed: the process ended by signal {-done.returncode}"
    return f"NOT NOTICED: pytest returned {done.returncode}"


def _build() -> str:
    """Build the core for this interpreter; return the end of the output if that fails."""
    maturin = Path(sys.executable).with_name("maturin")
    environment = {**os.environ, "VIRTUAL_ENV": sys.prefix, "PYO3_PYTHON": sys.executable}
    features = "testing,pyo3/extension-module"  # as in the Makefile
    done = _run([maturin, "develop", "--release", "--features", features], environment)
    return done.stderr[-500:] if done.returncode else ""


def _run(
    words: list[object] | list[str], environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=CAP,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
