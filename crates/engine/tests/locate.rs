//! The rule of CPython's `FileFinder`, answered from what a generation knows.

use std::path::{Path, PathBuf};
use transfuse_engine::{Budget, Located, Memory, Roots, View, locate, scan};

/// A view of what is in `memory` now.
fn view(memory: &Memory) -> View {
    let roots = Roots::new(memory, &[PathBuf::from("/app")], &[]).unwrap();
    scan(memory, &roots, &Budget::new(usize::MAX), &mut |_| {}).view
}

fn find(view: &View, memory: &Memory, tail: &str) -> Located {
    let suffixes = [".cpython-313-x86_64-linux-gnu.so".to_owned(), ".so".to_owned()];
    locate(view, memory, Path::new("/app"), tail, &suffixes)
}

#[test]
fn a_package_wins_then_an_extension_then_a_module_then_a_namespace() {
    let memory = Memory::new();
    memory.write("/app/x/__init__.py", "");
    memory.write("/app/x.so", "");
    memory.write("/app/x.py", "");
    let package = Located::Package { init: "/app/x/__init__.py".into(), dir: "/app/x".into() };
    assert_eq!(package, find(&view(&memory), &memory, "x"));

    memory.remove("/app/x/__init__.py");
    assert_eq!(Located::Extension("/app/x.so".into()), find(&view(&memory), &memory, "x"));

    memory.remove("/app/x.so");
    assert_eq!(Located::Module("/app/x.py".into()), find(&view(&memory), &memory, "x"));

    memory.remove("/app/x.py");
    assert_eq!(Located::Namespace("/app/x".into()), find(&view(&memory), &memory, "x"));

    memory.remove("/app/x");
    assert_eq!(Located::Absent, find(&view(&memory), &memory, "x"));
}

#[test]
fn extension_suffixes_count_in_their_order() {
    let memory = Memory::new();
    memory.write("/app/fast.so", "");
    memory.write("/app/fast.cpython-313-x86_64-linux-gnu.so", "");
    memory.write("/app/pack/__init__.so", "");
    memory.write("/app/pack/__init__.py", "");
    let view = view(&memory);
    let exact = PathBuf::from("/app/fast.cpython-313-x86_64-linux-gnu.so");
    assert_eq!(Located::Extension(exact), find(&view, &memory, "fast"));
    let pack = PathBuf::from("/app/pack/__init__.so");
    assert_eq!(Located::Extension(pack), find(&view, &memory, "pack"));
}

#[test]
fn p2_a_generation_finds_what_it_knows_and_not_what_the_disk_has() {
    let memory = Memory::new();
    memory.write("/app/conf.py", "");
    memory.write("/app/plugins/a.py", "");
    let view = view(&memory);
    memory.remove("/app");
    memory.write("/app/conf/__init__.py", "");
    memory.write("/app/plugins/__init__.py", "");
    assert_eq!(Located::Module("/app/conf.py".into()), find(&view, &memory, "conf"));
    assert_eq!(Located::Namespace("/app/plugins".into()), find(&view, &memory, "plugins"));
}

#[test]
fn source_made_since_is_told_apart_from_nothing() {
    let memory = Memory::new();
    memory.mkdir("/app/dir.py");
    let view = view(&memory);
    memory.write("/app/late.py", "");
    memory.write("/app/pack/__init__.py", "");
    assert_eq!(Located::Unseen("/app/late.py".into()), find(&view, &memory, "late"));
    assert_eq!(Located::Unseen("/app/pack/__init__.py".into()), find(&view, &memory, "pack"));
    assert_eq!(Located::Absent, find(&view, &memory, "dir"));
}

#[test]
fn an_empty_directory_is_a_namespace_too() {
    let memory = Memory::new();
    memory.write("/app/data/rates.csv", "");
    assert_eq!(Located::Namespace("/app/data".into()), find(&view(&memory), &memory, "data"));
}
