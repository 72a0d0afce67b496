"""Which files under a root are live: include and exclude patterns, and what git ignores."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import LiveTree, ran

if TYPE_CHECKING:
    from transfuse.updates.reports import Report


@pytest.fixture
def repository(tree: LiveTree) -> LiveTree:
    """The folder as a work tree of git."""
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    subprocess.run(["git", "init", "-q"], cwd=tree.root, check=True)
    return tree


def is_live(module: Any) -> bool:
    return type(module.__loader__).__module__ == "transfuse._core"


def changed(report: Report) -> list[str]:
    return sorted(change.path.rpartition("/")[2] for change in report.changed)


@pytest.mark.parametrize(
    "settings",
    [
        {"include": ["shop/web.py", "shop/__init__.py"]},
        {"exclude": ["shop/prices.py"]},
        {"include": ["shop/**"], "exclude": ["**/prices.py"]},
    ],
)
def test_only_what_is_included_and_not_excluded(tree: LiveTree, settings: dict[str, Any]) -> None:
    tree.write(
        {
            "shop/__init__.py": "",
            "shop/web.py": "from shop import prices\nfrom shop.prices import TEA\n",
            "shop/prices.py": "TEA = 3\n",
        }
    )
    tree.install(**settings)
    web = tree.module("shop.web")
    assert (web.TEA, is_live(web), is_live(web.prices)) == (3, True, False)
    assert tree.update({"shop/prices.py": "TEA = 4\n"}).outcome == "unchanged"
    assert ran(tree.published({"shop/web.py": "from shop.prices import TEA\nA = 1\n"})) == [
        "shop.web"
    ]
    web = tree.module("shop.web")
    assert (web.TEA, web.A) == (3, 1)


def test_what_git_ignores_is_left_alone(repository: LiveTree) -> None:
    repository.write(
        {
            ".gitignore": "*_pb2.py\nbuild/\n",
            "shop/__init__.py": "",
            "shop/web.py": "from shop import made_pb2\nimport build.out\nTEA = 3\n",
            "shop/made_pb2.py": "TEA = 3\n",
            "build/out.py": "TEA = 3\n",
        }
    )
    repository.install(watch=True)
    web = repository.module("shop.web")
    assert (is_live(web), is_live(web.made_pb2), is_live(web.build.out)) == (True, False, False)
    repository.write({"shop/made_pb2.py": "TEA = 4\n", "build/out.py": "TEA = 4\n"})
    repository.write({"build/new.py": ""})
    report = transfuse.update()
    assert report.outcome == "unchanged", report
    assert repository.quiet(after=0)
    repository.write({"shop/web.py": "from shop import made_pb2\nimport build.out\nTEA = 4\n"})
    repository.wait(lambda report: ran(report) == ["shop.web"])
    assert repository.module("shop.web").made_pb2 is web.made_pb2


@pytest.mark.parametrize("poll", [None, 0.02])
@pytest.mark.parametrize("where", [".gitignore", "src/shop/.gitignore", ".git/info/exclude"])
def test_another_rule_is_reacted_upon(repository: LiveTree, where: str, poll: float | None) -> None:
    repository.write({"src/shop/__init__.py": "", "src/shop/prices.py": "TEA = 3\n"})
    live = LiveTree(repository.root / "src")
    live.install(watch=True, poll=poll)
    assert is_live(live.module("shop.prices"))
    repository.write({where: "prices.py\n"})
    report = live.wait(lambda report: changed(report) == ["prices.py"])
    assert [change.kind for change in report.changed] == ["deleted"]
    prices = live.module("shop.prices")
    assert (prices.TEA, is_live(prices)) == (3, False)
    assert live.update({"shop/prices.py": "TEA = 4\n"}).outcome == "unchanged"
    seen = len(live.reports)
    repository.write({where: ""})
    live.wait(lambda report: changed(report) == ["prices.py"], after=seen)
    live.unsubscribe()


def test_a_root_that_git_ignores_was_named_on_purpose(repository: LiveTree) -> None:
    repository.write({".gitignore": "build/\n", "build/lib/prices.py": "TEA = 3\n"})
    live = LiveTree(repository.root / "build" / "lib")
    live.install()
    assert live.module("prices").TEA == 3
    live.published({"prices.py": "TEA = 4\n"})
    assert live.module("prices").TEA == 4
    live.unsubscribe()


def test_a_data_file_that_git_ignores_was_read_all_the_same(repository: LiveTree) -> None:
    text = "from pathlib import Path\nTEA = (Path(__file__).parent / 'local.txt').read_text()\n"
    repository.write({".gitignore": "local.txt\n", "prices.py": text, "local.txt": "3"})
    repository.install()
    assert repository.module("prices").TEA == "3"
    repository.published({"local.txt": "4"})
    assert repository.module("prices").TEA == "4"


def test_git_is_not_asked_where_the_settings_say_so(repository: LiveTree) -> None:
    repository.write({".gitignore": "prices.py\n", "prices.py": "TEA = 3\n"})
    repository.install(gitignore=False)
    assert repository.module("prices").TEA == 3
    repository.published({"prices.py": "TEA = 4\n"})
    assert repository.module("prices").TEA == 4


def test_what_git_says_is_what_transfuse_says(repository: LiveTree) -> None:
    """The same files are live as `git ls-files` lists."""
    rules = ["*.gen.py", "/a/b.py", "x/", "!x/y.py", "[ab]c.py", "**/deep/**", "\\#h.py", "t.py  "]
    repository.write({".gitignore": "\n".join(rules), "a/.gitignore": "!bc.py\nb?.py\n"})
    names = ["b.py", "y.py", "c.py", "bc.py", "ac.py", "h.py", "t.py", "bd.py", "deep/q/z.py"]
    repository.write({f"{top}{name}": "" for top in ("", "a/", "x/", "a/x/") for name in names})
    listing = ["git", "ls-files", "--others", "--exclude-standard", "*.py"]
    told = subprocess.run(
        listing, cwd=repository.root, check=True, capture_output=True, text=True
    ).stdout.split()
    repository.install()
    seen = {name for name in told if is_live(repository.module(name[:-3].replace("/", ".")))}
    every = {str(path.relative_to(repository.root)) for path in repository.root.rglob("*.py")}
    live = {name for name in every if is_live(repository.module(name[:-3].replace("/", ".")))}
    assert set(told) == seen == live
    assert 0 < len(live) < len(every)
