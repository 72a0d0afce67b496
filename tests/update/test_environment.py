"""What a module puts into `os.environ` goes with it: run again, it finds what was there before."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import ran

if TYPE_CHECKING:
    from conftest import LiveTree

NAME = "TRANSFUSE_TESTS_SHOP"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    # Restores what the test leaves, too.
    monkeypatch.setenv(NAME, "")
    monkeypatch.delenv(NAME)


SETS = {
    "setdefault": f"os.environ.setdefault({NAME!r}, 'VALUE')",
    "item": f"os.environ[{NAME!r}] = 'VALUE'",
    "update": f"os.environ.update({{{NAME!r}: 'VALUE'}})",
    "bytes": f"os.environb.setdefault(os.fsencode({NAME!r}), b'VALUE')",
    "function": f"def load():\n    os.environ.setdefault({NAME!r}, 'VALUE')\nload()",
}


@pytest.mark.parametrize("how", SETS)
def test_the_new_value_is_there(tree: LiveTree, how: str, policy: str) -> None:
    text = f"import os\n{SETS[how]}\nSEEN = os.environ[{NAME!r}]\n"
    tree.write({"conf.py": text.replace("VALUE", "one"), "web.py": "import conf\n"})
    tree.install(policy=policy)
    assert tree.module("web").conf.SEEN == "one"
    tree.published({"conf.py": text.replace("VALUE", "two")})
    assert (tree.module("web").conf.SEEN, os.environ[NAME]) == ("two", "two")
    tree.published({"conf.py": "import os\n"})
    assert NAME not in os.environ


LOAD = """
def load(path):
    import os
    with open(path) as file:
        for line in file:
            name, _, value = line.strip().partition("=")
            os.environ.setdefault(name, value)
"""


@pytest.mark.parametrize("by", ["the module", "foreign code"])
def test_a_line_that_leaves_a_dotenv_file(tree: LiveTree, outside: Any, by: str) -> None:
    if by == "foreign code":
        exec(LOAD, vars(outside))
    own = LOAD if by == "the module" else "from outside import load\n"
    call = f"load({str(tree.root / '.env')!r})\nimport os\nSEEN = os.environ.get({NAME!r})\n"
    tree.write({"conf.py": own + call, ".env": f"{NAME}=1\nOTHER_OF_SHOP=1\n"})
    tree.install()
    assert tree.module("conf").SEEN == "1"
    tree.published({".env": f"{NAME}=2\n"})
    assert tree.module("conf").SEEN == "2"
    assert "OTHER_OF_SHOP" not in os.environ
    tree.published({".env": "OTHER_OF_SHOP=1\n"})
    assert os.environ.pop("OTHER_OF_SHOP") == "1"
    assert tree.module("conf").SEEN is None


class Settings:
    """Foreign code that sets a variable once, as Django does with `TZ`."""

    def __init__(self) -> None:
        self.is_set_up = False

    def set_up(self) -> None:
        if not self.is_set_up:
            os.environ[NAME] = "of the library"
        self.is_set_up = True


def test_a_variable_that_foreign_code_sets_once_stays(tree: LiveTree, outside: Any) -> None:
    outside.settings = Settings()
    wsgi = "import outside, shop\noutside.ran.append(shop.V)\noutside.settings.set_up()\n"
    reads = f"import os\nSEEN = os.environ.get({NAME!r})\n"
    tree.write({"shop.py": "V = 1\n", "wsgi.py": wsgi, "reads.py": reads})
    tree.install()
    tree.module("wsgi")
    assert tree.module("reads").SEEN == "of the library"
    assert ran(tree.published({"shop.py": "V = 2\n"})) == ["shop", "wsgi"]
    assert os.environ[NAME] == "of the library"
    assert ran(tree.published({"wsgi.py": wsgi + "EDITION = 2\n"})) == ["wsgi"]
    assert (os.environ[NAME], outside.ran) == ("of the library", [1, 2, 2])


def test_a_variable_that_was_there_before_the_program(tree: LiveTree) -> None:
    os.environ[NAME] = "given"
    tree.write({"conf.py": f"import os\nos.environ[{NAME!r}] = 'mine'\n"})
    tree.install()
    tree.module("conf")
    tree.published({"conf.py": f"import os\nSEEN = os.environ.setdefault({NAME!r}, 'other')\n"})
    assert tree.module("conf").SEEN == os.environ[NAME] == "given"


def test_a_refused_update_changes_nothing(tree: LiveTree) -> None:
    text = f"import os\nos.environ[{NAME!r}] = 'one'\n"
    tree.write({"conf.py": text, "web.py": "import conf\n"})
    tree.install()
    tree.module("web")
    for broken in (text.replace("one", "two") + "1 / 0\n", "import os\n1 / 0\n"):
        assert tree.update({"conf.py": broken}).outcome == "refused"
        assert os.environ[NAME] == "one"
    files = {"conf.py": text.replace("one", "two"), "web.py": "import conf\n1 / 0\n"}
    assert tree.update(files).outcome == "refused"
    assert os.environ[NAME] == "one"
    tree.published({"web.py": "import conf\n"})
    assert os.environ[NAME] == "two"


def test_what_the_program_has_changed_since_stays(tree: LiveTree) -> None:
    tree.write({"conf.py": f"import os\nos.environ.setdefault({NAME!r}, 'one')\n"})
    tree.install()
    tree.module("conf")
    os.environ[NAME] = "the program's"
    tree.published({"conf.py": f"import os\nos.environ.setdefault({NAME!r}, 'two')\n"})
    assert os.environ[NAME] == "the program's"


def test_a_deleted_module_and_a_rollback(tree: LiveTree) -> None:
    tree.write({"conf.py": f"import os\nos.environ[{NAME!r}] = 'one'\n", "web.py": "import conf\n"})
    tree.install(keep=2)
    tree.module("web")
    tree.published({"conf.py": f"import os\nos.environ[{NAME!r}] = 'two'\n"})
    transfuse.rollback()
    assert os.environ[NAME] == "one"
    tree.delete("conf.py")
    tree.published({"web.py": ""})
    assert NAME not in os.environ


def test_what_a_foreign_module_sets_when_it_is_imported_stays(
    tree: LiveTree, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "sets_variable.py").write_text(f"import os\nos.environ[{NAME!r}] = 'foreign'\n")
    monkeypatch.syspath_prepend(str(outside))
    tree.write({"conf.py": "import sets_variable\n"})
    tree.install()
    tree.module("conf")
    tree.published({"conf.py": "import sets_variable\nV = 2\n"})
    assert os.environ[NAME] == "foreign"
    sys.modules.pop("sets_variable")


def test_a_child_process_gets_the_new_value(tree: LiveTree) -> None:
    text = f"import os\nos.environ.setdefault({NAME!r}, 'VALUE')\n"
    tree.write({"conf.py": text.replace("VALUE", "one")})
    tree.install()
    tree.module("conf")
    tree.published({"conf.py": text.replace("VALUE", "two")})
    asks = textwrap.dedent(f"import os; print(os.environ[{NAME!r}])")
    told = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "two"


READS = {
    "item": f"os.environ.get({NAME!r})",
    "call": f"os.getenv({NAME!r})",
    "bytes": f"os.environb.get({NAME.encode()!r})",
    "copy": f"dict(os.environ).get({NAME!r})",
    "text": f"os.path.expandvars('${{{NAME}}}')",
}


@pytest.mark.parametrize("reads", READS.values(), ids=READS)
def test_p5_a_variable_that_a_later_module_of_the_update_sets(
    tree: LiveTree, policy: str, reads: str
) -> None:
    tree.write(
        {
            "base.py": "V = 1\n",
            "conf.py": f"import base, os\nSEEN = {reads}\n",
            "late.py": f"import base, os\nos.environ[{NAME!r}] = 'late'\n",
            "web.py": "import conf, late\n",
        }
    )
    tree.install(policy=policy)
    first = tree.module("web").conf.SEEN
    tree.published({"base.py": "V = 2\n"})
    assert (tree.module("conf").SEEN, os.environ[NAME]) == (first, "late")
    assert tree.update({"base.py": "V = 3\n", "web.py": "1 / 0\n"}).outcome == "refused"
    assert os.environ[NAME] == "late"
