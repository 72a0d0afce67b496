//! What is under the roots at start-up.

use std::{io, path::PathBuf};
use transfuse_engine::{Budget, InMemoryFs, Roots, Scan, scan};

fn scanned(memory: &InMemoryFs, dirs: &[&str]) -> Scan {
    let dirs: Vec<PathBuf> = dirs.iter().map(PathBuf::from).collect();
    let roots = Roots::new(memory, &dirs, &["legacy".to_owned()]).unwrap();
    scan(memory, &roots, &Budget::new(usize::MAX))
}

fn files(scan: &Scan) -> Vec<String> {
    scan.snapshot.iter().map(|(path, _)| path.display().to_string()).collect()
}

fn dirs(scan: &Scan) -> Vec<String> {
    scan.dirs.iter().map(|path| path.display().to_string()).collect()
}

#[test]
fn source_is_read_and_the_rest_is_not() {
    let memory = InMemoryFs::new();
    memory.write("/app/main.py", "import shop");
    memory.write("/app/shop/__init__.py", "");
    memory.write("/app/shop/rates.csv", "1");
    memory.write("/app/shop/__pycache__/x.py", "");
    memory.write("/app/.git/hook.py", "");
    memory.write("/app/env/pyvenv.cfg", "");
    memory.write("/app/env/lib/flask.py", "");
    memory.write("/app/legacy/old.py", "");
    memory.mkdir("/app/empty");
    memory.mkdir("/app/odd.py");
    let scan = scanned(&memory, &["/app"]);
    assert_eq!(vec!["/app/main.py", "/app/shop/__init__.py"], files(&scan));
    assert_eq!(vec!["/app", "/app/empty", "/app/odd.py", "/app/shop"], dirs(&scan));
    assert!(scan.unreadable.is_empty());
}

#[test]
fn nested_roots_are_walked_once() {
    let memory = InMemoryFs::new();
    memory.write("/app/main.py", "");
    memory.write("/app/src/shop.py", "");
    let scan = scanned(&memory, &["/app", "/app/src"]);
    assert_eq!(vec!["/app/main.py", "/app/src/shop.py"], files(&scan));
    assert_eq!(vec!["/app", "/app/src"], dirs(&scan));
}

#[test]
fn linked_directories_are_followed_and_circles_are_not() {
    let memory = InMemoryFs::new();
    memory.write("/lib/common/log.py", "");
    memory.write("/app/shop/conf.py", "");
    memory.symlink("/app/common", "/lib/common");
    memory.symlink("/app/shop/up", "/app");
    memory.symlink("/app/shop/self", "/app/shop");
    memory.symlink("/app/shop/broken.py", "/nowhere.py");
    let scan = scanned(&memory, &["/app"]);
    assert_eq!(vec!["/app/common/log.py", "/app/shop/conf.py"], files(&scan));
}

#[test]
fn directories_that_link_to_each_other_are_not_followed_for_ever() {
    let memory = InMemoryFs::new();
    let count = 9;
    for from in 0..count {
        memory.write(format!("/app/d{from}/f.py"), "");
        for to in (0..count).filter(|to| *to != from) {
            memory.symlink(format!("/app/d{from}/to{to}"), format!("/app/d{to}"));
        }
    }
    let scan = scanned(&memory, &["/app"]);
    let files = files(&scan);
    // All names of up to three links: a million names have more.
    assert_eq!(9 + 9 * 8 + 9 * 8 * 7 + 9 * 8 * 7 * 6, files.len());
    for name in ["/app/d8/f.py", "/app/d8/to0/f.py", "/app/d8/to0/to1/to2/f.py"] {
        assert!(files.contains(&name.to_owned()), "{name}");
    }
}

#[test]
fn a_directory_that_many_link_to_is_found_under_each_of_its_names() {
    let memory = InMemoryFs::new();
    memory.write("/app/common/log.py", "");
    for service in 0..50 {
        memory.symlink(format!("/app/services/s{service}/common"), "/app/common");
    }
    memory.symlink("/app/common/base", "/lib/base");
    memory.write("/lib/base/deep.py", "");
    memory.symlink("/lib/base/more", "/lib/more");
    memory.write("/lib/more/deepest.py", "");
    assert_eq!(3 * 51, files(&scanned(&memory, &["/app"])).len());
}

#[test]
fn unreadable_files_are_reported_and_no_other_suffers() {
    let memory = InMemoryFs::new();
    memory.write("/app/main.py", "");
    memory.write("/app/secret.py", "");
    memory.write("/app/closed/a.py", "");
    memory.fail("/app/secret.py", io::ErrorKind::PermissionDenied);
    memory.fail("/app/closed", io::ErrorKind::PermissionDenied);
    let scan = scanned(&memory, &["/app"]);
    assert_eq!(vec!["/app/main.py"], files(&scan));
    let unreadable: Vec<_> = scan.unreadable.iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(vec![PathBuf::from("/app/closed"), PathBuf::from("/app/secret.py")], unreadable);
}
