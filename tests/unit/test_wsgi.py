"""A WSGI request is a unit of work: from the call until its body is closed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from transfuse.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import LiveTree

PAGES = """
    from shop import prices
    closed = []

    def app(environ, start_response):
        start_response("200 OK", [])
        return PAGES[environ["PATH_INFO"]](environ)

    def listed(environ):
        return [b"%d" % prices.PRICE]

    def streamed(environ):
        try:
            yield b"%d" % prices.PRICE
            from shop import prices as late
            yield b"%d" % late.PRICE
        finally:
            closed.append(prices.PRICE)

    def failing(environ):
        raise LookupError("no page")

    def failing_late(environ):
        yield b""
        raise LookupError("no page")

    def file(environ):
        return environ["wsgi.file_wrapper"](b"x")

    PAGES = {"/": listed, "/s": streamed, "/f": failing, "/l": failing_late, "/w": file}
    """


class FileWrapper:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def __iter__(self) -> Any:
        return iter([self.data])


@pytest.fixture
def shop(tree: LiveTree) -> LiveTree:
    tree.write({"shop/__init__.py": "", "shop/prices.py": "PRICE = 1", "shop/web.py": PAGES})
    tree.install()
    return tree


def ask(application: Any, path: str = "/") -> Iterable[bytes]:
    environ = {"PATH_INFO": path, "wsgi.file_wrapper": FileWrapper}
    body: Iterable[bytes] = application(environ, lambda *_: None)
    return body


def pins() -> int:
    """How many units of work are tied to generations that are no longer current."""
    return sum(count for _, count in transfuse.status().draining)


def raise_price(shop: LiveTree, price: int) -> None:
    shop.published({"shop/prices.py": f"PRICE = {price}"})


def test_each_request_is_answered_by_the_current_generation(shop: LiveTree) -> None:
    application = transfuse.wsgi("shop.web:app")
    assert list(ask(application)) == [b"1"]
    raise_price(shop, 2)
    assert list(ask(application)) == [b"2"]


def test_a_list_is_handed_through_and_holds_no_pin(shop: LiveTree) -> None:
    body = ask(transfuse.wsgi("shop.web:app"))
    raise_price(shop, 2)
    assert (type(body), pins()) == (list, 0)


def test_p2_a_body_is_finished_by_the_generation_it_began_with(shop: LiveTree) -> None:
    body: Any = ask(transfuse.wsgi("shop.web:app"), "/s")
    steps = iter(body)
    assert next(steps) == b"1"
    raise_price(shop, 2)
    assert pins() == 1
    assert list(steps) == [b"1"]
    body.close()
    assert pins() == 0


def test_p2_each_step_may_come_in_another_thread(shop: LiveTree) -> None:
    body: Any = ask(transfuse.wsgi("shop.web:app"), "/s")
    raise_price(shop, 2)
    found: list[bytes] = []

    def step() -> None:
        found.append(next(body))

    for _ in range(2):
        thread = threading.Thread(target=step)
        thread.start()
        thread.join()
    assert found == [b"1", b"1"]
    body.close()


def test_between_two_steps_the_thread_is_not_pinned(shop: LiveTree) -> None:
    body: Any = ask(transfuse.wsgi("shop.web:app"), "/s")
    next(body)
    raise_price(shop, 2)
    assert transfuse.import_module("shop.prices").PRICE == 2
    body.close()


def test_closing_closes_the_users_body_once_and_a_closed_body_is_empty(shop: LiveTree) -> None:  # noqa: ARG001
    body: Any = ask(transfuse.wsgi("shop.web:app"), "/s")
    next(body)
    body.close()
    body.close()
    assert transfuse.import_module("shop.web").closed == [1]
    assert list(body) == []


def test_what_the_application_raises_comes_through_and_ends_the_pin(shop: LiveTree) -> None:
    application = transfuse.wsgi("shop.web:app")
    with pytest.raises(LookupError, match="no page"):
        ask(application, "/f")
    body: Any = ask(application, "/l")
    with pytest.raises(LookupError, match="no page"):
        list(body)
    raise_price(shop, 2)
    assert pins() == 1
    body.close()
    assert pins() == 0


def test_a_body_that_nobody_closes_ends_with_its_last_reference(shop: LiveTree) -> None:
    body: Any = ask(transfuse.wsgi("shop.web:app"), "/s")
    raise_price(shop, 2)
    assert pins() == 1
    del body
    assert pins() == 0


def test_a_body_of_the_servers_own_is_handed_through(shop: LiveTree) -> None:
    body = ask(transfuse.wsgi("shop.web:app"), "/w")
    raise_price(shop, 2)
    assert (type(body), pins()) == (FileWrapper, 0)


def test_a_target_that_is_not_there_is_told_before_the_first_request(shop: LiveTree) -> None:  # noqa: ARG001
    with pytest.raises(TargetError):
        transfuse.wsgi("shop.web:ap")
