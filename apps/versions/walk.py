"""Edits random modules of an application, and compares the code that runs with the files."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

from apps.answers import differences
from apps.process import Process
from apps.trial import ask_fresh, check
from apps.versions.instrument import instrumented
from apps.versions.verdict import Stale, named, stale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.answers import Answers
    from apps.site import Site

# How often a module is edited that answers no request, two modules are, and the answers of a fresh
# process are asked for: every third, fourth and fourth edit.
_COLD, _PAIR, _FRESH = 3, 4, 4


class Step(NamedTuple):
    """What one update has come to.

    Attributes:
        modules: the edited ones.
        outcome: as in the report.
        ran: how many modules ran.
        cpu: seconds of CPU of the update.
        stale: the stale functions whose modules no report so far has named.
        reported: the other stale functions.
        differing: in what the answers differ from those of a fresh process, where that was asked.
        restart: whether a report so far has asked for a restart, which excuses such answers.
    """

    modules: list[str]
    outcome: str
    ran: int
    cpu: float
    stale: list[Stale]
    reported: list[Stale]
    differing: list[str]
    restart: bool

    @property
    def wrong(self) -> bool:
        """Whether something is as before the edit, and no report has said so."""
        return bool(self.stale) or (bool(self.differing) and not self.restart)


class _Source(NamedTuple):
    """A module's file, below the root, and its text without the calls."""

    path: str
    text: str


def walk(site: Site, edits: int, seed: int) -> Iterator[Step]:
    """Edit random modules of a live process, again and again.

    Raises:
        TrialError, ProcessError: the process ended, or the application does not work.
    """
    site.reset()
    sources = _instrument(site)
    check(site)
    with Process(site, live=True) as live:
        live.do("start")
        walker = _Walker(site, live, sources, seed)
        for number in range(1, edits + 1):
            yield walker.step(number, compare=number % _FRESH == 0 or number == edits)


def _instrument(site: Site) -> dict[str, _Source]:
    """Instrument all modules that a plain process has loaded after the requests."""
    with Process(site, live=False) as plain:
        plain.do("start")
        plain.do("ask")
        files: dict[str, str] = plain.do("modules")["files"]
    sources = {}
    for path, name in files.items():
        try:
            source = _Source(path, site.read(path))
            site.write(path, instrumented(source.text, name, 0))
        except (UnicodeDecodeError, SyntaxError):
            # Of another encoding, or changed by `ast.unparse`: it stays as it is.
            continue
        sources[name] = source
    return sources


class _Walker:
    """A live process whose modules are edited."""

    def __init__(self, site: Site, live: Process, sources: dict[str, _Source], seed: int) -> None:
        self._site, self._live, self._sources = site, live, sources
        self._random = random.Random(seed)
        # Module name -> the version of its file.
        self._versions = dict.fromkeys(sources, 0)
        self._named: set[str] = set()
        self._restart = False
        hits, _ = self._ask()
        self._hot = sorted({function.partition(":")[0] for function, _ in hits})

    def step(self, number: int, *, compare: bool) -> Step:
        """Edit one module or two, update, and look at what answers the requests."""
        pool = self._hot if number % _COLD and self._hot else sorted(self._sources)
        modules = self._random.sample(pool, min(len(pool), 2 if number % _PAIR == 0 else 1))
        report = self._update(modules, number)
        self._named = named(report, self._sources, self._named)
        self._restart = self._restart or bool(report["restart"])
        hits, answers = self._ask()
        found = stale(hits, self._versions)
        return Step(
            modules=modules,
            outcome=report["outcome"],
            ran=len(report["ran"]),
            cpu=report["cpu"],
            stale=[each for each in found if each.module not in self._named],
            reported=[each for each in found if each.module in self._named],
            differing=self._differing(answers) if compare else [],
            restart=self._restart,
        )

    def _update(self, modules: list[str], version: int) -> dict[str, Any]:
        """Write a version of some modules and update; restore the files if it is refused."""
        before = {path: self._site.read(path) for path in self._paths(modules)}
        for name in modules:
            path, text = self._sources[name]
            self._site.write(path, instrumented(text, name, version))
        report = self._live.do("update")
        if report["outcome"] == "refused":
            for path, text in before.items():
                self._site.write(path, text)
            self._live.do("update")
        else:
            self._versions.update(dict.fromkeys(modules, version))
        return report

    def _paths(self, modules: list[str]) -> list[str]:
        return [self._sources[name].path for name in modules]

    def _ask(self) -> tuple[list[tuple[str, int]], Answers]:
        """Return which functions run while requests are answered, and the answers."""
        self._live.do("hits")
        # The first time caches are filled, and the second time they are used.
        self._live.do("ask")
        answers = self._live.do("ask")["answers"]
        return self._live.do("hits")["hits"], answers

    def _differing(self, answers: Answers) -> list[str]:
        return differences(self._site.app, ask_fresh(self._site).answers, answers)
