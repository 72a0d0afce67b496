"""Who may see what a path leads to?

Modules, objects and functions say so, by what mod_python's publisher asked for: `__auth__` (who is
it?), `__auth_realm__` (what the browser says it asks a password for) and `__access__` (may they?).
Each is asked at its own step of the path. What is neither of the known kinds is an error, and lets
nobody in.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from transfuse.publishing.refusals import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transfuse.publishing.request import Request
    from transfuse.publishing.running import Running

_AUTH, _REALM, _ACCESS = "__auth__", "__auth_realm__", "__access__"
_NAMES = (_AUTH, _REALM, _ACCESS)


@dataclass(frozen=True)
class Guard:
    """What one step of a path says about who may pass.

    Attributes:
        said: the values by their names, such as ``{"__auth__": check}``.
    """

    said: Mapping[str, Any]


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
        given = _credentials(self._request)
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


def of_object(value: object) -> Guard:
    """Return the guard of an object; its class may define it, or a class that this inherits."""
    missing = object()
    return Guard(
        {
            name: getattr(value, name)
            for name in _NAMES
            if inspect.getattr_static(value, name, missing) is not missing
        }
    )


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
        code = getattr(each, "__code__", None)
        if isinstance(code, CodeType):
            yield Guard(_inside(each, code))


def _wrapped(function: Any) -> Iterator[Any]:
    seen: set[int] = set()
    while function is not None and id(function) not in seen:
        seen.add(id(function))
        yield function
        function = vars(function).get("__wrapped__")


def _inside(function: FunctionType, code: CodeType) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _NAMES:
        if name not in code.co_varnames and name not in code.co_cellvars:
            continue
        inner = [
            each for each in code.co_consts if isinstance(each, CodeType) and each.co_name == name
        ]
        if len(inner) != 1 or inner[0].co_freevars:
            raise TypeError(
                f"{name} in {function.__qualname__} is no function that stands for itself;"
                f" say {function.__name__}.{name} = ... below it"
            )
        found[name] = FunctionType(inner[0], function.__globals__, name)
    return found


def _credentials(request: Request) -> tuple[str, str] | None:
    """Return user and password as the browser sends them, or None."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    user, colon, password = text.partition(":")
    return (user, password) if colon else None


def _truth(name: str, answer: Any) -> bool:
    # A generator is true whatever it would say.
    if inspect.isgenerator(answer) or inspect.isasyncgen(answer):
        raise TypeError(f"{name} is a generator; it must return whether it lets somebody pass")
    return bool(answer)


def _quoted(realm: str) -> str:
    plain = "".join(each if " " <= each <= "~" else "?" for each in realm)
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'realm="{escaped}", charset="UTF-8"'
