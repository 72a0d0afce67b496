"""Where does an application come from, how is it served, and which edits are tried on it?"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["leaf", "middle", "entry", "model", "route"]


class Release(NamedTuple):
    """A source distribution.

    Attributes:
        version: such as ``"5.2.2"``.
        digest: its SHA-256 in hexadecimal.
    """

    version: str
    digest: str


class Request(NamedTuple):
    """A request whose answer is compared with the one of a fresh process.

    Attributes:
        path: with its query, such as ``"/items?page=2"``.
        headers: such as ``(("Content-Type", "application/json"),)``.
    """

    path: str
    method: str = "GET"
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Edit(NamedTuple):
    """One replacement in one file.

    Attributes:
        kind: ``"leaf"``: a module that few import; ``"middle"``: one that many import; ``"entry"``:
            the module that makes the application; ``"model"``: one with tables or the like, where
            there is one; ``"route"``: adds a route, which the runner removes again.
        path: the file, below the root.
        old: text that occurs in it once; the empty text stands for the end of the file.
        new: what replaces `old`.
    """

    kind: Kind
    path: str
    old: str
    new: str


class App(NamedTuple):
    """A real application whose source distribution is on PyPI.

    Attributes:
        name: as on PyPI.
        framework: such as ``"Flask"``.
        release: what is measured.
        following: the next release, to which the process is updated last; None: not tried.
        interface: ``"wsgi"`` or ``"asgi"``.
        requests: what is asked after each edit, in order. They leave no state behind that would
            change the answers to the next round.
        edits: in order; each stays in place, but for the route, which is removed again.
        root: the folder of its source, below the distribution's.
        extra: what pip installs with it, such as ``"server"`` of ``moto[server]``.
        needs: further requirements.
        environment: variables of the process; ``{data}`` stands for a folder that outlives it.
        prepare: whether its entry is run as a script first, to fill that folder.
        unsteady: patterns of what no two processes agree on in a body.
    """

    name: str
    framework: str
    release: Release
    following: Release | None
    interface: Literal["wsgi", "asgi"]
    requests: tuple[Request, ...]
    edits: tuple[Edit, ...]
    root: str = "."
    extra: str = ""
    needs: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    prepare: bool = False
    unsteady: tuple[str, ...] = ()

    @property
    def entry(self) -> str:
        """The module in `entries` that makes its `application`, such as ``"entry_moto"``."""
        return f"entry_{self.name.replace('-', '_')}"

    @property
    def target(self) -> str:
        """What a server would be given."""
        return f"{self.entry}:application"
