"""Access control: which visitors may see the object that a path leads to?

Modules, objects and functions have guards, named as in mod_python's publisher: `__auth__` checks a
user's password, `__auth_realm__` is shown by the browser when it asks for it, and `__access__` says
whether the user may pass. Each is asked at its own step of the path. A guard of an unknown kind is
an error and denies access.
"""

from __future__ import annotations

import hmac
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from transfuse.config.logs import get_logger
from transfuse.publishing.credentials import credentials_of
from transfuse.publishing.describe_location import kind, where
from transfuse.publishing.http_errors import Refused
from transfuse.publishing.nested_guards import inside
from transfuse.publishing.pages import own_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transfuse.publishing.executor import Running
    from transfuse.publishing.request import Request

log = get_logger("transfuse.publisher")

_AUTH, _REALM, _ACCESS = "__auth__", "__auth_realm__", "__access__"
_NAMES = (_AUTH, _REALM, _ACCESS)
# Methods of a value that is true or false by itself.
_TRUTHS = ("__bool__", "__len__")
# In place of the password of a user that a dict does not have.
_NOBODY = object()


@dataclass(frozen=True)
class Guard:
    """The access rules of one step of a path.

    Attributes:
        said: the values by their names, such as ``{"__auth__": check}``. They may be secrets:
            neither a log nor a page shows anything of them.
        whose: the object that has them, for messages to the author.
    """

    said: Mapping[str, Any] = field(repr=False)
    whose: Any = field(repr=False)

    def beyond(self, asked: Guard | None) -> Guard:
        """Return the rules of this guard that were not asked already."""
        if asked is None:
            return self
        former = asked.said
        return Guard(
            {
                name: each
                for name, each in self.said.items()
                if name not in former or not _is_same(each, former[name])
            },
            self.whose,
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
            if not isinstance(said[_REALM], str):
                raise _wrong(_REALM, guard, "a text", said[_REALM])
            self._realm = said[_REALM]
        if _AUTH in said and not await self._knows(guard):
            raise Refused(
                HTTPStatus.UNAUTHORIZED,
                headers=(("WWW-Authenticate", f"Basic {_quoted(self._realm)}"),),
            )
        if _ACCESS in said and not await self._admits(guard):
            raise Refused(HTTPStatus.FORBIDDEN, why=f"{_ACCESS} does not admit {request.user}")

    async def ask_package(self, package: object) -> None:
        """The same for the module of a package; it is asked once."""
        if all(each is not package for each in self._packages):
            self._packages.append(package)
            await self.ask(_of_package(package))

    async def _knows(self, guard: Guard) -> bool:
        auth = guard.said[_AUTH]
        if isinstance(auth, bool):
            return auth
        if not callable(auth) and not isinstance(auth, Mapping):
            raise _wrong(_AUTH, guard, "a function, a dict or a bool", auth)
        given = credentials_of(self._request)
        if given is None:
            return False
        user, password = given
        if callable(auth):
            answer = await self._running.call(auth, self._request, user, password)
            known = _truth(_AUTH, guard, answer)
        else:
            known = _is_right(auth.get(user, _NOBODY), password, guard)
        if known:
            self._request.user = user
        return known

    async def _admits(self, guard: Guard) -> bool:
        access = guard.said[_ACCESS]
        if isinstance(access, bool):
            return access
        if callable(access):
            answer = await self._running.call(access, self._request, self._request.user)
            return _truth(_ACCESS, guard, answer)
        if isinstance(access, (list, tuple, set, frozenset)):
            # A name whose password was not checked is not a user.
            return self._request.user is not None and self._request.user in access
        raise _wrong(_ACCESS, guard, "a function, a list of users or a bool", access)


def of_namespace(namespace: Mapping[str, Any]) -> Guard:
    """Return the guard of a module."""
    return Guard({name: namespace[name] for name in _NAMES if name in namespace}, namespace)


def _of_package(package: object) -> Guard:
    if type(package) is ModuleType:
        return of_namespace(vars(package))
    if not issubclass(type(package), ModuleType):
        raise TypeError(
            f"a package has put {kind(package)} in its place, which no {_ACCESS} can guard:"
            f" {where(package)}"
        )
    return of_object(package)


def _is_same(one: Any, other: Any) -> bool:
    # A class method is bound anew each time.
    return one is other or (type(one) is type(other) is MethodType and one == other)


def of_object(value: object) -> Guard:
    """Return the guard of an object; its class may define it, or a class that this inherits."""
    said: dict[str, Any] = {}
    for name in _NAMES:
        try:
            # A class must not compute its guards (`__getattr__`, `__dict__`).
            said[name] = object.__getattribute__(value, name)
        except AttributeError:
            if any(name in own_names(cls) for cls in type(value).__mro__):
                raise
    return Guard(said, value)


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
    return Guard(said, cls), whole


def _binds(raw: Any) -> bool:
    """Whether it is asked for by an object, as functions and properties are."""
    return any("__get__" in own_names(cls) for cls in type(raw).__mro__)


def of_function(function: Any) -> Iterator[Guard]:
    """Yield the guards of a function: its attributes, and functions of these names inside it.

    A function that a decorator has wrapped has guards of its own.

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
            yield Guard(said, each)
        if type(each) is FunctionType:
            yield Guard(inside(each, _NAMES), each)


def _wrapped(function: Any) -> Iterator[Any]:
    seen: set[int] = set()
    while function is not None and id(function) not in seen:
        seen.add(id(function))
        yield function
        function = vars(function).get("__wrapped__")


def _wrong(name: str, guard: Guard, wanted: str, value: object) -> TypeError:
    return TypeError(f"{name} is {wanted}, not {kind(value)}: {where(guard.whose)}")


def _is_right(right: object, password: str, guard: Guard) -> bool:
    """Tell whether a password is the one that a dict has."""
    if right is _NOBODY:
        return False
    if not isinstance(right, str):
        # The visitor gets the usual answer: the names in the dict are secret, too.
        log.error("a password in %s is a text, not %s: %s", _AUTH, kind(right), where(guard.whose))
        return False
    # Text that is not UTF-8 matches no password, and its error would show a piece of it.
    return hmac.compare_digest(right.encode(errors="surrogatepass"), password.encode())


def _truth(name: str, guard: Guard, answer: Any) -> bool:
    # Every other object is true, such as a generator or a coroutine.
    if answer is not None and not any(
        each in own for own in map(own_names, type(answer).__mro__) for each in _TRUTHS
    ):
        if inspect.iscoroutine(answer):
            answer.close()
        raise TypeError(
            f"{name} must return whether it lets somebody pass, and returned {kind(answer)}:"
            f" {where(guard.whose)}"
        )
    return bool(answer)


def _quoted(realm: str) -> str:
    plain = "".join(each if " " <= each <= "~" else "?" for each in realm)
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'realm="{escaped}", charset="UTF-8"'
