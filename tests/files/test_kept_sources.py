"""Source that a function reads or runs by hand, and keeps something of: its edit runs that module.

Settings in `conf.py`, plug-ins that are loaded by path, and scripts that `runpy` runs are such
source. What that source imports counts as well.
"""

from __future__ import annotations

import py_compile
import textwrap

import pytest

from conftest import LiveTree, ran

HEAD = """
import functools, importlib.machinery, importlib.util, linecache, runpy, tokenize, types, warnings
from pathlib import Path
PATH = Path(__file__).parent / "rates.py"
"""
RUN = {
    "run_path": "def load():\n    return runpy.run_path(str(PATH))['RATE']\n",
    "run_module": "def load():\n    return runpy.run_module('rates')['RATE']\n",
    "exec of the text": """
        def load():
            names = {}
            exec(PATH.read_text(), names)
            return names["RATE"]
        """,
    "exec of code": """
        def load():
            names = types.ModuleType("rates")
            with open(PATH, "rb") as file:
                exec(compile(file.read(), PATH, "exec"), names.__dict__)
            return names.RATE
        """,
    "spec": """
        def load():
            spec = importlib.util.spec_from_file_location("plugin", PATH)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module.RATE
        """,
    "loader": """
        def load():
            module = types.ModuleType("plugin")
            importlib.machinery.SourceFileLoader("plugin", str(PATH)).exec_module(module)
            return module.RATE
        """,
}
READ = {
    "text": "def load():\n    return int(PATH.read_text()[-2])\n",
    "tokenize": """
        def load():
            with tokenize.open(PATH) as file:
                return int(file.read()[-2])
        """,
    "linecache": "def load():\n    return int(linecache.getline(str(PATH), 1)[-2])\n",
}
KEEP = {
    "cache": "get = functools.cache(load)\n",
    "decorator": "@functools.cache\ndef get():\n    return load()\n",
    "global": "kept = []\ndef get():\n    kept or kept.append(load())\n    return kept[0]\n",
}


def rates(rate: int) -> str:
    """Return a source whose length tells Python that its precompiled file is an old one."""
    return f"RATE = {'+' * rate}{rate}\n"


def installed(tree: LiveTree, policy: str, source: str, how: str) -> None:
    tree.write({"conf.py": HEAD + textwrap.dedent(source) + KEEP[how], "rates.py": rates(1)})
    tree.write({"web.py": "import conf\n"})
    tree.install(policy=policy)
    assert tree.module("web").conf.get() == 1


@pytest.mark.parametrize("how", KEEP)
@pytest.mark.parametrize("source", [*RUN.values(), *READ.values()], ids=[*RUN, *READ])
def test_p5_source_that_a_function_uses(tree: LiveTree, policy: str, source: str, how: str) -> None:
    installed(tree, policy, source, how)
    for rate in (2, 3):
        assert ran(tree.published({"rates.py": rates(rate)})) == ["conf", "web"]
        assert tree.module("web").conf.get() == rate


@pytest.mark.parametrize("source", RUN.values(), ids=RUN)
def test_p5_what_that_source_imports(tree: LiveTree, policy: str, source: str) -> None:
    tree.write({"leaf.py": "RATE = 1\n"})
    tree.write({"conf.py": HEAD + textwrap.dedent(source) + KEEP["global"]})
    tree.write({"web.py": "import conf\n", "rates.py": "from leaf import RATE\n"})
    tree.install(policy=policy)
    assert tree.module("web").conf.get() == 1
    for rate in (2, 3):
        assert {"leaf", "conf", "web"} == set(ran(tree.published({"leaf.py": f"RATE = {rate}\n"})))
        assert tree.module("web").conf.get() == rate


@pytest.mark.parametrize("at", ["module", "function"])
@pytest.mark.parametrize("how", ["spec", "loader"])
def test_p5_source_with_a_precompiled_file(tree: LiveTree, how: str, at: str) -> None:
    tree.write({"rates.py": rates(1)})
    py_compile.compile(str(tree.root / "rates.py"))
    keep = KEEP["global"] if at == "function" else "kept = load()\ndef get():\n    return kept\n"
    tree.write({"conf.py": HEAD + textwrap.dedent(RUN[how]) + keep})
    tree.install()
    assert tree.module("conf").get() == 1
    assert ran(tree.published({"rates.py": rates(2)})) == ["conf"]
    assert tree.module("conf").get() == 2


def test_p5_lines_of_a_file_are_read_again(tree: LiveTree, policy: str) -> None:
    source = "import linecache\nLINE = linecache.getline(__file__[:-7] + 'rates.txt', 1)\n"
    tree.write({"conf.py": source, "rates.txt": "one\n"})
    tree.install(policy=policy)
    assert tree.module("conf").LINE == "one\n"
    for line in ("two\n", "six\n"):
        tree.published({"rates.txt": line})
        assert tree.module("conf").LINE == line


def test_p12_source_that_is_shown(tree: LiveTree) -> None:
    """A warning shows its line, which the function that causes it does not keep."""
    source = """
        kept = []
        def get():
            kept.append(helper.old())
            return kept[0]
        """
    helper = "import warnings\ndef old():\n    warnings.warn('old')\n    return 1\n"
    tree.write({"conf.py": "import helper\n" + textwrap.dedent(source), "helper.py": helper})
    tree.install()
    with pytest.warns(UserWarning, match="old"):
        tree.module("conf").get()
    assert "reads" not in str(tree.published({"helper.py": helper + "# touched\n"}).ran)


def test_p12_source_that_is_read_at_each_call(tree: LiveTree) -> None:
    source = "def get():\n    return runpy.run_path(str(PATH))['RATE']\n"
    tree.write({"conf.py": HEAD + source, "rates.py": rates(1)})
    tree.install()
    assert tree.module("conf").get() == 1
    assert ran(tree.published({"rates.py": rates(2)})) == []
    assert tree.module("conf").get() == 2


@pytest.mark.parametrize("name", ["rates.txt", "rates.py"])
def test_p5_lines_that_linecache_keeps(tree: LiveTree, policy: str, name: str) -> None:
    """No module keeps them, so none runs."""
    source = (
        f"import linecache\ndef get():\n    return linecache.getline(__file__[:-7] + '{name}', 1)\n"
    )
    tree.write({"conf.py": source, name: rates(1)})
    tree.install(policy=policy)
    for rate in (1, 2, 3):
        if rate > 1:
            assert ran(tree.published({name: rates(rate)})) == []
        assert tree.module("conf").get() == rates(rate)
        assert tree.module("conf").get() == rates(rate)


def test_p5_a_module_that_is_loaded_when_it_is_used(tree: LiveTree, policy: str) -> None:
    source = """
        made = {}
        def get():
            if not made:
                spec = importlib.util.spec_from_file_location("plugin", PATH)
                spec.loader = loader = importlib.util.LazyLoader(spec.loader)
                made["rates"] = importlib.util.module_from_spec(spec)
                loader.exec_module(made["rates"])
            return made["rates"].RATE
        """
    tree.write({"conf.py": HEAD + textwrap.dedent(source), "rates.py": rates(1)})
    tree.install(policy=policy)
    assert tree.module("conf").get() == 1
    for rate in (2, 3):
        assert ran(tree.published({"rates.py": rates(rate)})) == ["conf"]
        assert tree.module("conf").get() == rate
