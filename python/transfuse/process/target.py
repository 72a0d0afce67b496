"""Parses and resolves a target such as ``"shop.web:app"``.

A target is a dotted module name, a colon, and a dotted attribute. Without a colon the attribute is
`app`, or else `application`. A target is resolved anew at each use, in the generation that the unit
of work is pinned to, so nothing here is cached.
"""

from __future__ import annotations

import builtins
import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.errors import TargetError
from transfuse.source.suggestions import nearest, nearest_target

if TYPE_CHECKING:
    from collections.abc import Callable

_DEFAULT_NAMES = ("app", "application")
_MISSING = object()

# `_core.import_module` answers a live caller from a generation that the caller's code belongs to.
# A target is not an import of the code that happens to call it: a thread that is left over from old
# code and calls a `live` function wants the new one. So it is asked for by a function whose globals
# belong to no module.
_import_for_nobody: Callable[[str], ModuleType] = FunctionType(
    (lambda name: import_module(name)).__code__,  # type: ignore[name-defined]  # noqa: F821, PLW0108
    {
        "__name__": "(a target of Transfuse)",
        "__builtins__": builtins,
        "import_module": _core.import_module,
    },
)


class Target:
    """A parsed target.

    Args:
        text: ``"module"`` or ``"module:attribute.attribute"``.

    Raises:
        TargetError: the text is not of that form.
    """

    __slots__ = ("module", "names", "text")

    text: str
    module: str
    # The attribute's dotted parts, such as ("api", "app"); empty: one of the default names.
    names: tuple[str, ...]

    def __init__(self, text: str) -> None:
        module, colon, attribute = text.partition(":")
        names = tuple(attribute.split(".")) if colon else ()
        if not all(part.isidentifier() for part in (*module.split("."), *names)):
            raise TargetError(
                f"target {text!r} is not of the form 'package.module:attribute'{_hint(text)}"
            )
        self.text = text
        self.module = module
        self.names = names

    def __repr__(self) -> str:
        return f"Target({self.text!r})"

    def load(self) -> None:
        """Load the module, if there is one.

        Raises:
            BaseException: any exception that the module raises while it is imported.
        """
        try:
            _import_for_nobody(self.module)
        except ModuleNotFoundError as error:
            if not error.name or not f"{self.module}.".startswith(f"{error.name}."):
                raise

    def resolve(self) -> Any:
        """Return the object that the target names, in the pinned generation, else the current one.

        Raises:
            TargetError: there is no such module, or it has no such attribute.
            BaseException: any exception that the module raises while it is imported.
        """
        try:
            value: Any = _import_for_nobody(self.module)
        except ModuleNotFoundError as error:
            if error.name and f"{self.module}.".startswith(f"{error.name}."):
                raise TargetError(self._no_module(error.name)) from None
            raise
        return self.of(value)

    def of(self, module: ModuleType) -> Any:
        """Return the object that the target names in one execution of its module.

        Raises:
            TargetError: it has no such attribute.
        """
        value: Any = module
        if not self.names:
            for name in _DEFAULT_NAMES:
                found = getattr(value, name, _MISSING)
                if found is not _MISSING:
                    return found
            raise TargetError(self._no_attribute(value, "app"))
        for name in self.names:
            found = getattr(value, name, _MISSING)
            if found is _MISSING:
                raise TargetError(self._no_attribute(value, name))
            value = found
        return value

    def resolve_callable(self, or_has: str = "__call__") -> Any:
        """The same as `resolve`, and also raise TargetError if the object cannot be called.

        Args:
            or_has: the name of a method that will do instead.
        """
        value = self.resolve()
        if not callable(value) and not hasattr(value, or_has):
            raise TargetError(
                f"target {self.text!r} is not callable: it is of type {type(value).__name__}"
            )
        return value

    def _no_module(self, missing: str) -> str:
        near = nearest_target(self.module, sys.path)
        hint = f"; did you mean {near!r}?" if near else "; is its directory a root, or on sys.path?"
        return f"target {self.text!r}: there is no module {missing!r}{hint}"

    def _no_attribute(self, owner: object, name: str) -> str:
        near = nearest(name, (known for known in dir(owner) if not known.startswith("_")))
        what = (
            f"module {owner.__name__!r}" if isinstance(owner, ModuleType) else type(owner).__name__
        )
        sought = repr(name) if self.names else "neither 'app' nor 'application'"
        verb = "has no" if self.names else "has"
        hint = f"; did you mean {near!r}?" if near else ""
        if not self.names:
            hint = hint or f"; name it, as in '{self.module}:name'"
        return f"target {self.text!r}: {what} {verb} {sought}{hint}"


def _hint(text: str) -> str:
    path, _, attribute = text.partition(":")
    if path.endswith(".py"):
        module = path[:-3].strip("./").replace("/", ".")
        return f"; did you mean {module + (':' + attribute if attribute else '')!r}?"
    return ""
