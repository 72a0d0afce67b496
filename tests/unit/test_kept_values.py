"""What is known of a source is kept by its content, in memory and on disk."""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING, Any

import pytest

from transfuse.source import analyses
from transfuse.source.kept_values import Found, kept
from transfuse.source.live_namespaces import LiveNamespaces

if TYPE_CHECKING:
    from types import CodeType

IMPORTS = b"def rate():\n    import rates\n    return rates.RATE\n"
KEEPS = b"def rate():\n    global kept\n    import rates\n    kept = rates.RATE\n"
PLAIN = b"import rates\n\ndef double(value):\n    return 2 * value\n"


class Shop:
    """A module `shop` with this source; `file` is what lies beside its precompiled code."""

    def __init__(self, text: bytes, digest: int | None = None, *, compiled: bool = False) -> None:
        self.text, self.compiled = text, compiled
        self.digest = hash(text) % (1 << 60) if digest is None else digest
        self.file: bytes | None = None
        self.namespace: dict[str, Any] = {}
        self.named: list[str] | None = ["rates"]
        self.read = 0

    def asked(self, returning: tuple[str, ...] = ()) -> Found:
        live = LiveNamespaces({"shop": self.namespace, "taxes": {}})
        return kept(self.fields(), ("rates", {"RATE": 5}), list(returning), live)

    def fields(self) -> tuple[Any, ...]:
        return (
            *(self._text, self.digest, "shop", False, self.namespace),
            *(self._code, self._beside, lambda: self.named),
        )

    def _text(self) -> bytes:
        self.read += 1
        return self.text

    def _code(self) -> CodeType | None:
        return compile(self.text, "shop.py", "exec") if self.compiled else None

    def _beside(self, content: bytes | None = None) -> bytes | None:
        if content is not None:
            self.file = content
        return self.file


@pytest.fixture(autouse=True)
def _next_process(monkeypatch: pytest.MonkeyPatch) -> None:
    end_process(monkeypatch)


def end_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_KNOWN", {}), ("_STORED", {}), ("_CHANGED", set())):
        monkeypatch.setattr(analyses, name, value)


def test_a_source_is_read_once_for_each_content() -> None:
    imports, keeps = Shop(IMPORTS), Shop(KEEPS)
    for _ in range(3):
        assert imports.asked() == Found([], [], ["rate"], [])
        assert keeps.asked() == Found(["shop"], ["kept"], [], [])
    assert (imports.read, keeps.read) == (1, 1)


def test_the_next_process_finds_it_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(KEEPS)
    first = shop.asked()
    end_process(monkeypatch)
    assert shop.asked() == first == Found(["shop"], ["kept"], [], [])
    assert shop.read == 1


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        (b"(?s).*", b""),
        (b"(?s)..$", b""),
        (b"^", b"\xff\xfe"),
        (b"(?s).*", b"[" * 100_000),
        (b"(?s).*", b"null"),
        (b'"rate"', b"7, 7"),
        (b'"results": .', b'"results": [3, '),
        (b'"made by": "', b'"made by": "0'),
        (b'"of": ', b'"of": 1'),
    ],
)
def test_a_damaged_file_counts_as_absent(
    part: bytes, instead: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(KEEPS)
    first = shop.asked()
    written = shop.file
    assert written is not None
    shop.file = re.sub(part, instead, written, count=1)
    assert shop.file != written
    end_process(monkeypatch)
    assert shop.asked() == first
    assert shop.read == 2
    assert shop.file == written


def test_a_source_without_imports_in_functions_is_not_parsed() -> None:
    shop = Shop(PLAIN, compiled=True)
    assert shop.asked() == Found([], [], [], [])
    assert shop.read == 0


@pytest.mark.parametrize(
    "text",
    [
        IMPORTS,
        b"class Tea:\n    def rate(self):\n        import rates\n        return rates.RATE\n",
        b"rate = lambda: __import__('rates').RATE\n",
        b"def rate():\n    return sys.modules['rates'].RATE\n",
        b"def rate():\n    return eval('__import__')('rates').RATE\n",
    ],
)
def test_a_function_that_imports_is_found_with_and_without_its_code(text: bytes) -> None:
    asked = [Shop(text, number, compiled=bool(number)).asked() for number in range(2)]
    assert asked[0] == asked[1] != Found([], [], [], [])


@pytest.mark.parametrize(
    "text",
    [
        b"import use\nkept = []\ndef fill():\n    kept.append(use.load())\n",
        b"from use import load as fetch\nkept = []\ndef fill():\n    kept.append(fetch())\n",
        b"import use\nkept = []\nclass Tea:\n    def fill(_):\n        kept.append(use.load())\n",
        b"import functools, use\nrate = functools.lru_cache(use.load)\n",
        b"import functools\nfrom use import load\nrate = functools.lru_cache(\n    load  # it\n)\n",
    ],
)
def test_a_user_of_what_returns_an_import_is_found_with_and_without_its_code(text: bytes) -> None:
    use: dict[str, Any] = {"__name__": "use"}
    exec("def load(): return 5", use)
    module = type(analyses)("use")
    vars(module).update(use)
    found = []
    for compiled in (False, True):
        shop = Shop(text, int(compiled), compiled=compiled)
        shop.namespace.update(use=module, load=use["load"], fetch=use["load"], kept=[])
        live = LiveNamespaces({"shop": shop.namespace})
        found.append(kept(shop.fields(), ("use", vars(module)), ["load"], live))
    assert found[0] == found[1]
    assert found[0].modules == ["shop"]


def test_a_module_that_calls_such_functions_only_at_module_level_is_not_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = b"from use import load, rate\nTEA = load('tea')\ndef brew():\n    return TEA\n"
    monkeypatch.setattr(analyses, "_FORMS", {})

    def parsed(*_: object) -> None:
        raise AssertionError("it was parsed")

    monkeypatch.setattr("transfuse.source.function_scan._parsed", parsed)
    shop = Shop(text, compiled=True)
    assert shop.asked(("load",)) == Found([], [], [], [])


LATER = b"def rate():\n    global kept\n    import taxes\n    import rates\n    kept = rates.RATE\n"


def test_what_follows_an_import_that_never_ran_keeps_nothing() -> None:
    shop = Shop(LATER, compiled=True)
    assert shop.asked() == Found([], [], [], [])
    shop.named = ["rates", "taxes"]
    assert shop.asked() == Found(["shop"], ["kept"], [], [])


@pytest.mark.parametrize("unknown", ["wrapped import", "foreign module", "no code", "edited"])
def test_in_doubt_an_import_has_run(monkeypatch: pytest.MonkeyPatch, unknown: str) -> None:
    text = LATER.replace(b"taxes", b"fees") if unknown == "foreign module" else LATER
    original = builtins.__import__
    if unknown == "wrapped import":

        def wrapped(*given: Any) -> Any:
            return original(*given)

        monkeypatch.setattr(builtins, "__import__", wrapped)
    shop = Shop(text, compiled=unknown != "no code")
    if unknown == "edited":
        shop.named = None
    assert shop.asked() == Found(["shop"], ["kept"], [], [])
