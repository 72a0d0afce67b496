"""The exceptions of Transfuse.

Every error that Transfuse raises of its own is defined here, in Python, so that stubs are
complete; the Rust core imports these classes. A message says what happened, where, and what to do.
Errors of the user's own code are never wrapped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class TransfuseError(Exception):
    """The base of every error below."""


class SettingsError(TransfuseError):
    """A setting is unknown, of the wrong type, or out of range; the message says where."""


class RootError(TransfuseError):
    """A root does not exist or is no directory, or a path that must lie under one does not."""


class TargetError(TransfuseError):
    """A target such as ``"shop.web:app"`` is malformed, does not exist, or is not callable."""


class NotInstalledError(TransfuseError):
    """Something was asked of Transfuse before `transfuse.install()`."""

    def __init__(
        self, message: str = "Transfuse is not installed; call transfuse.install() first"
    ) -> None:
        super().__init__(message)


class GenerationError(TransfuseError):
    """A rollback names a generation that is not kept."""


class NeedsFreshProcesses(TransfuseError):
    """What is to be served again cannot change in a running process."""


class StillInUseError(TransfuseError):
    """As many former generations are in use as the setting `resident` allows."""


class CostsMore(TransfuseError):
    """An update would take longer than fresh processes, which are to serve the change instead."""


class StartupFailed(TransfuseError):
    """The startup of the next generation's application failed; the update is refused."""


class Outdated(TransfuseError):
    """Another worker has seen later files; this one looks again before it updates."""


class WorkerRefused(TransfuseError):
    """Another worker could not load the new code, so no worker serves it."""


class NoChoice(TransfuseError):
    """A command means no running process, or several where it is for one.

    Attributes:
        lines: each names a process that it could mean.
    """

    def __init__(self, message: str, lines: Sequence[str] = ()) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join([message, *(f"  {line}" for line in lines)]))


class NoAnswer(TransfuseError):
    """A running process does not answer the command line.

    Attributes:
        state: why: ``"stopped"``, ``"busy"``, ``"ended"`` or ``"foreign"`` (another user's).
    """

    def __init__(self, message: str, state: str = "busy") -> None:
        super().__init__(message)
        self.state = state


class TimeLimitExceeded(BaseException):
    """The code of an update ran longer than the setting `time_limit` allows.

    Raised inside that code; no Exception, so that ``except Exception`` does not swallow it.
    """

    def __init__(self, message: str = "the update took longer than the setting time_limit") -> None:
        super().__init__(message)


class GivenUp(BaseException):
    """Something newer was saved, or a rollback was asked for, while the code of an update ran.

    Raised inside that code, as `TimeLimitExceeded` is; the newer files are tried next.
    """

    def __init__(self, message: str = "the update was given up for a newer one") -> None:
        super().__init__(message)


class ContentGone(ImportError):
    """A generation names a content that cannot be had any more; the import fails, not mixes."""


class PolicyError(TransfuseError):
    """A special variable (`__reload__`, `__preserve__`) has a value that makes no sense.

    Attributes:
        path: the absolute file.
        line: its line, from 1.
        name: the variable, such as ``"__reload__"``.
        value: its value as written, such as ``"'overlai'"``.
        allowed: the accepted values, in words.
    """

    def __init__(
        self, *, path: str, line: int, name: str, value: object, allowed: str | Sequence[str]
    ) -> None:
        self.path = path
        self.line = line
        self.name = name
        self.value = value if isinstance(value, str) else repr(value)
        self.allowed = allowed if isinstance(allowed, str) else ", ".join(allowed)
        super().__init__(
            f"{path}, line {line}: {name} = {self.value} makes no sense; allowed: {self.allowed}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments do not survive the default pickling; this error crosses processes.
        return _policy_error, (self.path, self.line, self.name, self.value, self.allowed)


def _policy_error(path: str, line: int, name: str, value: str, allowed: str) -> PolicyError:
    return PolicyError(path=path, line=line, name=name, value=value, allowed=allowed)
