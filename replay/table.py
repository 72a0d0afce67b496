"""Which packages are replayed, and through which releases?

Each has a probe of the same name in `probes/`: a live module that uses the package as an
application does, and whose `result()` is a value that JSON has.
"""

from __future__ import annotations

from typing import NamedTuple


class History(NamedTuple):
    """A pure-Python package and five of its releases, one after the other.

    Attributes:
        name: as on PyPI.
        packages: what it has at its top: modules and packages, such as ``("attr", "attrs")``.
        releases: the versions, none left out between them.
    """

    name: str
    packages: tuple[str, ...]
    releases: tuple[str, ...]

    @property
    def probe(self) -> str:
        """The name of its probe as a module, such as ``probe_more_itertools``."""
        return f"probe_{self.name.replace('-', '_')}"


HISTORIES = (
    History("attrs", ("attr", "attrs"), ("25.1.0", "25.2.0", "25.3.0", "25.4.0", "26.1.0")),
    History("click", ("click",), ("8.4.0", "8.4.1", "8.4.2", "8.5.0", "8.5.1")),
    History("jinja2", ("jinja2",), ("3.1.2", "3.1.3", "3.1.4", "3.1.5", "3.1.6")),
    History("marshmallow", ("marshmallow",), ("4.2.3", "4.2.4", "4.3.0", "4.3.1", "4.4.0")),
    History(
        "more-itertools", ("more_itertools",), ("11.0.1", "11.0.2", "11.1.0", "11.2.0", "11.2.1")
    ),
    History("packaging", ("packaging",), ("25.0", "26.0", "26.1", "26.2", "26.3")),
    History("pluggy", ("pluggy",), ("1.3.0", "1.4.0", "1.5.0", "1.6.0", "1.7.0")),
    History("structlog", ("structlog",), ("25.2.0", "25.3.0", "25.4.0", "25.5.0", "26.1.0")),
    History("tomlkit", ("tomlkit",), ("0.13.3", "0.14.0", "0.15.0", "0.15.1", "0.15.2")),
    History("werkzeug", ("werkzeug",), ("3.1.5", "3.1.6", "3.1.7", "3.1.8", "3.1.9")),
)
