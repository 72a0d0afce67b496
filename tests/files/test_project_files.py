"""The files beside the code: what is applied while the server runs, and what needs a restart."""

from __future__ import annotations

import logging
import os
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import transfuse
from conftest import LiveTree, ran
from transfuse.errors import SettingsError

if TYPE_CHECKING:
    from transfuse.updates.reports import Report


@pytest.fixture
def project(tree: LiveTree, monkeypatch: pytest.MonkeyPatch) -> LiveTree:
    """The folder as a project, in which the process was started."""
    monkeypatch.chdir(tree.root)
    tree.write({"pyproject.toml": "[tool.transfuse]\npolicy = 'overlay'\n"})
    return tree


def start(tree: LiveTree, *, watch: bool = False) -> None:
    transfuse.install(watch=watch)
    tree.unsubscribe()
    tree.unsubscribe = transfuse.on_update(tree._record)


def codes(report: Report) -> list[tuple[str, str]]:
    return [(each.name, each.code) for each in report.restart]


COUNTER = "try:\n    COUNT += 1\nexcept NameError:\n    COUNT = 1\n"


def test_a_policy_that_is_changed_holds_for_the_next_run(project: LiveTree) -> None:
    project.write({"counter.py": COUNTER})
    start(project)
    assert project.module("counter").COUNT == 1
    project.published({"counter.py": COUNTER + "# edited\n"})
    assert project.module("counter").COUNT == 2
    report = project.update({"pyproject.toml": "[tool.transfuse]\npolicy = 'fresh'\n"})
    assert (report.outcome, report.restart) == ("unchanged", ())
    assert [note.what for note in report.notes] == ["policy is 'fresh' now"]
    assert [Path(change.path).name for change in report.changed] == ["pyproject.toml"]
    assert project.module("counter").COUNT == 2
    project.published({"counter.py": COUNTER + "# edited again\n"})
    assert project.module("counter").COUNT == 1
    # It is reported once.
    assert project.update().notes == ()


def test_a_policy_for_some_modules_and_their_code_in_one_save(project: LiveTree) -> None:
    project.write({"counter.py": COUNTER, "other.py": COUNTER})
    start(project)
    project.module("counter"), project.module("other")
    report = project.published(
        {
            "pyproject.toml": "[tool.transfuse.modules.'count*']\nreload = 'fresh'\n",
            "counter.py": COUNTER + "# edited\n",
            "other.py": COUNTER + "# edited\n",
        }
    )
    assert sorted(ran(report)) == ["counter", "other"]
    assert (project.module("counter").COUNT, project.module("other").COUNT) == (1, 2)
    assert [bool(report.notes) for report in project.reports] == [True, False]


def test_a_setting_that_is_watched(project: LiveTree, caplog: pytest.LogCaptureFixture) -> None:
    start(project, watch=True)
    with caplog.at_level(logging.INFO, "transfuse"):
        project.write({"pyproject.toml": "[tool.transfuse]\nkeep = 7\n"})
        project.wait(lambda report: bool(report.notes))
    assert "settings: keep is 7 now" in caplog.text


def test_the_keep_of_generations_is_applied(project: LiveTree) -> None:
    project.write({"counter.py": COUNTER})
    start(project)
    project.module("counter")
    for number in range(5):
        project.published({"counter.py": COUNTER + f"# {number}\n"})
    assert len(transfuse.status().kept) == 3
    project.update({"pyproject.toml": "[tool.transfuse]\nkeep = 1\n"})
    project.published({"counter.py": COUNTER})
    assert len(transfuse.status().kept) == 1


def test_watching_is_switched_on_and_off(project: LiveTree) -> None:
    project.write({"pyproject.toml": "[tool.transfuse]\nwatch = false\n", "prices.py": "TEA = 3\n"})
    transfuse.install()
    project.unsubscribe = transfuse.on_update(project._record)
    project.module("prices")
    assert transfuse.status().watching == "off"
    project.update({"pyproject.toml": "[tool.transfuse]\nwatch = true\n"})
    assert transfuse.status().watching == "native"
    project.write({"prices.py": "TEA = 4\n"})
    project.wait(lambda report: ran(report) == ["prices"])
    seen = len(project.reports)
    project.write({"pyproject.toml": "[tool.transfuse]\nwatch = false\n"})
    project.wait(lambda report: bool(report.notes), after=seen)
    assert transfuse.status().watching == "off"


def test_any_other_setting_needs_a_restart(project: LiveTree) -> None:
    start(project)
    new = {"pyproject.toml": "[tool.transfuse]\nexclude = ['tests/*']\n"}
    project.write(new)
    assert [(each.name, each.code) for each in transfuse.plan().restart] == [("exclude", "setting")]
    assert transfuse.status().restart == ()
    report = transfuse.update()
    assert (report.outcome, codes(report)) == ("unchanged", [("exclude", "setting")])
    assert "restart the server" in report.restart[0].what
    assert transfuse.status().restart == report.restart
    # An update that is asked for says again what waits.
    assert transfuse.update().restart == report.restart
    assert transfuse.status().restart == report.restart
    # The change is taken back, so no restart is needed any more.
    project.update({"pyproject.toml": "[tool.transfuse]\n"})
    assert transfuse.status().restart == ()


@pytest.mark.parametrize("text", ["[tool.transfuse\n", "[tool.transfuse]\npolicy = 'freshh'\n"])
def test_settings_that_make_no_sense_change_nothing(project: LiveTree, text: str) -> None:
    project.write({"counter.py": COUNTER})
    start(project)
    project.module("counter")
    report = project.update({"pyproject.toml": text})
    assert isinstance(report.error, SettingsError)
    assert "pyproject.toml" in str(report.error)
    failing = transfuse.status().failing
    assert failing is not None
    # Code goes on.
    project.published({"counter.py": COUNTER + "# edited\n"})
    assert project.module("counter").COUNT == 2
    project.update({"pyproject.toml": "[tool.transfuse]\npolicy = 'fresh'\n"})
    project.published({"counter.py": COUNTER})
    assert project.module("counter").COUNT == 1


def test_dotenv_is_read_and_watched(project: LiveTree, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write({".env": "SECRET=1\nexport TRANSFUSE_POLICY='fresh'  # for now\n"})
    project.write({"counter.py": COUNTER})
    start(project, watch=True)
    project.module("counter")
    project.write({"counter.py": COUNTER + "# edited\n"})
    project.wait(lambda report: ran(report) == ["counter"])
    assert project.module("counter").COUNT == 1
    project.write({".env": "TRANSFUSE_POLICY=overlay\n"})
    project.wait(lambda report: bool(report.notes))
    seen = len(project.reports)
    project.write({"counter.py": COUNTER})
    project.wait(lambda report: ran(report) == ["counter"], after=seen)
    assert project.module("counter").COUNT == 2
    transfuse.uninstall()
    monkeypatch.setenv("TRANSFUSE_POLICY", "never")
    start(project)
    settings = transfuse.process.install.installed_settings()
    assert settings is not None
    assert settings.policy == "never"


def test_what_the_call_says_is_not_changed_by_a_file(project: LiveTree) -> None:
    project.write({"counter.py": COUNTER})
    transfuse.install(policy="overlay", watch=False)
    project.module("counter")
    assert project.update({"pyproject.toml": "[tool.transfuse]\npolicy = 'fresh'\n"}).notes == ()
    project.published({"counter.py": COUNTER + "# edited\n"})
    assert project.module("counter").COUNT == 2


REQUIREMENTS = {
    "requirements.txt": ("flask==3.0\n", "# pinned\nflask==3.0  # same\n", "flask==3.1\n"),
    "requirements-dev.txt": ("pytest\n", "\npytest\n", "pytest\nmypy\n"),
    "uv.lock": ("version = 1\n", None, "version = 2\n"),
    "pyproject.toml": (
        "[project]\nname = 'x'\ndependencies = ['flask']\n",
        "[project]\nname = 'y'\ndependencies = [\n  'flask',\n]\n",
        "[project]\nname = 'x'\ndependencies = ['flask', 'rich']\n",
    ),
}


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_another_requirement_needs_a_restart_and_blocks_nothing(
    project: LiveTree, name: str
) -> None:
    before, same, after = REQUIREMENTS[name]
    if name == "pyproject.toml":
        pytest.importorskip("tomllib")
    project.write({name: before, "prices.py": "TEA = 3\n"})
    start(project, watch=True)
    project.module("prices")
    if same is not None:
        project.write({name: same})
        assert transfuse.update().restart == ()
    project.write({name: after})
    report = project.wait(lambda report: bool(report.restart))
    assert (report.outcome, codes(report)) == ("unchanged", [(name, "requirement")])
    project.write({"prices.py": "TEA = 4\n"})
    project.wait(lambda report: ran(report) == ["prices"])
    assert [each.code for each in transfuse.plan().restart] == ["requirement"]
    assert [each.code for each in transfuse.status().restart] == ["requirement"]
    project.write({name: before})
    transfuse.update()
    assert transfuse.status().restart == ()


@pytest.fixture
def compiled() -> Path:
    """A compiled module of the standard library; its last name is in its code."""
    suffix: str = sysconfig.get_config_var("EXT_SUFFIX")
    places = [Path(folder) for folder in sys.path if folder.endswith("lib-dynload")]
    found = [path for place in places for path in place.glob(f"_*{suffix}")]
    if not found:
        pytest.skip("this interpreter has all its modules built in")
    return next((path for path in found if path.name.startswith("_heapq")), found[0])


@pytest.mark.parametrize("watch", [True, False])
def test_a_compiled_module_that_changes_needs_a_restart(
    tree: LiveTree, compiled: Path, watch: bool, policy: str
) -> None:
    name, file = compiled.name.partition(".")[0], compiled.name
    tree.write(
        {
            "shop/__init__.py": "",
            "shop/fast.py": f"from shop import {name} as speed\nimport shop.{name}\n",
            "shop/web.py": "from shop.fast import speed\nTEA = 3\n",
        }
    )
    place = tree.root / "shop" / file
    place.write_bytes(compiled.read_bytes())
    tree.install(watch=watch, policy=policy)
    web = tree.module("shop.web")
    assert web.speed.__file__ == str(place)
    assert web.speed is sys.modules[f"shop.{name}"]
    for number in range(2):
        seen = len(tree.reports)
        new = place.with_name("new")
        new.write_bytes(compiled.read_bytes() + b"x" * (number + 1))
        if not watch:
            os.replace(new, place)
            plan = transfuse.plan()
            assert [each.code for each in plan.restart] == ["extension"]
            assert plan.ran == ()
            transfuse.update()
        else:
            os.replace(new, place)
        report = tree.wait(lambda report: bool(report.restart), after=seen)
        assert codes(report) == [(f"shop.{name}", "extension")]
        assert ran(report) == []
        assert str(place) in {change.path for change in report.changed}
        assert transfuse.status().restart == report.restart
    # Code goes on, with the module as it was loaded.
    seen = len(tree.reports)
    tree.write({"shop/web.py": "from shop.fast import speed\nTEA = 4\n"})
    if not watch:
        transfuse.update()
    tree.wait(lambda report: ran(report) == ["shop.web"], after=seen)
    assert tree.module("shop.web").TEA == 4
    assert tree.module("shop.web").speed is web.speed
    # The file has the loaded content again, so no restart is needed.
    place.write_bytes(compiled.read_bytes())
    transfuse.update()
    assert transfuse.status().restart == ()
