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
        held: why instances of former generations are still in use when the suite has ended.
        most: instances of one module that may be left then: of the current generation, of the one
            that is kept, and of the first, parts of which pytest holds.
        own: a file of ours with its tests, where the distribution has none.
        module: what is imported; the name, if it is not given.
        covered: whether its coverage is measured and compared, too.
    """

    name: str
    version: str
    root: str
    tests: tuple[str, ...]
    needs: tuple[str, ...] = ()
    deselected: tuple[tuple[str, str], ...] = ()
    alone: tuple[tuple[str, str], ...] = ()
    held: str | None = None
    most: int = 3
    own: str | None = None
    module: str | None = None
    covered: bool = False


PACKAGES = (
    Package("click", "8.5.1", "src", ("tests",), ("pytest-cov",), covered=True),
    Package(
        "attrs",
        "26.1.0",
        "src",
        ("tests",),
        ("hypothesis", "cloudpickle", "pympler"),
        module="attr",
    ),
    Package(
        "markupsafe",
        "3.0.4",
        "src",
        ("tests",),
        ("pytest-cov",),
        alone=(("tests/test_leak.py", "counts all objects of the process"),),
        covered=True,
    ),
    Package("packaging", "26.3", "src", ("tests",), ("pretend", "tomli-w", "hypothesis")),
    Package(
        "pluggy",
        "1.7.0",
        "src",
        ("testing",),
        ("pytest-benchmark",),
        held="pytest itself is built on it and goes on with the first generation",
    ),
    Package("rich", "15.0.0", ".", ("test_rich.py",), ("attrs",), own="test_rich.py"),
    Package(
        "httpx",
        "0.28.1",
        ".",
        ("tests",),
        (
            *("anyio", "certifi", "httpcore", "h2", "socksio", "chardet<6", "trio", "trustme"),
            *("uvicorn", "zstandard", "brotli"),
        ),
        deselected=(
            ("tests/client/test_proxies.py::test_async_proxy_close", "asks the network"),
            ("tests/client/test_proxies.py::test_sync_proxy_close", "asks the network"),
            ("tests/test_main.py::test_download", "asks the network"),
        ),
    ),
    Package(
        "jinja2",
        "3.1.6",
        "src",
        ("tests",),
        ("trio",),
        deselected=(
            (
                "tests/test_loader.py::TestFileSystemLoader::test_caches_template_based_on_mtime",
                "a template whose time alone is new is not compiled again",
            ),
        ),
    ),
    Package(
        "sqlalchemy",
        "2.1.9",
        "lib",
        ("test/orm/declarative", "test/orm/inheritance", "--maxfail=1000"),
        ("greenlet", "typing-extensions"),
        # As many after 34 updates as after 127. What holds two more has not been found.
        most=5,
    ),
    Package(
        "structlog",
        "25.5.0",
        "src",
        ("tests",),
        ("freezegun", "time-machine", "pretend", "pytest-asyncio"),
    ),
)
