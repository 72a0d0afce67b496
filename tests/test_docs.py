"""The pages say what is true of the code: links, files, tests, commands, options and settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("click")

from support.code_map import missing_paths
from support.pages import broken_links, commands, missing
from support.prose import dialect_of_page
from transfuse.cli.group import transfuse
from transfuse.config.settings import KEYS

TOP = Path(__file__).parent.parent
PAGES = [*sorted(TOP.glob("*.md")), *sorted(TOP.glob("docs/*.md"))]
PAGES += [TOP / "bench" / "README.md", TOP / "examples" / "README.md"]
RUST = {path.name for path in (TOP / "crates").rglob("*.rs")}
SETTINGS = list(KEYS)
TESTS = {
    name
    for path in (TOP / "tests").rglob("test_*.py")
    for name in (path.stem, *re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")))
}
OPTIONS = {
    name: {option for parameter in command.params for option in parameter.opts} | {"--help"}
    for name, command in transfuse.commands.items()
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
class TestPage:
    def test_its_links_lead_somewhere(self, page: Path) -> None:
        assert [] == broken_links(page)

    def test_it_names_only_files_and_tests_that_exist(self, page: Path) -> None:
        text = page.read_text(encoding="utf-8")
        assert [] == missing_paths(text, TOP, RUST)
        assert set() == set(re.findall(r"`(test_\w+)`", text)) - TESTS

    def test_it_uses_only_commands_and_options_that_exist(self, page: Path) -> None:
        wrong = [
            f"{command} {' '.join(sorted(options - OPTIONS.get(command, set())))}"
            for command, options in commands(page.read_text(encoding="utf-8"), "transfuse")
            if command not in OPTIONS or not options <= OPTIONS[command]
        ]
        assert wrong == []

    def test_its_sentences_name_the_actor(self, page: Path) -> None:
        assert [] == dialect_of_page(page.read_text(encoding="utf-8"))


def test_the_page_of_settings_has_each_setting_and_its_variable() -> None:
    page = (TOP / "docs" / "settings.md").read_text(encoding="utf-8")
    stated = set(re.findall(r"^(\w+) = ", page, re.MULTILINE)) - {"reload", "preserve", "thread"}
    assert stated == set(SETTINGS) - {"modules"}
    variables = {f"TRANSFUSE_{name.upper()}" for name in stated}
    assert set(re.findall(r"`(TRANSFUSE_\w+)`", page)) == variables


def test_the_pages_say_what_each_command_is_for() -> None:
    page = "".join(path.read_text(encoding="utf-8") for path in PAGES)
    assert [] == missing([f"transfuse {name}" for name in OPTIONS], page)
