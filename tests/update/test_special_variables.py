"""The settings or the module itself choose a policy; wrong values are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from transfuse.errors import PolicyError

if TYPE_CHECKING:
    from conftest import LiveTree

# Said from outside


def test_settings_say_it_for_modules_that_do_not(tree: LiveTree) -> None:
    source = "runs = globals().get('runs', 0) + 1\ncache = []\n# {}\n"
    names = ["shop", "shop.legacy.a", "shop.legacy.deep.b", "shop.new"]
    files = {
        "shop/__init__.py": source,
        "shop/legacy/__init__.py": "",
        "shop/legacy/a.py": source,
        "shop/legacy/deep/__init__.py": "",
        "shop/legacy/deep/b.py": source,
        "shop/new.py": source,
    }
    tree.write({name: text.format(1) for name, text in files.items()})
    tree.install(modules={"shop.legacy.*": {"reload": "fresh", "preserve": ["cache"]}})
    caches = {name: tree.module(name).cache for name in names}
    tree.published({name: text.format(2) for name, text in files.items()})
    assert [tree.module(name).runs for name in names] == [2, 1, 1, 2]
    same = [tree.module(name).cache is caches[name] for name in names]
    assert same == [False, True, True, False]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("*", True),
        ("**", True),
        ("a*.b*", True),
        ("a*", True),
        ("*.b", False),
        ("?" * 83, False),
        ("[a]*", False),
        ("{a*}", False),
        ("*/a*", False),
        ("**/a*", False),
        ("a*a*a*a*a*a*a*a*b", False),  # took longer than the universe has
    ],
)
def test_only_a_star_is_special_in_a_pattern(tree: LiveTree, pattern: str, matches: bool) -> None:
    name = f"{'a' * 80}.b1"
    file = name.replace(".", "/") + ".py"
    tree.write({f"{'a' * 80}/__init__.py": "", file: "cache = []\n"})
    tree.install(modules={pattern: {"preserve": ["cache"]}})
    cache = tree.module(name).cache
    tree.published({file: "cache = [1]\n"})
    assert (tree.module(name).cache is cache) == matches


def test_what_the_module_says_itself_wins(tree: LiveTree) -> None:
    source = (
        "__reload__ = 'overlay'\n__preserve__ = ['mine']\nmine = []\ntheirs = []\n"
        "runs = globals().get('runs', 0) + 1\n# {}\n"
    )
    tree.write({"prices.py": source.format(1)})
    tree.install(policy="fresh", modules={"prices": {"reload": "never", "preserve": ["theirs"]}})
    old = tree.module("prices")
    tree.published({"prices.py": source.format(2)})
    new = tree.module("prices")
    assert (new.runs, new.mine is old.mine, new.theirs is old.theirs) == (2, True, False)


# Senseless special variables

SENSELESS = {
    "__reload__ = 'overlai'": ("__reload__", "overlai", "overlay"),
    "__reload__ = 3": ("__reload__", "3", "fresh"),
    "__reload__ = None": ("__reload__", "None", "never"),
    "__reload__ = 'fr' + suffix": ("__reload__", "suffix", "overlay"),
    "__preserve__ = 'cache'": ("__preserve__", "cache", "list"),
    "__preserve__ = ['not a name']": ("__preserve__", "not a name", "names"),
    "__preserve__ = [1]": ("__preserve__", "1", "names"),
    "__preserve__ = names()": ("__preserve__", "names()", "list"),
    "__preserve__ = ['__name__']": ("__preserve__", "__name__", "names"),
    "if VALUE:\n    __reload__ = 'fresh'": ("__reload__", "run", "top level"),
}


@pytest.mark.parametrize("line", SENSELESS)
def test_a_senseless_special_variable_is_refused(tree: LiveTree, policy: str, line: str) -> None:
    name, value, allowed = SENSELESS[line]
    tree.write({"prices.py": "VALUE = 1\n", "web.py": "import prices\n"})
    tree.install(policy=policy)
    web, prices = tree.module("web"), tree.module("prices")
    report = tree.update({"prices.py": f"VALUE = 2\n\n{line}\n"})
    assert report.outcome == "refused"
    error = report.error
    assert isinstance(error, PolicyError)
    where = 4 if line.startswith("if") else 3
    assert (str(tree.root / "prices.py"), where) == (error.path, error.line)
    said = str(error)
    for part in (str(tree.root / "prices.py"), f"line {where}", name, value, allowed):
        assert part in said
    assert (web, prices, 1) == (tree.module("web"), tree.module("prices"), prices.VALUE)
    tree.published({"prices.py": "VALUE = 3\n"})
    assert tree.module("web").prices.VALUE == 3


def test_a_senseless_special_variable_at_the_first_load_is_raised(tree: LiveTree) -> None:
    tree.write({"prices.py": "__reload__ = 'sometimes'\n"})
    tree.install()
    with pytest.raises(PolicyError, match="sometimes"):
        tree.module("prices")
