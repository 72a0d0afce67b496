"""Finders and loaders that live code defines, and files that are no Python before."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from conftest import LiveTree, ran

if TYPE_CHECKING:
    from collections.abc import Iterator

# A finder for `rules`, with the methods of its loader.
HOOK = """
    import importlib.machinery, sys
    class Loader(importlib.machinery.SourceFileLoader):
{methods}
    class Finder:
        @classmethod
        def find_spec(cls, name, path=None, target=None):
            if name != "rules":
                return None
            spec = importlib.machinery.PathFinder.find_spec(name, path)
            spec.loader = Loader(spec.loader.name, spec.loader.path)
            return spec
    sys.meta_path.{put}
    """
COMPILES = """
        def source_to_code(self, data, path, *args, **options):
            return compile(bytes(data).replace(b"twice", b"2 *"), path, "exec")
    """
DECODES = """
        def get_data(self, path):
            return super().get_data(path).replace(b"twice", b"2 *")
    """
FIRST, LAST = "insert(0, Finder)", "append(Finder)"


@pytest.fixture(autouse=True)
def own_finders() -> Iterator[None]:
    before = sys.meta_path[:]
    yield
    sys.meta_path[:] = [each for each in sys.meta_path if each in before]


def hook(methods: str, put: str = FIRST) -> str:
    return HOOK.format(methods=methods.strip("\n"), put=put)


@pytest.mark.parametrize("methods", [COMPILES, DECODES], ids=["compiles", "decodes"])
def test_p5_source_that_only_its_loader_understands(
    tree: LiveTree, policy: str, methods: str
) -> None:
    tree.write(
        {"hook.py": hook(methods), "rules.py": "V = twice 1", "app.py": "import hook, rules"}
    )
    tree.install(policy=policy)
    assert tree.module("app").rules.V == 2
    for number in (2, 3):
        assert ran(tree.published({"rules.py": f"V = twice {number}"})) == ["rules", "app"]
        assert tree.module("app").rules.V == 2 * number
    report = tree.update({"rules.py": "V = thrice 4"})
    assert (report.outcome, type(report.error)) == ("refused", SyntaxError)


@pytest.mark.parametrize("put", [FIRST, LAST], ids=["first", "last"])
def test_p5_an_edited_loader_loads_again(tree: LiveTree, policy: str, put: str) -> None:
    own = "sys.meta_path.insert(0, Before())" if put == LAST else ""
    before = f"""
        import sys
        class Before:
            def find_spec(self, name, path=None, target=None): ...
        {own}
        """
    tree.write(
        {"before.py": before, "hook.py": hook(COMPILES, put.replace("append(", "insert(1, "))}
    )
    tree.write({"rules.py": "V = 1 + 1", "app.py": "import before, hook, rules"})
    tree.install(policy=policy)
    assert tree.module("app").rules.V == 2
    for number in (3, 4):
        edited = COMPILES.replace('b"twice", b"2 *"', f'b"+", b"+ {number} *"')
        report = tree.published({"hook.py": hook(edited, put.replace("append(", "insert(1, "))})
        assert ran(report) == ["hook", "rules", "app"]
        assert tree.module("app").rules.V == 1 + number


def test_p14_a_module_made_of_a_data_file_is_reported(tree: LiveTree, policy: str) -> None:
    finder = """
        import importlib.util, json, pathlib, sys
        HERE = pathlib.Path(__file__).parent
        class Loader:
            def create_module(self, spec): ...
            def exec_module(self, module):
                vars(module).update(json.loads((HERE / "limits.json").read_text()))
        class Finder:
            @staticmethod
            def find_spec(name, path=None, target=None):
                if name == "limits":
                    file = HERE / "limits.json"
                    return importlib.util.spec_from_file_location(name, file, loader=Loader())
        sys.meta_path.append(Finder)
        """
    tree.write({"finder.py": finder, "limits.json": '{"V": 1}', "app.py": "import finder, limits"})
    tree.install(policy=policy)
    assert tree.module("app").limits.V == 1
    report = tree.update({"limits.json": '{"V": 2}'})
    told = [(each.name, each.code, each.what) for each in report.restart]
    what = "limits changed and was loaded by finder.Loader: restart the server"
    assert told == [("limits", "foreign-loader", what)]
