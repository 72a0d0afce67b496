"""How does a Celery worker come to run the current code of a task?

A worker keeps, for as long as it lives, the application that it was started with, and a task for
each name. With tasks of this class, each execution is a unit of work that runs the task of the
same name in the current generation:

    app = Celery("shop", task_cls="transfuse.frameworks.celery:Task")

Celery asks for this module by that name; nothing else of Transfuse does.
"""

from __future__ import annotations

import inspect
import sys
from types import FunctionType
from typing import Any

import celery
from celery import _state
from celery.exceptions import NotRegistered

from transfuse._core import Pin
from transfuse.process.imports import import_module
from transfuse.process.install import ensure_installed
from transfuse.updates import participants

# Under this name a module keeps the tasks that were made of it for the worker.
_KEPT = "__transfuse_tasks__"


class Task(celery.Task):  # type: ignore[misc]
    """A task whose executions are units of work, and run the current generation's code.

    `run` is live: its code, `bind`, retrying. The decisions of the worker around it (queues,
    limits, acknowledgement, handlers of success and failure) stay those of the worker's start.

    Raises:
        NotRegistered: when it is executed and the current generation has no such task any more.
    """

    abstract = True
    # The `run` of the user's task: a function, or a static method. It is in a tuple so that it is
    # not bound when it is looked at. Set once a class; empty if it is of a former generation.
    _own: tuple[Any, ...] = ()

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        participants.register(_finalizers)
        own = cls.__dict__.get("run")
        if own is None:
            return
        cls.run = cls.__wrapped__ = _run
        # Celery compares this to find two tasks with one name; the next generation's task is meant
        # to have the same name.
        cls._decorated_fun = None
        # A new application gets the tasks of former generations, too, when it is complete before
        # they were taken from Celery. It must not hold them: `_current` does not need them.
        cls._own = () if _is_superseded(getattr(own, "__func__", own)) else (own,)


class _Finalizers:
    """Takes part in updates: Celery forgets the tasks of former generations.

    It notes each function that was ever decorated, to give it to every application that is made
    later, in no order. An application of the next generation could so get the code of a former one,
    and none of them would ever be released.
    """

    order = 5

    def __init__(self) -> None:
        # The finalizers taken from Celery for the update under way. The updating thread's.
        self._taken: list[Any] = []

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        """Take the functions that are not of the staged generation."""
        self._taken = _take_superseded()

    def published(self, generation: int) -> None:  # noqa: ARG002
        """Drop them."""
        self._taken = []

    def abandoned(self, generation: int) -> None:  # noqa: ARG002
        """Give them back, and take those of the staged generation."""
        _state._on_app_finalizers.update(self._taken)
        self._taken = []
        with Pin():
            _take_superseded()


_finalizers = _Finalizers()


def _take_superseded() -> list[Any]:
    noted = _state._on_app_finalizers
    superseded = [each for each in list(noted) if _is_superseded(_decorated(each))]
    noted.difference_update(superseded)
    return superseded


def _is_superseded(function: Any) -> bool:
    """Whether it is of a live module, and of another run of it than the pinned generation has."""
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    if module is None or type(module).__module__ != "transfuse._core":
        return False
    return not _is_of(function, vars(module))


def _is_of(function: Any, namespace: dict[str, Any]) -> bool:
    # A decorator of another module may stand around the user's function.
    return getattr(inspect.unwrap(function), "__globals__", None) is namespace


def _decorated(callback: Any) -> Any:
    """The function in one of Celery's callbacks; `task` and `shared_task` keep it in a cell."""
    if not isinstance(callback, FunctionType) or callback.__closure__ is None:
        return None
    cells = dict(zip(callback.__code__.co_freevars, callback.__closure__, strict=True))
    return cells["fun"].cell_contents if "fun" in cells else None


def _run(self: Task, /, *arguments: Any, **named: Any) -> Any:
    ensure_installed()
    with Pin(f"task {self.name} {self.request.id or ''}".rstrip()):
        current = _current(self)
        if current is self:
            return _own_of(self)(*arguments, **named)
        # Its code reads the request, and may call `retry`.
        current.request_stack.push(self.request_stack.top)
        try:
            # Not `_own`: a task with `autoretry_for` has a wrapper around it.
            return (vars(current).get("run") or _own_of(current))(*arguments, **named)
        finally:
            current.request_stack.pop()


def _own_of(task: Any) -> Any:
    (own,) = type(task)._own
    return own.__get__(task, type(task))


def _current(task: Task) -> Any:
    """The task of that name in the generation that is pinned, made for the worker's application."""
    functions = [getattr(own, "__func__", own) for own in type(task)._own]
    # The function of a class may be inherited from another module.
    name = functions[0].__module__ if functions else type(task).__module__
    try:
        namespace = vars(import_module(name))
    except ModuleNotFoundError as error:
        raise NotRegistered(task.name) from error
    if any(_is_of(function, namespace) for function in functions):
        return task
    kept = namespace.get(_KEPT)
    # An entry that was carried from an older namespace names that.
    if kept is None or kept[0] is not namespace:
        noted = [
            each
            for each in list(_state._on_app_finalizers)
            if (function := _decorated(each)) is not None and _is_of(function, namespace)
        ]
        made = [each(_Apart(task.app)) for each in noted]
        kept = namespace[_KEPT] = (namespace, {each.name: each for each in made})
    if task.name not in kept[1]:
        raise NotRegistered(task.name)
    return kept[1][task.name]


class _Apart:
    """An application with a registry of its own; for the rest, the worker's.

    The worker's registry has a task under that name, and Celery would answer with it.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._tasks: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    def _task_from_fun(self, *arguments: Any, **options: Any) -> Any:
        task = type(self._app)._task_from_fun(self, *arguments, **options)
        type(task).app = self._app
        type(task)._app = self._app
        return task
