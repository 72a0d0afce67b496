"""Which functions of live code run when the process ends?

Those of current code. The collector does not see the callbacks of `atexit`, so each would keep a
former module in memory. Therefore callbacks of live code are kept in a list in that module, where
they are found like other registrations (`registrations`): those of new code replace those of former
code. `atexit` calls the callbacks in the list at the place of the list among all callbacks.
"""

from __future__ import annotations

import atexit
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.process import install

if TYPE_CHECKING:
    from collections.abc import Callable

# In the namespace of `atexit`: function, arguments, named arguments, and an object that tells it
# from an equal one: `[(close, (pool,), {}, <object>)]`. Written by threads that register; entries
# leave as other registrations do.
_NAME = "_transfuse_callbacks"


class _Place:
    """What `atexit` calls instead: its function is the one with this mark, if it is still there."""

    def __init__(self, mark: object) -> None:
        self.mark = mark

    def __call__(self) -> None:
        for each in list(_callbacks()):
            if each[3] is self.mark:
                _callbacks().remove(each)
                each[0](*each[1], **each[2])


# Of functions in the list. Those of others leave when the next one registers.
_places: list[_Place] = []


def attend() -> None:
    """Keep what live code registers where it is found."""
    register, unregister = atexit.register, atexit.unregister
    if _NAME not in vars(atexit):
        vars(atexit)[_NAME] = []
        # Callbacks that a rollback has put back may have lost their place. Registered first, so
        # called last.
        register(_call_rest)

    def register_callback(func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if not callable(func) or not _is_live(sys._getframe(1).f_globals):
            return register(func, *args, **kwargs)
        mark = object()
        _callbacks().append((func, args, kwargs, mark))
        _leave(unregister)
        place = _Place(mark)
        _places.append(place)
        register(place)
        return func

    def unregister_callback(func: Callable[..., Any], /) -> None:
        for each in list(_callbacks()):
            if each[0] == func:
                _callbacks().remove(each)
        unregister(func)

    atexit.register, atexit.unregister = register_callback, unregister_callback
    install.on_uninstall(partial(setattr, atexit, "register", register))
    install.on_uninstall(partial(setattr, atexit, "unregister", unregister))


def _callbacks() -> list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], object]]:
    found: list[Any] = vars(atexit)[_NAME]
    return found


def _is_live(caller: dict[str, Any]) -> bool:
    loader = type(caller.get("__loader__"))
    return loader.__module__ == "transfuse._core" or _core.executing() is not None


def _leave(unregister: Callable[[Any], None]) -> None:
    marks = {id(each[3]) for each in _callbacks()}
    for place in list(_places):
        if id(place.mark) not in marks:
            _places.remove(place)
            unregister(place)


def _call_rest() -> None:
    for each in reversed(list(_callbacks())):
        each[0](*each[1], **each[2])
