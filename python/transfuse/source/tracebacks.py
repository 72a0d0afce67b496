"""Tracebacks as text, with the user's frames only, and the place to look at first.

The frames of Transfuse and of the import machinery are removed, along the whole chain of causes.
"""

from __future__ import annotations

import os
import runpy
from importlib import import_module
from traceback import FrameSummary, StackSummary, TracebackException, extract_tb
from typing import TYPE_CHECKING

from transfuse.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Sequence

# The folder of this package, such as "/srv/venv/lib/python3.12/site-packages/transfuse/".
OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_IMPORT_MODULE = import_module.__code__.co_filename
# `runpy` is frozen since Python 3.11 and an ordinary file before.
_RUNPY = runpy.run_path.__code__.co_filename
_MACHINERY = ("<frozen importlib", "<frozen runpy>", "<frozen zipimport>", _RUNPY)


def user_traceback(error: BaseException) -> str:
    """Return the traceback of `error` as Python prints it, with the user's frames only."""
    summary = _summary(error)
    _strip(summary, set())
    return "".join(summary.format())


def headline(error: BaseException) -> str:
    """Say in a line what `error` is, such as ``"NameError: name 'x' is not defined"``."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


def place(error: BaseException, roots: Sequence[str] = ()) -> tuple[str, int] | None:
    """Return where in the user's source `error` arose, as absolute file and line, or None.

    Args:
        error: an exception.
        roots: directories whose files are preferred to others.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 1
    if isinstance(error, PolicyError):
        return error.path, error.line
    frames = [each for each in extract_tb(error.__traceback__) if not _is_machinery(each)]
    below = [each for each in frames if _is_below(each.filename, roots)]
    for frame in reversed(below or frames):
        return frame.filename, frame.lineno or 1
    return None


def _summary(error: BaseException) -> TracebackException:
    try:
        return TracebackException.from_exception(error)
    except OSError:
        # Python 3.15 looks for compiled modules of another Python beside one that was not found,
        # and fails if its namespace package has no folder any more. It needs a name for that.
        if not isinstance(error, ImportError):
            raise
        name, error.name = error.name, None
        try:
            return TracebackException.from_exception(error)
        finally:
            error.name = name


def _strip(summary: TracebackException, seen: set[int]) -> None:
    if id(summary) in seen:
        return
    seen.add(id(summary))
    kept = [frame for frame in summary.stack if not _is_machinery(frame)]
    summary.stack = StackSummary.from_list(kept)
    below = [summary.__cause__, summary.__context__, *(getattr(summary, "exceptions", None) or ())]
    for each in below:
        if each is not None:
            _strip(each, seen)


def _is_machinery(frame: FrameSummary) -> bool:
    name = frame.filename
    return name.startswith(OWN) or name.startswith(_MACHINERY) or name == _IMPORT_MODULE


def _is_below(path: str, roots: Sequence[str]) -> bool:
    return any(path.startswith(root.rstrip(os.sep) + os.sep) for root in roots)
