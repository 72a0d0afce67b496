"""Introspection of live modules: `inspect`, `pkgutil`, `importlib.resources`, `runpy`."""

from __future__ import annotations

import importlib
import importlib.resources
import inspect
import runpy
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from support.interpreter import LIVE, python
from support.threads import Worker
from support.two_generations import at, each_finds_its_own

if TYPE_CHECKING:
    from conftest import LiveTree

FILES = {
    "pkg/__init__.py": "WHICH = @\n",
    "pkg/a.py": "WHICH = @\n",
    "pkg/sub/__init__.py": "",
    "pkg/sub/b.py": "from pkg import WHICH\n",
    "pkg/data/words.txt": "words @",
    "pkg/inner/note.txt": "note @",
    "spaced/one/two.py": "WHICH = @\n",
    "spaced/note.txt": "spaced @",
}


def test_p2_packages_are_walked(tree: LiveTree, policy: str) -> None:
    asking = """
        import pkgutil, importlib, pkg
        def ask():
            names = [info.name for info in pkgutil.walk_packages(pkg.__path__, "pkg.")]
            assert names == ["pkg.a", "pkg.sub", "pkg.sub.b"], names
            assert [info.name for info in pkgutil.iter_modules(pkg.__path__)] == ["a", "sub"]
            found = [importlib.import_module(name) for name in names]
            return [found[0].WHICH, found[2].WHICH, pkgutil.resolve_name("pkg.a:WHICH"),
                    pkgutil.resolve_name("pkg.sub.b").WHICH]
        # @
        """
    each_finds_its_own(tree, {**FILES, "web.py": asking}, policy=policy)


def test_foreign_code_walks_as_under_python(tree: LiveTree) -> None:
    tree.write(at(FILES, 1))
    ask = """
        import pkgutil, sys
        sys.path.insert(0, ".")
        import pkg, spaced
        for path, prefix in ((pkg.__path__, "pkg."), (spaced.__path__, "spaced.")):
            for info in pkgutil.walk_packages(path, prefix):
                print(info.name, info.ispkg, info.module_finder.find_spec(info.name) is not None)
        print(pkgutil.get_data("pkg", "data/words.txt"))
        print(pkgutil.find_loader("pkg.a") is not None if sys.version_info < (3, 12) else True)
        """
    assert python(tree.root, ask) == python(tree.root, LIVE, ask)


def test_resources_of_regular_and_of_namespace_packages(tree: LiveTree) -> None:
    asking = """
        import importlib.resources, pkgutil
        import pkg, spaced
        files = importlib.resources.files
        def ask():
            with importlib.resources.as_file(files(pkg) / "data" / "words.txt") as path:
                text = path.read_text()
            return (text, files("pkg").joinpath("inner", "note.txt").read_text(),
                    files("spaced").joinpath("note.txt").read_text(),
                    files("pkg.sub").joinpath("..", "data", "words.txt").read_text(),
                    pkgutil.get_data("pkg", "data/words.txt").decode())
        """
    tree.write({**at(FILES, 1), "web.py": asking})
    tree.install()
    expected = ("words 1", "note 1", "spaced 1", "words 1", "words 1")
    assert tree.module("web").ask() == expected
    for package in ("pkg", "spaced"):
        there = importlib.resources.files(package)
        names = {entry.name for entry in there.iterdir()} - {"__pycache__"}
        assert names == {path.name for path in (tree.root / package).iterdir()} - {"__pycache__"}
    tree.published({"web.py": asking.replace("def ask", "\n        def ask")})
    assert tree.module("web").ask() == expected


CODE = """
    import inspect, sys
    def which():
        return @
    class Thing:
        number = @
        def method(self): return @
    def ask():
        source = inspect.getsource(which)
        module = inspect.getmodule(which)
        assert module is sys.modules[__name__] and inspect.getsourcefile(Thing) == __file__
        assert inspect.getmodule(Thing) is module and inspect.getfile(module) == __file__
        assert inspect.getmodulename(__file__) == __name__
        return [int(source.split("return ")[1]), module.which(), Thing.number]
    """


def test_inspect_of_current_code(tree: LiveTree, policy: str) -> None:
    tree.write(at({"web.py": CODE}, 1))
    tree.install(policy=policy)
    assert tree.module("web").ask() == [1, 1, 1]
    for number in (2, 3):
        tree.published(at({"web.py": CODE.replace("    def which", "\n    def which")}, number))
        assert tree.module("web").ask() == [number] * 3
        web: Any = importlib.import_module("web")
        assert f"return {number}" in inspect.getsource(web.which)
        assert f"number = {number}" in inspect.getsource(web.Thing)
        assert f"return {number}" in inspect.getsource(web.Thing.method)
        assert inspect.getsource(web) == (tree.root / "web.py").read_text()
        found: list[Any] = [inspect.getmodule(web.which), inspect.getmodule(web.Thing)]
        assert [web, web] == found
        assert inspect.getsourcefile(web) == str(tree.root / "web.py")
        assert [name for name, _ in inspect.getmembers(web, inspect.isfunction)] == ["ask", "which"]


def test_p2_runpy_runs_the_code_of_its_generation(tree: LiveTree) -> None:
    files = {
        "prog/__init__.py": "",
        "prog/__main__.py": "from prog import part\nWHICH = @, part.WHICH, __name__\n",
        "prog/part.py": "WHICH = @\n",
        "tool.py": """
            import prog.part
            WHICH = @, prog.part.WHICH, __name__, __spec__ and __spec__.name
            """,
    }

    def ask(number: int) -> None:
        assert runpy.run_module("prog")["WHICH"] == (number, number, "prog.__main__")
        told = runpy.run_module("tool", run_name="__main__", alter_sys=True)["WHICH"]
        assert told == (number, number, "__main__", "tool")

    tree.write(at(files, 1))
    tree.install()
    ask(1)
    with transfuse.pin():
        tree.published(at(files, 2))
        ask(1)
        Worker(lambda: ask(2)).result()
    ask(2)
    script = runpy.run_path(str(tree.root / "tool.py"), {"given": 1}, "script")
    assert (script["WHICH"][:2], script["given"], script["__name__"]) == ((2, 2), 1, "script")
    assert runpy.run_path(str(tree.root / "prog"))["WHICH"] == (2, 2, "<run_path>")
    assert tree.module("tool").WHICH == (2, 2, "tool", "tool")


PROGRAM = {
    "prog/__init__.py": "",
    "prog/__main__.py": "from prog.tool import main\nmain('package')\n",
    "prog/tool.py": """
        import sys, transfuse
        from . import part
        WHICH = 1
        def main(what):
            import __main__
            from . import part as again
            print(what, __name__, part.WHICH, again is part, __main__.__name__, sys.argv[1:])
        def update():
            import pathlib
            path = pathlib.Path(__file__).with_name("part.py")
            old = part
            with transfuse.pin():
                path.write_text("WHICH = 2")
                print(transfuse.update().outcome)
                from . import part as pinned
                print(pinned is old, part.WHICH)
            import prog.part, prog.tool
            print(prog.part.WHICH, prog.tool.part.WHICH)
        if __name__ == "__main__":
            main("tool")
            update()
        """,
    "prog/part.py": "WHICH = 1\n",
    "script.py": "import prog.tool\nprog.tool.main('script')\nprog.tool.update()\n",
}
RUN = """
    import sys
    from transfuse.__main__ import main
    sys.argv[1:] = ["run", "--no-watch", "--root", ".", *{!r}]
    sys.exit(main())
    """


@pytest.mark.parametrize(
    "what", [["-m", "prog", "x"], ["-m", "prog.tool", "x"], ["script.py", "x"]]
)
def test_a_main_program_among_live_modules(tree: LiveTree, what: list[str]) -> None:
    tree.write(PROGRAM)
    told = python(tree.root, RUN.format(what))
    kind = {"prog": "package", "prog.tool": "tool", "x": "script"}[what[1]]
    name = "__main__" if kind == "tool" else "prog.tool"
    assert told[0] == f"{kind} {name} 1 True __main__ ['x']"
    # `__main__` is foreign code; a function of old code that outlives its pin stays old.
    after = {"package": [], "tool": ["published", "True 1", "2 2"]}
    assert told[1:] == after.get(kind, ["published", "True 1", "1 1"])
