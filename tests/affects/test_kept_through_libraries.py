"""What a function keeps of a module that other code imported for it, or found in `sys.modules`.

No source says that `EntryPoint.load()` or `pickle.loads` imports. So the import itself is observed,
or that an attribute of an entry of `sys.modules` is taken, and which expressions run meanwhile.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from conftest import LiveTree, ran

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "KIND = @\ndef kind(): return KIND\nclass Settings:\n    kind = KIND\n"

# Each is an expression for the `KIND` of `shop.config`, after the imports that it needs.
EXPRESSIONS = {
    "entry point": (
        "from importlib.metadata import EntryPoint",
        "EntryPoint('kind', 'shop.config:KIND', 'shop').load()",
    ),
    "what an entry point returns": (
        "from importlib.metadata import EntryPoint",
        "EntryPoint('kind', 'shop.config:kind', 'shop').load()()",
    ),
    "pickle": ("import pickle", r"pickle.loads(b'cshop.config\nkind\n(tR.')"),
    "pickle of an attribute": (
        "import pickle",
        r"pickle.loads(b'\x80\x04\x8c\x0bshop.config\x8c\x0dSettings.kind\x93.')",
    ),
    "pickle in Python": (
        "import io, pickle",
        r"pickle._Unpickler(io.BytesIO(b'cshop.config\nkind\n(tR.')).load()",
    ),
    "pickle in a library": (
        "from multiprocessing.reduction import ForkingPickler",
        r"ForkingPickler.loads(b'cshop.config\nkind\n(tR.')",
    ),
    "dotted name": ("import pydoc", "pydoc.locate('shop.config.KIND')"),
    "configuration": (
        "from logging.config import BaseConfigurator",
        "BaseConfigurator({}).convert('ext://shop.config.KIND')",
    ),
    "import_module by another name": (
        "from importlib import import_module as bring",
        "bring('shop.config').KIND",
    ),
    "partial": (
        "import functools\nfrom importlib import import_module as load\n"
        "bring = functools.partial(load, 'shop.config')",
        "bring().KIND",
    ),
    "library": ("import bringer", "bringer.kind()"),
}

# The same of a module that another one has imported.
FOUND = {
    "sys.modules": ("import sys", "sys.modules['shop.config'].KIND"),
    "function in sys.modules": ("import sys", "sys.modules['shop.config'].kind()"),
    "attribute by name": ("import sys", "getattr(sys.modules['shop.config'], 'KIND')"),
    "attrgetter": (
        "import operator, sys\nkind_of = operator.attrgetter('KIND')",
        "kind_of(sys.modules['shop.config'])",
    ),
    "namespace": ("import sys", "vars(sys.modules['shop.config'])['KIND']"),
    "comprehension": (
        "import sys",
        "[one.KIND for name, one in [*sys.modules.items()] if name == 'shop.config'][0]",
    ),
    "library that looks there": ("import bringer", "bringer.found()"),
}

BRINGER = """
    import sys
    def kind():
        from shop.config import kind
        return kind()
    def found():
        return sys.modules["shop.config"].KIND
    """


def use(before: str, expression: str) -> str:
    keeps = f"found = {{}}\ndef get():\n    if not found:\n        found['kind'] = {expression}\n"
    return f"{before}\n{keeps}    return found['kind']\n"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "bringer.py").write_text(textwrap.dedent(BRINGER))
    monkeypatch.syspath_prepend(folder)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("loaded", [False, True], ids=["first import", "loaded before"])
@pytest.mark.parametrize("how", [*EXPRESSIONS, *FOUND])
def test_p5_a_value_that_other_code_imported(
    tree: LiveTree, policy: str, how: str, loaded: bool
) -> None:
    if how in FOUND and not loaded:
        pytest.skip("nothing is found there")
    tree.write(
        {
            "shop/__init__.py": "",
            "shop/config.py": CONFIG.replace("@", "1"),
            "shop/use.py": use(*{**EXPRESSIONS, **FOUND}[how]),
            "first.py": "import shop.config\n" if loaded else "",
            "app.py": "import first, shop.use\ndef get(): return shop.use.get()\n",
        }
    )
    tree.install(policy=policy)
    assert tree.module("app").get() == 1
    for kind in (2, 3):
        assert "shop.use" in ran(tree.published({"shop/config.py": CONFIG.replace("@", str(kind))}))
        assert tree.module("app").get() == kind


NOT_KEPT = {
    "entry point that is called each time": (
        "from importlib.metadata import EntryPoint",
        "return EntryPoint('kind', 'shop.config:kind', 'shop').load()()",
    ),
    "pickle of an object that is not kept": (
        "import pickle, shop.config",
        "return pickle.loads(pickle.dumps(shop.config.Settings())).kind",
    ),
    "sys.modules each time": ("import sys", "return sys.modules['shop.config'].KIND"),
}


@pytest.mark.parametrize("how", NOT_KEPT)
def test_p12_what_is_not_kept_runs_nothing(tree: LiveTree, policy: str, how: str) -> None:
    before, body = NOT_KEPT[how]
    imports = "import shop.config\n"
    tree.write(
        {
            "shop/__init__.py": "",
            "shop/config.py": CONFIG.replace("@", "1"),
            "shop/use.py": f"{before.replace(', shop.config', '')}\ndef get():\n"
            + ("    import shop.config\n" if "shop.config" in before else "")
            + f"    {body}\n",
            "first.py": imports,
            "app.py": "import shop.use\ndef get(): return shop.use.get()\n",
        }
    )
    tree.install(policy=policy)
    tree.module("first")
    assert tree.module("app").get() == 1
    for kind in (2, 3):
        edit = {"shop/config.py": CONFIG.replace("@", str(kind))}
        assert ran(tree.published(edit)) == ["shop.config", "first"]
        assert tree.module("app").get() == kind


BEYOND = {
    "builtins": ("import builtins", "builtins.shop_kind = KIND", "return builtins.shop_kind"),
    "environment": (
        "import os",
        "os.environ['SHOP'] = str(KIND)",
        "return int(os.environ['SHOP'])",
    ),
    "foreign class": (
        "from fractions import Fraction",
        "Fraction.shop_kind = KIND",
        "return Fraction.shop_kind",
    ),
}


@pytest.mark.parametrize("how", BEYOND)
def test_p14_a_value_in_a_foreign_place_is_reported(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, policy: str, how: str
) -> None:
    monkeypatch.setenv("SHOP", "")
    before, keeps, read = BEYOND[how]
    body = f"def load():\n    from shop.config import KIND\n    {keeps}\n"
    tree.write(
        {
            "shop/__init__.py": "",
            "shop/config.py": CONFIG.replace("@", "1"),
            "shop/use.py": f"{before}\n{body}def get():\n    {read}\n",
        }
    )
    tree.install(policy=policy)
    use = tree.module("shop.use")
    use.load()
    assert use.get() == 1
    notes = tree.published({"shop/config.py": CONFIG.replace("@", "2")}).notes
    (note,) = [note for note in notes if note.name == "shop.use"]
    place = {"builtins": "builtins", "environment": "os", "foreign class": "Fraction"}[how]
    assert note.what.startswith(f"may keep in {place} what a function took of shop.config")
