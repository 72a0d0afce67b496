"""A frame of old code shows the source that it was compiled from (P13).

The standard library reads source by file name, and the file has the newest source. So where it
knows the owner of the source, it gets that one: `traceback` by frame, `linecache` by the
globals it is handed (as `pdb` does), `inspect` by object. Without those, by a bare file name, the
file is read as ever. `co_filename` stays the true path, for debuggers and coverage.
"""

from __future__ import annotations

import inspect
import linecache
import sys
import threading
import traceback
from functools import update_wrapper, wraps
from types import CodeType, FrameType, MethodType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any
from weakref import ref

from transfuse import _core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# id of code that a module has replaced in place -> a reference to it, and the lines it was compiled
# from. Written by the updating thread; entries leave with the code. The key is not the code itself:
# the hash of code covers all that it contains, which takes time.
_former: dict[int, tuple[ref[CodeType], list[str]]] = {}
# The digest of the source that was asked for last, and its lines: code that registers something
# asks for the place of each call in one file (venusian, Cornice).
_last: tuple[str | None, list[str]] = (None, [])
# While `inspect` looks for one object: file -> lines. For this thread alone.
_wanted = threading.local()
# Replaced attributes: owner, name, the original, the replacement.
_replaced: list[tuple[Any, str, Any, Any]] = []


def install() -> None:
    """Make the standard library show the source that code was compiled from."""
    if _replaced:
        return
    extract = "_extract_from_extended_frame_gen"
    if not hasattr(traceback.StackSummary, extract):  # Python 3.10
        extract = "extract"
    _replace(traceback.StackSummary, extract, _extracting)
    _replace(linecache, "getlines", _getting_lines)
    _replace(inspect, "findsource", _finding_source)
    # Written in C, and reads the file. A hook that the program has set stays.
    if sys.unraisablehook is sys.__unraisablehook__:
        _replace(sys, "unraisablehook", _telling_unraisable)
    if sys.version_info < (3, 13):
        # There they are written in C, and read the file. Hooks that the program has set stay.
        if sys.excepthook is sys.__excepthook__:
            _replace(sys, "excepthook", lambda _: traceback.print_exception)
        if threading.excepthook is threading.__excepthook__:
            _replace(threading, "excepthook", lambda _: _thread_ended)


def uninstall() -> None:
    """Put back every original whose replacement has not been replaced since."""
    while _replaced:
        owner, name, original, ours = _replaced.pop()
        if inspect.getattr_static(owner, name) is ours:
            setattr(owner, name, original)


def remember(codes: Iterable[CodeType], file: str, source: str) -> None:
    """Keep the source of code that a module no longer has, for as long as frames run it.

    Args:
        codes: code objects; those nested in them count too.
        file: those that were compiled from another file are passed over.
        source: the text of the file then.
    """
    lines = source.splitlines(keepends=True)
    pending = [code for code in codes if code.co_filename == file]
    while pending:
        code = pending.pop()
        _former[id(code)] = (_leaving(code), lines)
        pending += [each for each in code.co_consts if isinstance(each, CodeType)]


def _leaving(code: CodeType) -> ref[CodeType]:
    """Return a reference to code that takes its entry out when the code ends."""
    at = id(code)
    return ref(code, lambda _: _former.pop(at, None))


def lines_of(code: CodeType | None, file: str, scope: dict[str, Any]) -> list[str] | None:
    """Return the lines of the source that live code was compiled from.

    Args:
        code: the code, if it is known.
        file: its file name.
        scope: its globals.

    Returns:
        Lines with their ends; none of them if the source cannot be had any more, which is better
        than another one. None if the code is not live, or was not compiled from a file.
    """
    former = _former.get(id(code))
    if former is not None:
        return former[1]
    loader: Any = scope.get("__loader__")
    if type(loader).__module__ != "transfuse._core" or loader.path != file:
        return None
    global _last  # noqa: PLW0603 - of the process; replaced whole, so that readers need no lock
    digest: str | None = loader.digest
    if digest is not None and _last[0] == digest:
        return _last[1]
    try:
        source: str = loader.get_source()
    except OSError:
        return []
    lines = source.splitlines(keepends=True)
    _last = (digest, lines)
    return lines


def _replace(owner: Any, name: str, wrapping: Callable[[Any], Any]) -> None:
    original = inspect.getattr_static(owner, name)
    ours = wrapping(original)
    setattr(owner, name, ours)
    _replaced.append((owner, name, original, ours))


def _extracting(original: classmethod[Any, Any, Any]) -> classmethod[Any, Any, Any]:
    def extract(cls: type[Any], /, frame_gen: Iterable[Any], **options: Any) -> Any:
        frames: list[FrameType] = []

        def noted() -> Iterator[Any]:
            for each in frame_gen:
                frames.append(each[0])
                yield each

        summary = original.__func__(cls, noted(), **options)
        known: dict[tuple[int, int], list[str] | None] = {}
        # A limit cuts off the first ones, if any.
        for frame, shown in zip(reversed(frames), reversed(summary), strict=False):
            code = frame.f_code
            key = (id(frame.f_globals), id(code))
            if key not in known:
                known[key] = lines_of(code, code.co_filename, frame.f_globals)
            lines = known[key]
            if lines is not None:
                _show(shown, lines)
        return summary

    update_wrapper(extract, original.__func__)
    return classmethod(extract)


def _show(shown: Any, lines: list[str]) -> None:
    """Let a frame summary show these lines instead of the file's."""
    first = shown.lineno or 0
    if hasattr(shown, "_lines"):  # from Python 3.13 on
        last = max(shown.end_lineno or first, first)
        shown._lines = "".join(line.rstrip() + "\n" for line in lines[first - 1 : last])
        shown._lines_dedented = None
    else:
        shown._line = "".join(lines[first - 1 : first]) if first else ""


def _getting_lines(original: Callable[..., list[str]]) -> Callable[..., list[str]]:
    @wraps(original)
    def getlines(filename: str, module_globals: dict[str, Any] | None = None) -> list[str]:
        wanted: tuple[str, list[str]] | None = getattr(_wanted, "source", None)
        if wanted is not None and wanted[0] == filename:
            return wanted[1]
        if module_globals:
            lines = lines_of(None, filename, module_globals)
            if lines is not None:
                return lines
        return original(filename, module_globals)

    return getlines


def _finding_source(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @wraps(original)
    def findsource(object: Any) -> Any:
        code, scope = _code_and_scope(object)
        file = scope.get("__file__") if code is None else code.co_filename
        lines = lines_of(code, file, scope) if isinstance(file, str) else None
        if lines is None:
            return original(object)
        before = getattr(_wanted, "source", None)
        _wanted.source = (file, lines)
        try:
            return original(object)
        finally:
            _wanted.source = before

    return findsource


def _code_and_scope(object: Any) -> tuple[CodeType | None, dict[str, Any]]:
    """Return the code of an object that `inspect` looks up, if it has any, and its globals."""
    if isinstance(object, TracebackType):
        object = object.tb_frame
    if isinstance(object, FrameType):
        return object.f_code, object.f_globals
    if isinstance(object, MethodType):
        object = object.__func__
    if inspect.isfunction(object):
        return object.__code__, object.__globals__
    if isinstance(object, ModuleType):
        return None, vars(object)
    if isinstance(object, type):
        return None, _scope_of(object)
    return (object if isinstance(object, CodeType) else None), {}


def _scope_of(kind: type) -> dict[str, Any]:
    """Return the globals of the execution that made a class; none if it cannot be found."""
    # Methods know it.
    for each in list(vars(kind).values()):
        value = getattr(each, "__func__", getattr(each, "fget", each))
        if inspect.isfunction(value) and value.__module__ == kind.__module__:
            return value.__globals__
    # A class without methods is looked for where its source puts it.
    for module in _core.executions(kind.__module__, lingering=True):
        found: Any = module
        for part in kind.__qualname__.split("."):
            found = vars(found).get(part) if isinstance(found, (type, ModuleType)) else None
        if found is kind:
            return vars(module)
    return {}


def _telling_unraisable(
    original: Callable[[sys.UnraisableHookArgs], object],
) -> Callable[[sys.UnraisableHookArgs], object]:
    def tell(arguments: sys.UnraisableHookArgs, /) -> object:
        error, told = arguments.exc_value, arguments.exc_traceback
        frames = () if told is None else traceback.walk_tb(told)
        codes = ((frame.f_code, frame.f_globals) for frame, _ in frames)
        if sys.stderr is None or all(
            lines_of(code, code.co_filename, scope) is None for code, scope in codes
        ):
            return original(arguments)
        # The text of the original, with the true source.
        what = "" if arguments.object is None else f" {_safe_repr(arguments.object)}"
        text = traceback.format_exception(arguments.exc_type, error, told, chain=False)
        head = arguments.err_msg or "Exception ignored in"
        sys.stderr.write(f"{head}:{what}\n{''.join(text)}")
        sys.stderr.flush()
        return None

    return tell


def _safe_repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        return "<object repr() failed>"


def _thread_ended(arguments: threading.ExceptHookArgs) -> None:
    """Do what `threading.__excepthook__` does, with the true source."""
    if arguments.exc_type is SystemExit or sys.stderr is None:
        return
    name = arguments.thread.name if arguments.thread else threading.get_ident()
    error = arguments.exc_value
    told = traceback.format_exception(arguments.exc_type, error, arguments.exc_traceback)
    sys.stderr.write(f"Exception in thread {name}:\n{''.join(told)}")
    sys.stderr.flush()
