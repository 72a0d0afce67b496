"""How does a foreign module get its adapter, whenever the program imports it?

A finder stands before the others and does nothing until one of a few names is imported. It has the
others find the module, and lets the adapter follow when the module has been executed. The module
keeps its own loader and spec.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from transfuse.process import install

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class _Finder:
    # Without the base classes of `importlib.abc`, which imports much that few programs use.
    def __init__(self, names: Collection[str], adapt: Callable[[str], None]) -> None:
        # Never reassigned. Module names, such as "jinja2", and the function to call with the name
        # of one after it was executed.
        self._names = names
        self._adapt = adapt
        # The names that the other finders are asked for: some of them ask all finders again. The
        # import system has one thread at a time import a name.
        self._sought: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._names or name in self._sought:
            return None
        self._sought.add(name)
        try:
            specs = (find(name, path, target) for find in _others(self))
            spec = next((spec for spec in specs if spec is not None), None)
        finally:
            self._sought.discard(name)
        if spec is not None and spec.loader is not None:
            # As the protocol asks, though typeshed wants the base class.
            loader: Any = _Loader(spec.loader, functools.partial(self._adapt, name))
            spec.loader = loader
        return spec


def _others(finder: _Finder) -> Iterator[Callable[..., ModuleSpec | None]]:
    others = [each for each in sys.meta_path if each is not finder]
    return (each.find_spec for each in others if hasattr(each, "find_spec"))


class _Loader:
    """Stands for a module's loader for the time of its execution."""

    def __init__(self, loader: Any, adapter: Callable[[], None]) -> None:
        self._loader = loader
        self._adapter = adapter

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._adapter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def call(names: Collection[str], adapt: Callable[[str], None]) -> None:
    """Call `adapt` with each name whose module has been imported, now or later.

    Args:
        names: of foreign modules, such as ``["jinja2"]``.
        adapt: has one of them answer by generation.
    """
    finder = _Finder(names, adapt)
    sys.meta_path.insert(0, finder)
    install.on_uninstall(functools.partial(_remove, finder))
    for name in names:
        if name in sys.modules:
            adapt(name)


def _remove(finder: _Finder) -> None:
    if finder in sys.meta_path:
        sys.meta_path.remove(finder)


def replace(owner: Any, name: str, make: Callable[..., Any]) -> None:
    """Have a function of a foreign class call `make(original, *arguments)`, until `uninstall`."""
    original = vars(owner)[name]
    if hasattr(original, "__transfuse__"):
        return

    @functools.wraps(original)
    def replaced(*arguments: Any, **named: Any) -> Any:
        return make(original, *arguments, **named)

    replaced.__transfuse__ = True  # type: ignore[attr-defined]
    setattr(owner, name, replaced)
    install.on_uninstall(functools.partial(_put_back, owner, name, original, replaced))


def _put_back(owner: Any, name: str, original: Any, replaced: Any) -> None:
    # Another wrapper around ours calls it on, and it does nothing without Transfuse.
    if vars(owner).get(name) is replaced:
        setattr(owner, name, original)
