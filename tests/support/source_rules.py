"""Which lines of Rust go around a rule: the one door to the system, the one home of locks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.rust_source import RustSource, Segments

# `Path` asks the system by these, and they take no argument: the methods of the engine's
# `FileSystem` are called likewise and take the path.
_ASKING = (
    "exists|try_exists|is_file|is_dir|is_symlink|metadata|symlink_metadata|canonicalize|read_dir"
    "|read_link"
)
_METHOD = re.compile(rf"\.\s*(?:{_ASKING})\s*\(\s*\)")
_FUNCTION = re.compile(rf"^Path(?:Buf)?::(?:{_ASKING})$")
_LIBC = re.compile(
    r"^libc::(?:open|openat|creat|flock|f?stat|lstat|fstatat|access|readlink|realpath|getcwd|chdir"
    r"|mkdir|rmdir|unlink|rename|link|symlink|opendir|readdir|fcntl)(?:64)?$"
)
_SYSTEM = re.compile(
    r"^std::(?:fs\b|os::\w+::fs\b|env::(?:current_dir|set_current_dir)$|path::absolute$)"
)
_LOCK = re.compile(
    r"^(?:std::sync|shuttle::sync)::(?:Mutex|RwLock|Condvar|PoisonError|\*)"
    r"|^std::sync::poison\b|^parking_lot::"
)
_UNWRAPPED = re.compile(
    r"\.\s*(?:(?:lock|try_lock|read|write|into_inner|get_mut)\s*\(\s*\)"
    r"|(?:wait|wait_while|wait_timeout|wait_timeout_while)\s*\([^()]+\))"
    r"\s*\.\s*(?:unwrap|expect)\s*\("
)
_SHARED = re.compile(r"\b(?:Arc|Rc)\s*<\s*(?:pyo3\s*::\s*)?Py\s*<")


def around_the_door(source: RustSource) -> list[str]:
    """Where the operating system is asked for files, in any spelling."""

    def asks(path: Segments) -> bool:
        name, end = "::".join(path), "::".join(path[-2:])
        return bool(_SYSTEM.match(name) or _LIBC.match(name) or _FUNCTION.match(end))

    return _named(source, asks) + list(_matched(source, _METHOD))


def other_locks(source: RustSource) -> list[str]:
    """Where a lock is not the project's, or is given up because a thread panicked under it."""
    named = _named(source, lambda path: bool(_LOCK.match("::".join(path))))
    return named + list(_matched(source, _UNWRAPPED))


def shared_objects(source: RustSource) -> list[str]:
    """Where Rust owners share a Python object, which hides it from the collector."""
    return list(_matched(source, _SHARED))


def _named(source: RustSource, rule: Callable[[Segments], bool]) -> list[str]:
    return [f"{path.line}: {path}" for path in source.paths() if rule(path.segments)]


def _matched(source: RustSource, pattern: re.Pattern[str]) -> Iterator[str]:
    for match in pattern.finditer(source.code):
        line = source.code.count("\n", 0, match.start()) + 1
        yield f"{line}: {' '.join(match[0].split())}"
