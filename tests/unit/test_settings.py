"""Settings come from a file, the environment and the call, in this order, and are checked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from transfuse.config.settings import ModuleSettings, Settings, read_settings
from transfuse.errors import RootError, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

needs_toml = pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib is new in Python 3.11")


def project(tmp_path: Path, text: str = "") -> Path:
    tmp_path.joinpath("pyproject.toml").write_text(text, encoding="utf-8")
    return tmp_path


def read(start: Path, *, environ: dict[str, str] | None = None, **given: Any) -> Settings:
    return read_settings(start=start, environ=environ or {}, **given)


def test_defaults_are_the_working_directory_and_these(tmp_path: Path) -> None:
    expected = Settings(
        roots=(str(tmp_path),),
        exclude=(),
        watch=True,
        poll=None,
        policy="overlay",
        modules={},
        keep=3,
        keep_deleted=False,
    )
    assert read(tmp_path) == expected


def test_the_project_directory_and_its_src_are_roots(tmp_path: Path) -> None:
    project(tmp_path)
    below = tmp_path / "src" / "shop"
    below.mkdir(parents=True)
    assert read(below).roots == (str(tmp_path), str(tmp_path / "src"))


@needs_toml
def test_a_file_says_everything_and_its_roots_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    (tmp_path / "deep").mkdir()
    project(
        tmp_path,
        """
        [tool.transfuse]
        roots = ["live"]
        exclude = ["tests/*"]
        watch = false
        poll = 2
        policy = "fresh"
        keep = 5
        keep_deleted = true
        [tool.transfuse.modules."shop.legacy.*"]
        reload = "never"
        preserve = ["cache"]
        """,
    )
    assert read(tmp_path / "deep") == Settings(
        roots=(str(tmp_path / "live"),),
        exclude=("tests/*",),
        watch=False,
        poll=2.0,
        policy="fresh",
        modules={"shop.legacy.*": ModuleSettings("never", ("cache",))},
        keep=5,
        keep_deleted=True,
    )


@needs_toml
def test_environment_wins_over_the_file_and_the_call_over_both(tmp_path: Path) -> None:
    project(tmp_path, "[tool.transfuse]\nkeep = 1\npolicy = 'fresh'\nwatch = false\n")
    environ = {"TRANSFUSE_KEEP": "2", "TRANSFUSE_POLICY": "overlay"}
    found = read(tmp_path, environ=environ, keep=7)
    assert (found.keep, found.policy, found.watch) == (7, "overlay", False)


@needs_toml
def test_patterns_of_modules_add_up(tmp_path: Path) -> None:
    project(tmp_path, "[tool.transfuse.modules]\na = {reload = 'fresh'}\nb = {preserve = ['x']}\n")
    found = read(tmp_path, modules={"b": {"reload": "never"}})
    assert found.modules == {"a": ModuleSettings("fresh"), "b": ModuleSettings("never")}


def test_the_environment_says_everything_but_modules(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    environ = {
        "TRANSFUSE_ROOTS": "a:b",
        "TRANSFUSE_EXCLUDE": "x/*",
        "TRANSFUSE_WATCH": "Off",
        "TRANSFUSE_POLL": "0.5",
        "TRANSFUSE_POLICY": "fresh",
        "TRANSFUSE_KEEP": "0",
        "TRANSFUSE_KEEP_DELETED": "yes",
        "TRANSFUSE_OF_SOMEBODY_ELSE": "1",
    }
    assert read(tmp_path, environ=environ) == Settings(
        roots=(str(tmp_path / "a"), str(tmp_path / "b")),
        exclude=("x/*",),
        watch=False,
        poll=0.5,
        policy="fresh",
        keep=0,
        keep_deleted=True,
    )


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    assert read(tmp_path, environ={"TRANSFUSE_KEEP": ""}).keep == 3


@needs_toml
def test_an_unknown_key_is_named_with_its_file_and_the_nearest_one(tmp_path: Path) -> None:
    project(tmp_path, "[tool.transfuse]\nwatsh = true\n")
    with pytest.raises(SettingsError) as caught:
        read(tmp_path)
    file = tmp_path / "pyproject.toml"
    expected = f"{file}, [tool.transfuse]: unknown key 'watsh'; did you mean 'watch'?"
    assert str(caught.value) == expected


@needs_toml
@pytest.mark.parametrize(
    ("line", "where", "what"),
    [
        ("watch = 1", "watch", "1 is not true or false"),
        ("roots = 'src'", "roots", "'src' is not a list of paths"),
        ("roots = [1]", "roots", "[1] is not a list of paths"),
        ("poll = 0", "poll", "0 is not a number of seconds above 0"),
        ("keep = -1", "keep", "-1 is not a whole number, 0 or more"),
        ("keep = true", "keep", "True is not a whole number, 0 or more"),
        (
            "policy = 'frash'",
            "policy",
            "'frash' is not one of overlay, fresh, patch, never; did you mean 'fresh'?",
        ),
        (
            "modules = {a = {preserve = 'x'}}",
            'modules."a", preserve',
            "'x' is not a list of names of globals",
        ),
    ],
)
def test_a_senseless_value_is_named_with_its_place(
    tmp_path: Path, line: str, where: str, what: str
) -> None:
    project(tmp_path, f"[tool.transfuse]\n{line}\n")
    with pytest.raises(SettingsError) as caught:
        read(tmp_path)
    place = f"{tmp_path / 'pyproject.toml'}, [tool.transfuse], {where}"
    assert str(caught.value) == f"{place}: {what}"


@needs_toml
def test_an_unknown_key_of_a_module_is_named(tmp_path: Path) -> None:
    project(tmp_path, "[tool.transfuse.modules.a]\nreloed = 'fresh'\n")
    with pytest.raises(SettingsError, match=r'modules\."a": unknown key .*did you mean .reload.'):
        read(tmp_path)


@needs_toml
def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    project(tmp_path, "[tool.transfuse\n")
    with pytest.raises(SettingsError, match=r"pyproject\.toml is not valid TOML"):
        read(tmp_path)


def test_a_slip_in_a_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, environ={"TRANSFUSE_WATHC": "1"})
    expected = "environment: unknown variable TRANSFUSE_WATHC; did you mean TRANSFUSE_WATCH?"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("variable", "value", "what"),
    [
        ("TRANSFUSE_WATCH", "maybe", "'maybe' is not true or false"),
        ("TRANSFUSE_POLL", "often", "'often' is not a number of seconds above 0"),
        ("TRANSFUSE_POLL", "nan", "nan is not a number of seconds above 0"),
        ("TRANSFUSE_KEEP", "1.5", "1.5 is not a whole number, 0 or more"),
    ],
)
def test_a_senseless_variable_is_named(
    tmp_path: Path, variable: str, value: str, what: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, environ={variable: value})
    assert str(caught.value) == f"environment: {variable}: {what}"


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RootError) as caught:
        read(tmp_path, roots=["srv"])
    expected = f"root {tmp_path / 'srv'} does not exist; name an existing directory"
    assert str(caught.value) == expected


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    project(tmp_path)
    with pytest.raises(RootError, match="is not a directory"):
        read(tmp_path, roots=[tmp_path / "pyproject.toml"])


def test_without_a_project_the_default_roots_of_the_caller_hold(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    scripts = tmp_path / "scripts"
    assert read(tmp_path, default_roots=[scripts]).roots == (str(scripts),)


def test_with_a_project_they_join_its_own(tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "scripts").mkdir()
    scripts = tmp_path / "scripts"
    assert read(tmp_path, default_roots=[scripts]).roots == (str(tmp_path), str(scripts))


def test_without_a_toml_reader_a_table_of_ours_is_an_error_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfuse.config.settings._toml_reader", lambda: None)
    project(tmp_path, "[project]\nname = 'transfuse-user'\n")
    assert read(tmp_path).keep == 3
    project(tmp_path, "[tool.transfuse]\nkeep = 5\n")
    with pytest.raises(SettingsError, match=r"pip install tomli$"):
        read(tmp_path)
