//! The rule of CPython's `FileFinder`, answered from a generation's snapshot.

use std::path::{Path, PathBuf};
use transfuse_engine::{Budget, InMemoryFs, Located, Roots, SourceSnapshot, locate, scan};

/// A snapshot of the present content of `memory`.
fn snapshot(memory: &InMemoryFs) -> SourceSnapshot {
    let roots = Roots::new(memory, &[PathBuf::from("/app")], &[]).unwrap();
    scan(memory, &roots, &Budget::new(usize::MAX)).snapshot
}

fn find(snapshot: &SourceSnapshot, memory: &InMemoryFs, tail: &str) -> Located {
    let suffixes = [".cpython-313-x86_64-linux-gnu.so".to_owned(), ".so".to_owned()];
    locate(snapshot, memory, Path::new("/app"), tail, &suffixes)
}

#[test]
fn a_package_wins_then_an_extension_then_a_module_then_a_namespace() {
    let memory = InMemoryFs::new();
    memory.write("/app/x/__init__.py", "");
    memory.write("/app/x.so", "");
    memory.write("/app/x.py", "");
    let package = Located::Package { init: "/app/x/__init__.py".into(), dir: "/app/x".into() };
    assert_eq!(package, find(&snapshot(&memory), &memory, "x"));

    memory.remove("/app/x/__init__.py");
    assert_eq!(Located::Extension("/app/x.so".into()), find(&snapshot(&memory), &memory, "x"));

    memory.remove("/app/x.so");
    assert_eq!(Located::Module("/app/x.py".into()), find(&snapshot(&memory), &memory, "x"));

    memory.remove("/app/x.py");
    assert_eq!(Located::Namespace("/app/x".into()), find(&snapshot(&memory), &memory, "x"));

    memory.remove("/app/x");
    assert_eq!(Located::Absent, find(&snapshot(&memory), &memory, "x"));
}

#[test]
fn extension_suffixes_count_in_their_order() {
    let memory = InMemoryFs::new();
    memory.write("/app/fast.so", "");
    memory.write("/app/fast.cpython-313-x86_64-linux-gnu.so", "");
    memory.write("/app/pack/__init__.so", "");
    memory.write("/app/pack/__init__.py", "");
    let snapshot = snapshot(&memory);
    let exact = PathBuf::from("/app/fast.cpython-313-x86_64-linux-gnu.so");
    assert_eq!(Located::Extension(exact), find(&snapshot, &memory, "fast"));
    let pack = PathBuf::from("/app/pack/__init__.so");
    assert_eq!(Located::Extension(pack), find(&snapshot, &memory, "pack"));
}

#[test]
fn p2_a_generation_finds_files_of_its_snapshot_and_not_of_the_disk() {
    let memory = InMemoryFs::new();
    memory.write("/app/conf.py", "");
    memory.write("/app/plugins/a.py", "");
    let snapshot = snapshot(&memory);
    memory.remove("/app");
    memory.write("/app/conf/__init__.py", "");
    memory.write("/app/plugins/__init__.py", "");
    assert_eq!(Located::Module("/app/conf.py".into()), find(&snapshot, &memory, "conf"));
    assert_eq!(Located::Namespace("/app/plugins".into()), find(&snapshot, &memory, "plugins"));
}

#[test]
fn newer_source_differs_from_no_source() {
    let memory = InMemoryFs::new();
    memory.mkdir("/app/dir.py");
    let snapshot = snapshot(&memory);
    memory.write("/app/late.py", "");
    memory.write("/app/pack/__init__.py", "");
    assert_eq!(Located::NotInSnapshot("/app/late.py".into()), find(&snapshot, &memory, "late"));
    assert_eq!(
        Located::NotInSnapshot("/app/pack/__init__.py".into()),
        find(&snapshot, &memory, "pack")
    );
    assert_eq!(Located::Absent, find(&snapshot, &memory, "dir"));
}

#[test]
fn an_empty_directory_is_a_namespace_too() {
    let memory = InMemoryFs::new();
    memory.write("/app/data/rates.csv", "");
    assert_eq!(Located::Namespace("/app/data".into()), find(&snapshot(&memory), &memory, "data"));
}
