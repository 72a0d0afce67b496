"""`wsgi.file_wrapper`: a server sends a plain file, and what live code reads has the pin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from wsgiref.util import FileWrapper, setup_testing_defaults

import pytest

import transfuse
from support.threads import Worker

if TYPE_CHECKING:
    from conftest import LiveTree

WEB = """
    import io

    class LiveFile:
        left = 3

        def read(self, size=-1):
            from prices import PRICE
            self.left -= 1
            return b"%d" % PRICE if self.left >= 0 else b""

    class LiveRaw(io.RawIOBase):
        left = 3

        def readable(self):
            return True

        def readinto(self, buffer):
            from prices import PRICE
            self.left -= 1
            if self.left < 0:
                return 0
            buffer[:1] = b"%d" % PRICE
            return 1

        def fileno(self):
            return 0

    FILES = {
        "/memory": lambda: io.BytesIO(b"file"),
        "/disk": lambda: open(__file__, "rb"),
        "/live": LiveFile,
        "/raw": LiveRaw,
    }

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return environ["wsgi.file_wrapper"](FILES[environ["PATH_INFO"]](), 1)
    """


class Waitress(FileWrapper):
    """As `filelike` is called there."""

    def __init__(self, file: Any, size: int) -> None:
        super().__init__(file, size)
        self.file = file
        del self.filelike

    def __next__(self) -> bytes:
        data: bytes = self.file.read(self.blksize)
        if not data:
            raise StopIteration
        return data


@pytest.fixture
def shop(tree: LiveTree) -> LiveTree:
    tree.write({"prices.py": "PRICE = 1\n", "web.py": WEB})
    tree.install()
    return tree


def body_of(path: str, wrapper: type) -> Any:
    """The body of an answer that a server has begun to take."""
    environ: dict[str, Any] = {"PATH_INFO": path, "wsgi.file_wrapper": wrapper}
    setup_testing_defaults(environ)
    application: Any = transfuse.wsgi("web:app")
    return application(environ, lambda *_: None)


def pins() -> int:
    return sum(count for _, count in transfuse.status().draining)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("wrapper", [FileWrapper, Waitress])
@pytest.mark.parametrize("path", ["/memory", "/disk"])
def test_a_plain_file_is_sent_by_the_server(path: str, wrapper: type) -> None:
    body = body_of(path, wrapper)
    kind, _ = type(body), body.close()
    assert kind is wrapper


@pytest.mark.parametrize("wrapper", [FileWrapper, Waitress])
@pytest.mark.parametrize("path", ["/live", "/raw"])
def test_p2_what_live_code_reads_is_read_under_the_pin(
    shop: LiveTree, path: str, wrapper: type
) -> None:
    """Though the server wrapped it by a class of its own."""
    body = body_of(path, wrapper)
    assert next(body) == b"1"
    Worker(lambda: shop.published({"prices.py": "PRICE = 2\n"})).result()
    assert (list(body), pins()) == ([b"1", b"1"], 1)
    body.close()
    assert pins() == 0
