"""Which packages are tried, and how does each run its own tests?"""

from __future__ import annotations

from typing import NamedTuple


class Package(NamedTuple):
    """A package whose source distribution has its tests in it.

    Attributes:
        name, version: as on PyPI.
        root: the folder of its source, below the distribution's.
        tests: what is given to pytest.
        needs: what its tests import, as pip has it.
        deselected: node ids that are not run -> why. Each is not run in any of the runs.
        alone: the same of tests that measure the process, which are not run while updating.
        covered: the module whose coverage is measured and compared, too.
    """

    name: str
    version: str
    root: str
    tests: tuple[str, ...]
    needs: tuple[str, ...] = ()
    deselected: tuple[tuple[str, str], ...] = ()
    alone: tuple[tuple[str, str], ...] = ()
    covered: str | None = None


PACKAGES = (
    Package("click", "8.5.1", "src", ("tests",), ("pytest-cov",), covered="click"),
    Package("attrs", "26.1.0", "src", ("tests",), ("hypothesis", "cloudpickle", "pympler")),
    Package(
        "markupsafe",
        "3.0.4",
        "src",
        ("tests",),
        ("pytest-cov",),
        alone=(("tests/test_leak.py", "counts all objects of the process"),),
        covered="markupsafe",
    ),
    Package("packaging", "26.3", "src", ("tests",), ("pretend", "tomli-w", "hypothesis")),
    Package("pluggy", "1.7.0", "src", ("testing",), ("pytest-benchmark",)),
    Package(
        "httpx",
        "0.28.1",
        ".",
        ("tests",),
        ("anyio", "certifi", "httpcore", "h2", "socksio", "chardet", "trio", "trustme", "uvicorn"),
    ),
    Package("jinja2", "3.1.6", "src", ("tests",), ("trio",)),
    Package("structlog", "25.5.0", "src", ("tests",), ("freezegun", "pretend", "pytest-asyncio")),
)
