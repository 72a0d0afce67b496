"""Finders and loaders of other code take part in loading live modules, each time one runs."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from support.interpreter import python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    from conftest import LiveTree

FILES = {
    "shop/__init__.py": "",
    "shop/db.py": "def query(): return 'rows'",
    "shop/web.py": "from shop import db\ndef answer(): return db.query()",
}
SECOND = {"shop/db.py": "def query(): return 'rows, second edition'"}


class Finder:
    """Stands before all others, and hands on what `change` makes of a module's spec."""

    def __init__(self, name: str, change: Callable[[ModuleSpec], ModuleSpec | None]) -> None:
        self.name, self.change, self.asks = name, change, False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        del path, target
        if name != self.name or self.asks:
            return None
        self.asks = True
        try:
            spec = importlib.util.find_spec(name)
            return None if spec is None else self.change(spec)
        finally:
            self.asks = False


class Wrapper(importlib.abc.Loader):
    """Has another loader execute, and traces `query`."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        found: ModuleType | None = self.inner.create_module(spec)
        return found

    def exec_module(self, module: ModuleType) -> None:
        self.inner.exec_module(module)
        query = module.query
        module.query = lambda: "traced " + query()  # type: ignore[attr-defined]


class Compiling(importlib.machinery.SourceFileLoader):
    """Compiles the source in its own way."""

    def source_to_code(self, data: Any, path: Any, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        """From Python 3.15 on the machinery passes the name of the module, too."""
        return compile(bytes(data).replace(b"'rows", b"'checked rows"), path, "exec")


class Keeping(importlib.abc.Loader):
    """Makes a module of its own making."""

    def create_module(self, spec: ModuleSpec) -> None:
        del spec

    def exec_module(self, module: ModuleType) -> None:
        module.query = lambda: "its own"  # type: ignore[attr-defined]


def wrapped(spec: ModuleSpec) -> ModuleSpec:
    spec.loader = Wrapper(spec.loader)
    return spec


def compiling(spec: ModuleSpec) -> ModuleSpec:
    assert spec.origin is not None
    spec.loader = Compiling(spec.name, spec.origin)
    return spec


def with_code(spec: ModuleSpec) -> ModuleSpec:
    """Set an attribute on the loader, as ddtrace does."""
    loader: Any = spec.loader
    get_code = loader.get_code

    def replaced(name: str) -> Any:
        code = get_code(name)
        changed = tuple(
            each.replace(co_consts=tuple("counted" if c == "rows" else c for c in each.co_consts))
            if hasattr(each, "co_consts")
            else each
            for each in code.co_consts
        )
        return code.replace(co_consts=changed)

    loader.get_code = replaced
    spec.loader = Wrapper(loader)
    return spec


@pytest.fixture
def before_others() -> Iterator[Callable[[Finder], None]]:
    put: list[Finder] = []

    def insert(finder: Finder) -> None:
        put.append(finder)
        sys.meta_path.insert(0, finder)

    yield insert
    for finder in put:
        sys.meta_path.remove(finder)


@pytest.mark.parametrize("first", [True, False], ids=["before install", "after install"])
@pytest.mark.parametrize(
    ("change", "marks"), [(wrapped, "traced "), (compiling, "checked ")], ids=["wraps", "compiles"]
)
def test_a_loader_of_other_code_executes_each_time(
    tree: LiveTree,
    before_others: Callable[[Finder], None],
    change: Callable[[ModuleSpec], ModuleSpec],
    marks: str,
    first: bool,
) -> None:
    tree.write(FILES)
    finder = Finder("shop.db", change)
    if first:
        before_others(finder)
    tree.install()
    if not first:
        before_others(finder)
    assert tree.module("shop.web").answer() == marks + "rows"
    for number in range(3):
        report = tree.published({"shop/db.py": f"def query(): return 'rows {number}'"})
        assert [each.name for each in report.ran] == ["shop.db", "shop.web"]
        assert tree.module("shop.web").answer() == f"{marks}rows {number}"


@pytest.mark.parametrize("first", ["more", None], ids=["another file first", "its entry gone"])
def test_a_wrapper_stays_where_the_search_path_changes(
    tree: LiveTree,
    before_others: Callable[[Finder], None],
    monkeypatch: pytest.MonkeyPatch,
    first: str | None,
) -> None:
    monkeypatch.setattr(sys, "path", [str(tree.root), *sys.path])
    tree.write(
        {
            "db.py": "def query(): return 'rows'",
            "more/db.py": "def query(): return 'more'",
            "web.py": "import db\ndef answer(): return db.query()",
        }
    )
    tree.install()
    before_others(Finder("db", wrapped))
    assert tree.module("web").answer() == "traced rows"
    if first is None:
        sys.path.remove(str(tree.root))
    else:
        sys.path.insert(0, str(tree.root / first))
    for number in range(2):
        tree.published({"db.py": f"def query(): return 'rows {number}'"})
        assert tree.module("web").answer() == f"traced rows {number}"


def test_attributes_set_on_a_loader_are_used(
    tree: LiveTree, before_others: Callable[[Finder], None]
) -> None:
    tree.write(FILES)
    tree.install()
    before_others(Finder("shop.db", with_code))
    assert tree.module("shop.web").answer() == "traced counted"


def test_the_loader_of_a_loaded_module_takes_attributes(tree: LiveTree) -> None:
    tree.write(FILES)
    tree.install()
    loader = tree.module("shop.db").__loader__
    loader.note = "mine"
    assert (loader.note, vars(loader)) == ("mine", {"note": "mine"})
    del loader.note
    assert not hasattr(loader, "note")
    assert loader.name == "shop.db"


def test_a_loader_answers_as_one_of_the_standard_library(tree: LiveTree) -> None:
    tree.write({**FILES, "spaced/note.txt": ""})
    tree.install()
    loaders = [tree.module("shop.db").__loader__, importlib.util.find_spec("shop.web").loader]  # type: ignore[union-attr]
    for loader, file in zip(loaders, ["shop/db.py", "shop/web.py"], strict=True):
        plain = SourceFileLoader(loader.name, str(tree.root / file))
        assert isinstance(loader, SourceFileLoader)
        assert inspect.getmro(loader.__class__) == SourceFileLoader.__mro__
        assert loader.path_stats(loader.path) == plain.path_stats(plain.path)
        code = loader.source_to_code(b"ANSWER = 1", "here.py")
        assert (code.co_filename, "ANSWER" in code.co_names) == ("here.py", True)
        assert not hasattr(loader, "nothing")
    namespace = tree.module("spaced").__loader__
    assert not isinstance(namespace, SourceFileLoader)
    assert namespace.__class__.__name__.endswith("NamespaceLoader")


def test_pkg_resources_finds_the_files_of_a_package(tree: LiveTree) -> None:
    # Setuptools has it up to version 81, and Python up to 3.11 installs one of these.
    resources = pytest.importorskip("pkg_resources")
    tree.write({**FILES, "shop/words.txt": "cup"})
    tree.install()
    tree.module("shop")
    for version in (1, 2):
        assert resources.resource_string("shop", "words.txt") == b"cup"
        assert resources.resource_filename("shop", "") == str(tree.root / "shop")
        assert set(resources.resource_listdir("shop", "")) >= {"words.txt", "web.py"}
        tree.published({"shop/__init__.py": f"VERSION = {version}"})


def test_a_refused_update_leaves_the_wrapped_module_in_use(
    tree: LiveTree, before_others: Callable[[Finder], None]
) -> None:
    tree.write(FILES)
    tree.install()
    before_others(Finder("shop.db", wrapped))
    assert tree.module("shop.web").answer() == "traced rows"
    assert tree.update({"shop/db.py": "1 / 0"}).outcome == "refused"
    assert tree.module("shop.web").answer() == "traced rows"
    tree.published(SECOND)
    assert tree.module("shop.web").answer() == "traced rows, second edition"


def test_a_pinned_unit_of_work_gets_its_own_content_by_a_loader_that_reads(
    tree: LiveTree, before_others: Callable[[Finder], None]
) -> None:
    """The loader asks the disk; the content is that of the generation all the same."""
    tree.write({**FILES, "shop/web.py": "def answer():\n from shop import db\n return db.query()"})
    tree.install()
    before_others(Finder("shop.db", compiling))
    tree.module("shop.web")
    with transfuse.pin():
        web = tree.module("shop.web")
        tree.write(SECOND)
        assert web.answer() == "checked rows"


def test_a_loader_that_keeps_its_module_is_reported(
    tree: LiveTree, before_others: Callable[[Finder], None]
) -> None:
    tree.write(FILES)
    tree.install()
    file = str(tree.root / "shop/db.py")

    class Own(Finder):
        def find_spec(
            self, name: str, path: Sequence[str] | None = None, target: object = None
        ) -> ModuleSpec | None:
            del path, target
            return ModuleSpec(name, Keeping(), origin=file) if name == self.name else None

    before_others(Own("shop.db", wrapped))
    assert tree.module("shop.web").answer() == "its own"
    (restart,) = tree.update(SECOND).restart
    assert (restart.name, restart.code) == ("shop.db", "foreign-loader")
    assert "Keeping" in restart.what
    assert [each.name for each in transfuse.status().restart] == ["shop.db"]


APM = """
    import sys, importlib.util
    _post_import_hooks = {}
    class Chained:
        def __init__(self, loader): self.loader = loader
        def create_module(self, spec): return self.loader.create_module(spec)
        def exec_module(self, module):
            self.loader.exec_module(module)
            for hook in _post_import_hooks.pop(module.__name__, ()): hook(module)
    class ImportHookFinder:
        asks = False
        def find_spec(self, name, path=None, target=None):
            if name not in _post_import_hooks or self.asks: return None
            self.asks = True
            try:
                spec = importlib.util.find_spec(name)
                spec.loader = Chained(spec.loader)
                return spec
            finally: self.asks = False
    def when_imported(name):
        def register(hook):
            if name in sys.modules: hook(sys.modules[name])
            else: _post_import_hooks.setdefault(name, []).append(hook)
            return hook
        return register
    sys.meta_path.insert(0, ImportHookFinder())
    """


def test_hooks_after_an_import_run_after_each_execution(tree: LiveTree) -> None:
    """wrapt's mechanism, which uses a hook up with the first import."""
    tree.write(FILES)
    elsewhere = tree.root.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "apm.py").write_text("\n".join(line[4:] for line in APM.splitlines()))
    said = python(
        tree.root,
        f"""
        import os, sys
        sys.path.append({str(elsewhere)!r})
        import apm, transfuse
        @apm.when_imported("shop.db")
        def _(module):
            query = module.query
            module.query = lambda: "traced " + query()
        transfuse.install(roots=[os.getcwd()], watch=False)
        from shop import web
        print(web.answer())
        for number in (1, 2):
            with open("shop/db.py", "w") as file:
                file.write(f"def query(): return 'edition {{number}}'")
            print(transfuse.update().outcome, transfuse.import_module("shop.web").answer())
        """,
    )
    assert said == ["traced rows", "published traced edition 1", "published traced edition 2"]


def test_p10_a_foreign_submodule_is_looked_for_once(
    tree: LiveTree, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "abroad").mkdir()
    (elsewhere / "abroad/__init__.py").write_text("")
    (elsewhere / "abroad/part.py").write_text("V = 1\n")
    monkeypatch.syspath_prepend(elsewhere)
    looked_for: list[str] = []
    original = PathFinder.find_spec

    def find_spec(name: str, *where: Any) -> Any:
        looked_for.append(name)
        return original(name, *where)

    monkeypatch.setattr(PathFinder, "find_spec", find_spec)
    tree.write({"main.py": "import abroad.part\nV = abroad.part.V\n"})
    tree.install()
    assert tree.module("main").V == 1
    for name in ("abroad", "abroad.part"):
        del sys.modules[name]
    assert looked_for.count("abroad.part") == 1
