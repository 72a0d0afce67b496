"""Each check of `tests/test_architecture.py` sees the fault that it is there for.

The samples are small crates and pages, each with one fault, or with what looks like one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.code_map import code_map, differences, folders, missing_paths
from support.pages import broken_links, commands
from support.prose import dialect, dialect_of_page
from support.rust_crate import RustCrate, circles
from support.rust_source import RustSource
from support.sizes import crowded, functions, too_long
from support.source_rules import around_the_door, other_locks, shared_objects

if TYPE_CHECKING:
    from pathlib import Path

LAYERS = ("base", "code", "state", "hooks", "lib")


def names(text: str, *module: str) -> list[str]:
    return [str(path) for path in RustSource(text, module).paths()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("use crate::state::pin::Pin;", {"crate::state::pin::Pin"}),
        (
            "use crate::{base::{self, name::Name},\n    state::{pin::{Pin, Staging as S}, *}};",
            {
                "crate::base",
                "crate::base::name::Name",
                "crate::state::pin::Pin",
                "crate::state::pin::Staging",
                "crate::state::*",
            },
        ),
        (
            "pub(crate) use crate::state::pin as p;\nfn f() { p::enter() }",
            {"crate::state::pin::enter"},
        ),
        ("fn f() { crate::state::pin::enter(1) }", {"crate::state::pin::enter"}),
        ("macro_rules! m { () => { $crate::state::pin::enter() } }", {"crate::state::pin::enter"}),
        ('fn f() { say!("{}", crate::hooks::name()) }', {"crate::hooks::name"}),
        ("fn f() { super::super::state::pin::enter() }", {"crate::state::pin::enter"}),
        ("fn f() { super::other::go() }", {"crate::hooks::other::go"}),
        ("fn f() { self::part::go() }", {"crate::hooks::here::part::go"}),
        (
            "#[cfg(test)]\nmod tests {\n    use super::super::other::Go;\n}",
            {"crate::hooks::other::Go"},
        ),
        ("mod part;\nfn f() { part::go() }", {"crate::hooks::here::part::go"}),
        ("use crate::state;\nfn f(p: &state::pin::Pin) {}", {"crate::state::pin::Pin"}),
        ("use crate::state::Pin;\nfn f() -> Pin { Pin::new() }", {"crate::state::Pin::new"}),
    ],
)
def test_a_path_is_seen_in_every_spelling(text: str, expected: set[str]) -> None:
    assert expected <= set(names(text, "hooks", "here"))


def test_comments_literals_and_visibility_name_no_path() -> None:
    text = """
    // use crate::hooks::a;
    /* crate::hooks::b /* nested */ crate::hooks::c */
    pub(in crate::hooks) fn f<'a>(text: &'a str) -> impl Iterator + use<'a> {
        let quote = '"'; let raw = r#"crate::hooks::"d"#; let byte = b'\\'';
        say("crate::hooks::e", 'x', "\\"crate::hooks::f")
    }
    """
    assert names(text, "base", "here") == []


def test_a_path_has_the_line_where_it_stands() -> None:
    source = RustSource("/* one\ntwo */\nuse crate::a::B;\n\nfn f() { crate::a::c() }\n")
    assert [(3, "crate::a::B"), (5, "crate::a::c")] == [(p.line, str(p)) for p in source.paths()]


@pytest.mark.parametrize(
    "text",
    [
        "use crate::hooks::here::go;",
        "use crate::{code::a, hooks};",
        "use super::super::hooks::here;",
        "fn f() { crate::hooks::here::go() }",
        "macro_rules! m { () => { $crate::hooks::here::go() } }",
        "#[cfg(test)]\nmod tests { use crate::hooks::here::go; }",
        "use crate::Name;",  # through `lib.rs`, which stands above all of them
    ],
)
def test_an_import_that_runs_up_is_found(text: str) -> None:
    crate = RustCrate({"lib.rs": "mod state;", "state/pin.rs": text, "hooks/here.rs": ""})
    (wrong,) = crate.against(LAYERS)
    assert wrong.startswith("state/pin.rs:")


def test_imports_that_run_down_and_within_a_folder_are_right() -> None:
    crate = RustCrate(
        {
            "lib.rs": "mod state;\nuse crate::state::pin::Pin;\npub use hooks::go;\nmod hooks;",
            "state/mod.rs": "mod pin;\npub use pin::Pin;",
            "state/pin.rs": "use crate::{base::name::Name, state::other::Other};\nuse std::fs;",
        }
    )
    assert [] == crate.against(LAYERS)


def test_a_file_outside_of_the_layers_is_found() -> None:
    crate = RustCrate({"lib.rs": "", "loose.rs": "", "misc/part.rs": ""})
    assert ["loose.rs: in no layer", "misc/part.rs: in no layer"] == crate.against(LAYERS)


def test_circles_of_folders_and_files_are_found() -> None:
    crate = RustCrate(
        {
            "state/mod.rs": "mod pin;\nmod table;\npub use pin::Pin;\npub use table::Table;",
            "state/pin.rs": "use super::Table;",
            "state/table.rs": "use crate::state::Pin;\nfn f() { crate::hooks::here::go() }",
            "hooks/here.rs": "use crate::state::Table;",
            "base/name.rs": "",
        }
    )
    assert [frozenset({"hooks", "state"})] == circles(crate.folder_edges())
    assert [frozenset({"hooks/here.rs", "state/pin.rs", "state/table.rs"})] == circles(
        crate.file_edges()
    )


def test_a_map_of_names_makes_no_circle() -> None:
    """`pin.rs` uses `name.rs` through `mod.rs`, which also names `pin.rs`."""
    crate = RustCrate(
        {
            "state/mod.rs": "mod name;\nmod pin;\npub use name::Name;\npub use pin::Pin;",
            "state/pin.rs": "use crate::state::Name;",
            "state/name.rs": "",
        }
    )
    assert {("state/pin.rs", "state/name.rs")} == crate.file_edges()
    assert [] == circles(crate.file_edges())


@pytest.mark.parametrize(
    "text",
    [
        "use std::fs;",
        "use std::{fs, io};",
        "use std::fs::{self, File};",
        "use std::fs as disk;",
        "use std::{fs as disk};",
        "fn f() { std::fs::read(path) }",
        "use std::fs::File;",
        "use std::os::unix::fs::symlink;",
        "use std::env;\nfn f() { env::current_dir() }",
        "use std::env::current_dir;",
        "fn f() { libc::flock(fd, 2) }",
        "fn f() { unsafe { libc::open(name.as_ptr(), 0) } }",
        "fn f() { path.exists() }",
        "fn f() { path\n    .is_file () }",
        "fn f() { path.metadata()?.len() }",
        "fn f() { path.canonicalize() }",
        "fn f() { found.filter(Path::is_dir) }",
        "use std::path::PathBuf;\nfn f() { found.filter(PathBuf::exists) }",
    ],
)
def test_a_side_door_to_the_system_is_found(text: str) -> None:
    assert around_the_door(RustSource(text))


def test_the_door_itself_may_be_used() -> None:
    text = """
    use crate::fs::{FileSystem, OsFileSystem};
    use transfuse_engine::fs;
    fn f(files: &dyn FileSystem, path: &Path) {
        files.metadata(path); files.canonicalize(path); files.read_dir(path);
        fs::resolve_chain(path); path.file_name(); std::env::var("HOME");
        names.is_dir(path); // std::fs::read(path), path.exists()
    }
    """
    assert [] == around_the_door(RustSource(text))


@pytest.mark.parametrize(
    "text",
    [
        "use std::sync::Mutex;",
        "use std::sync::{Arc, RwLock};",
        "use std::sync::{atomic::{AtomicU64, Ordering}, Condvar};",
        "use std::sync::*;",
        "use std::sync;\nstruct S(sync::Mutex<u8>);",
        "struct S(std::sync::RwLock<u8>);",
        "use parking_lot::Mutex;",
        "fn f() { self.book.lock().unwrap() }",
        'fn f() { self.book\n    .lock()\n    .expect("whole") }',
        "fn f() { self.book.read().unwrap() }",
        "fn f() { self.rung.wait(guard).unwrap() }",
    ],
)
def test_another_lock_is_found(text: str) -> None:
    assert other_locks(RustSource(text))


def test_the_locks_of_the_engine_may_be_used() -> None:
    text = "use std::sync::{Arc, OnceLock, atomic::Ordering};\nuse transfuse_engine::sync::Mutex;\n"
    assert [] == other_locks(
        RustSource(
            text
            + "fn f() { book.lock().take(); map.get_mut(&1).unwrap(); disk.read(path).unwrap() }"
        )
    )


@pytest.mark.parametrize("text", ["Arc<Py<PyAny>>", "Arc< Py <PyAny>>", "Rc<pyo3::Py<PyAny>>"])
def test_a_python_object_with_rust_owners_is_found(text: str) -> None:
    assert shared_objects(RustSource(f"struct S {{ held: {text} }}"))
    assert [] == shared_objects(RustSource("struct S { held: Py<PyAny>, text: Arc<str> }"))


def test_the_lines_of_a_function_are_counted() -> None:
    source = RustSource(
        "trait T { fn none(&self, a: [u8; 4]); }\n"
        "fn short() {}\n"
        "pub fn long<F>(f: F) -> Option<[u8; 2]>\nwhere F: Fn(u8) -> u8,\n{\n"
        '    let brace = "}"; // }\n    if brace { 1 } else { 2 }\n}\n'
        "type Name = fn(u8) -> u8;\n"
    )
    assert [("short", 1), ("long", 6)] == source.functions()
    text = (
        "@cache\ndef short():\n    pass\n\n"
        "class C:\n    async def long(self):\n        return (\n        )\n"
    )
    assert [("short", 2), ("long", 3)] == functions(text, rust=False)


def test_a_long_file_and_a_long_function_are_found(tmp_path: Path) -> None:
    rust, python = tmp_path / "part.rs", tmp_path / "part.py"
    rust.write_text("fn right() {" + "\n" * 59 + "}\nfn long() {" + "\n" * 60 + "}\n")
    python.write_text("def long():\n" + "    pass\n" * 60 + "\n" * 340)
    assert ["long has 61 lines"] == too_long(rust)
    assert ["401 lines", "long has 61 lines"] == too_long(python)
    python.write_text("def right():\n" + "    pass\n" * 59 + "\n" * 340)
    assert [] == too_long(python)


def test_a_crowded_folder_is_found(tmp_path: Path) -> None:
    for name in ("base", "state", "__pycache__"):
        (tmp_path / name).mkdir()
    for name in ("lib.rs", "loose.rs", "_core.abi3.so"):
        (tmp_path / name).touch()
    assert ["loose.rs"] == crowded(tmp_path, 2, {"lib.rs"})
    assert ["2 folders"] == crowded(tmp_path, 1, {"lib.rs", "loose.rs"})


@pytest.mark.parametrize(
    "text",
    [
        "Who only reads takes no lock.",
        "Takes no lock. Whoever reads goes on.",
        "Nobody writes to it.",
        "One line\nthat goes on: somebody has\nto end it.",
        "It is kept; who asks for it finds it.",
        "It is read by who wants it.",
        "It is given to whoever asks.",
        "It was loaded where nobody had seen it.",
        "First.\n\nWho holds it?",
    ],
)
def test_a_sentence_without_an_actor_is_found(text: str) -> None:
    rust = "".join(f"/// {line}\n" for line in text.split("\n")) + "fn f() {}\n"
    lines = "".join(f"# {line}\n" for line in text.split("\n"))
    assert dialect(rust, rust=True)
    assert dialect(lines, rust=False)
    assert dialect(f'def f() -> None:\n    """{text}"""\n', rust=False)
    assert dialect_of_page(f"# Title\n\n{text}\n")
    assert dialect_of_page(f"| a cell | {text} |\n")


@pytest.mark.parametrize(
    "text",
    [
        "Readers do not take the lock.",
        "A user who edits a file sees it served.",
        "The whole list; the wholesale price.",
    ],
)
def test_plain_english_is_left_alone(text: str) -> None:
    assert [] == dialect(f"//! {text}\n", rust=True)
    assert [] == dialect(f'"""{text}"""\nWORDS = "Who are you? Nobody."\n', rust=False)
    assert [] == dialect_of_page(f"{text}\n\n```\nWho are you? Nobody.\n```\n")


PAGE = """
| folder | files | question |
|---|---|---|
| `crates/python/src/state` | `pin`, `generation.rs` | which generation answers |
| `python/transfuse/core/` | `reports`, `target` | `update()` tells |

Code outside of the table, `src/other.rs`, is not part of the map.
"""


def test_a_map_and_the_tree_are_compared_in_both_directions(tmp_path: Path) -> None:
    for name in (
        "crates/python/src/lib.rs",
        "crates/python/src/state/mod.rs",
        "crates/python/src/state/pin.rs",
        "crates/python/src/state/table.rs",
        "python/transfuse/__init__.py",
        "python/transfuse/core/__init__.py",
        "python/transfuse/core/reports.py",
        "python/transfuse/core/target.py",
        "python/transfuse/cli/main.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    real = folders(tmp_path, "crates/python/src", "python/transfuse")
    assert [
        "crates/python/src/state: the map lacks table",
        "crates/python/src/state: there is no generation",
        "python/transfuse/cli: the map lacks main",
    ] == differences(code_map(PAGE), real)


def test_a_path_that_does_not_exist_is_found(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_here.py").touch()
    page = "`tests/test_here.py::test_a`, `tests/test_gone.py`, `pin.rs` and `turn.rs`, `app.py`"
    assert ["tests/test_gone.py", "turn.rs"] == missing_paths(page, tmp_path, {"pin.rs"})


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A title: `code`, and more\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Here\n[a](other.md) [b](other.md#a-title-code-and-more) [c](#here) [d](https://x.test/#y)\n"
    )
    assert [] == broken_links(page)
    page.write_text("[a](gone.md) [b](other.md#gone) [c](#gone)\n")
    assert ["gone.md", "other.md#gone", "#gone"] == broken_links(page)


def test_the_commands_of_a_page_are_read_with_their_options() -> None:
    page = "Run `transfuse update --hold` in `/srv/transfuse run`, or transfuse plan.\n"
    page += "```sh\ntransfuse serve shop:app --port 80  # not --this\n```\n"
    assert commands(page, "transfuse") == [("update", {"--hold"}), ("serve", {"--port"})]
