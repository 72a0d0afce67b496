"""What was measured of one application. All of it is written to the file of `--json`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Start:
    """Medians of several processes, in seconds of CPU and KiB.

    Attributes:
        imported: CPU until the application is there, with what `install` costs.
        answered: CPU of the whole process until it has answered each request once.
        resident: memory then.
    """

    imported: float
    answered: float
    resident: float


@dataclass
class Step:
    """One edit, the update, and the answers afterwards.

    Attributes:
        kind: such as ``"leaf"`` or ``"route added"``.
        path: the file; the version, of a release.
        outcome: of the report, such as ``"published"``.
        ran: the modules that the update ran, with their reasons.
        cpu, seconds: what the update took.
        executing: CPU that the fresh process needs to execute the same modules.
        importing: CPU that the fresh process needs to import everything.
        modules: how many modules of the root the fresh process has.
        resident: KiB after the answers.
        restart: what the report says that a restart is needed for.
        error: why it was refused, if so.
        differing: where its answers are not those of a fresh process, or, if the update was
            refused, not those before it.
    """

    kind: str
    path: str
    outcome: str
    ran: list[list[str]]
    cpu: float
    seconds: float
    executing: float
    importing: float
    modules: int
    resident: int
    restart: list[list[str]]
    error: str | None
    differing: list[str]


@dataclass
class Memory:
    """Many edits of one module.

    Attributes:
        kind: ``"leaf"`` or ``"middle"``.
        resident: KiB before any edit, then after each; fewer than asked for if it was stopped.
        stopped: why, if so.
        refused: how many updates were refused.
        restarts: how many asked for a restart.
        status: seconds that `transfuse.status()` takes at the end.
    """

    kind: str
    path: str
    resident: list[int]
    stopped: str
    refused: int
    restarts: int
    status: float

    @property
    def edits(self) -> int:
        """How many edits were made."""
        return len(self.resident) - 1

    @property
    def growth(self) -> float:
        """Return the KiB that each edit of the later half has left behind."""
        half = self.edits // 2
        later = self.edits - half
        return (self.resident[-1] - self.resident[half]) / later if later else 0.0


@dataclass
class Latency:
    """99th percentiles of requests, in seconds, without those that fill caches after an update.

    Attributes:
        updates: while updates run.
        beside: while another thread uses as much CPU.
        requests: how many requests of each.
        cpu: the seconds of CPU that one update takes.
        first: how many requests filled caches.
        own: the seconds of CPU that such a request needs itself; the median.
        slowest: the most that such a request took.
    """

    updates: float
    beside: float
    requests: int
    cpu: float
    first: int = 0
    own: float = 0.0
    slowest: float = 0.0


@dataclass
class Result:
    """All that came of one application.

    Attributes:
        command: how it was measured.
        trouble: why it did not come to its end, if so.
        status: seconds that `transfuse.status()` took after edits, at worst.
    """

    name: str
    framework: str
    version: str
    date: str
    python: str
    command: str
    modules: int = 0
    plain: Start | None = None
    live: Start | None = None
    steps: list[Step] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    latency: Latency | None = None
    status: float = 0.0
    trouble: str = ""

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Result:
        """Make it of what `dataclasses.asdict` has made of one."""
        starts = {key: Start(**told[key]) if told[key] else None for key in ("plain", "live")}
        steps = [Step(**each) for each in told["steps"]]
        memory = [Memory(**each) for each in told["memory"]]
        latency = Latency(**told["latency"]) if told.get("latency") else None
        return cls(**{**told, **starts, "steps": steps, "memory": memory, "latency": latency})
