"""Who may see what a path leads to?

Modules, objects and functions say so, by what mod_python's publisher asked for: `__auth__` (who is
it?), `__auth_realm__` (what the browser says it asks a password for) and `__access__` (may they?).
Each is asked at its own step of the path. What is neither of the known kinds is an error, and lets
nobody in.
"""

from __future__ import annotations

import hmac
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from transfuse.publishing.credentials import credentials_of
from transfuse.publishing.inner_guards import inside
from transfuse.publishing.pages import own_names
from transfuse.publishing.refusals import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transfuse.publishing.request import Request
    from transfuse.publishing.running import Running

_AUTH, _REALM, _ACCESS = "__auth__", "__auth_realm__", "__access__"
_NAMES = (_AUTH, _REALM, _ACCESS)
# What a value has that is true or false by itself.
_TRUTHS = ("__bool__", "__len__")


@dataclass(frozen=True)
class Guard:
    """What one step of a path says about who may pass.

    Attributes:
        said: the values by their names, such as ``{"__auth__": check}``.
    """

    said: Mapping[str, Any]

    def beyond(self, asked: Guard | None) -> Guard:
        """Return what this says that was not asked already."""
        if asked is None:
            return self
        former = asked.said
        return Guard(
            {
                name: each
                for name, each in self.said.items()
                if name not in former or not _is_same(each, former[name])
            }
        )


class Gate:
    """Asks the guards of one request, step by step."""

    def __init__(self, request: Request, running: Running) -> None:
        self._request = request
        self._running = running
        self._realm = "restricted"
        # The packages that were asked already.
        self._packages: list[object] = []

    async def ask(self, guard: Guard) -> None:
        """Return if the guard lets the request pass.

        Raises:
            Refused: 401 if `__auth__` does not, 403 if `__access__` does not.
            TypeError: one of them is something that cannot be asked.
        """
        said, request = guard.said, self._request
        if _REALM in said:
            self._realm = str(said[_REALM])
        if _AUTH in said and not await self._knows(said[_AUTH]):
            raise Refused(
                HTTPStatus.UNAUTHORIZED,
                headers=(("WWW-Authenticate", f"Basic {_quoted(self._realm)}"),),
            )
        if _ACCESS in said and not await self._admits(said[_ACCESS]):
            raise Refused(HTTPStatus.FORBIDDEN, why=f"{_ACCESS} does not admit {request.user}")

    async def ask_package(self, package: object) -> None:
        """The same for what stands for a package; it is asked once."""
        if all(each is not package for each in self._packages):
            self._packages.append(package)
            await self.ask(_of_package(package))

    async def _knows(self, auth: Any) -> bool:
        if isinstance(auth, bool):
            return auth
        if not callable(auth) and not isinstance(auth, Mapping):
            raise TypeError(f"{_AUTH} is a function, a dict or a bool, not {auth!r}")
        given = credentials_of(self._request)
        if given is None:
            return False
        user, password = given
        if callable(auth):
            known = _truth(_AUTH, await self._running.call(auth, self._request, user, password))
        else:
            right = auth.get(user)
            known = isinstance(right, str) and hmac.compare_digest(
                right.encode(), password.encode()
            )
        if known:
            self._request.user = user
        return known

    async def _admits(self, access: Any) -> bool:
        if isinstance(access, bool):
            return access
        if callable(access):
            answer = await self._running.call(access, self._request, self._request.user)
            return _truth(_ACCESS, answer)
        if isinstance(access, (list, tuple, set, frozenset)):
            # A name that nobody has checked the password of is not a user.
            return self._request.user is not None and self._request.user in access
        raise TypeError(f"{_ACCESS} is a function, a list of users or a bool, not {access!r}")


def of_namespace(namespace: Mapping[str, Any]) -> Guard:
    """Return the guard of a module."""
    return Guard({name: namespace[name] for name in _NAMES if name in namespace})


def _of_package(package: object) -> Guard:
    if type(package) is ModuleType:
        return of_namespace(vars(package))
    if not issubclass(type(package), ModuleType):
        raise TypeError(f"a package has put {package!r} in its place, which no {_ACCESS} can guard")
    return of_object(package)


def _is_same(one: Any, other: Any) -> bool:
    # A class method is bound anew each time.
    return one is other or (type(one) is type(other) is MethodType and one == other)


def of_object(value: object) -> Guard:
    """Return the guard of an object; its class may define it, or a class that this inherits."""
    said: dict[str, Any] = {}
    for name in _NAMES:
        try:
            # What the class makes up (`__getattr__`, `__dict__`) has no say in who is let in.
            said[name] = object.__getattribute__(value, name)
        except AttributeError:
            if any(name in own_names(cls) for cls in type(value).__mro__):
                raise
    return Guard(said)


def of_class(cls: type[Any]) -> tuple[Guard, bool]:
    """Return the guard of a class, as far as it can be asked before an object is made.

    Returns:
        The guard, and whether that is all that the class says.
    """
    said: dict[str, Any] = {}
    whole = True
    for name in _NAMES:
        for own in map(own_names, cls.__mro__):
            if name in own:
                raw = own[name]
                if type(raw) in (staticmethod, classmethod):
                    said[name] = raw.__get__(None, cls)
                elif not _binds(raw):
                    said[name] = raw
                else:
                    whole = False
                break
    return Guard(said), whole


def _binds(raw: Any) -> bool:
    """Whether it is asked for by an object, as functions and properties are."""
    return any("__get__" in own_names(cls) for cls in type(raw).__mro__)


def of_function(function: Any) -> Iterator[Guard]:
    """Yield the guards of a function: its attributes, and functions of these names inside it.

    What a decorator has wrapped has its own.

    Raises:
        TypeError: one of the names stands inside it for something else than a plain function. That
            was meant to guard, and cannot be asked.
    """
    asked: list[Any] = []
    for each in _wrapped(function):
        said = {name: vars(each)[name] for name in _NAMES if name in vars(each)}
        # A well-behaved decorator has copied the attributes.
        if said not in asked:
            asked.append(said)
            yield Guard(said)
        if type(each) is FunctionType:
            yield Guard(inside(each, _NAMES))


def _wrapped(function: Any) -> Iterator[Any]:
    seen: set[int] = set()
    while function is not None and id(function) not in seen:
        seen.add(id(function))
        yield function
        function = vars(function).get("__wrapped__")


def _truth(name: str, answer: Any) -> bool:
    # Everything else is true whatever it would say: a generator, a coroutine, an object.
    if answer is not None and not any(
        each in own for own in map(own_names, type(answer).__mro__) for each in _TRUTHS
    ):
        if inspect.iscoroutine(answer):
            answer.close()
        raise TypeError(
            f"{name} must return whether it lets somebody pass, and returned {answer!r}"
        )
    return bool(answer)


def _quoted(realm: str) -> str:
    plain = "".join(each if " " <= each <= "~" else "?" for each in realm)
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'realm="{escaped}", charset="UTF-8"'
