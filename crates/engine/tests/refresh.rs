//! The differences at the paths that had events.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};
use transfuse_engine::{
    Budget, ChangeKind, DirtyPaths, InMemoryFs, Refreshed, Roots, Source, SourceSnapshot,
    matches_disk, refresh, scan,
};

/// An application in memory and its current snapshot.
struct App {
    memory: InMemoryFs,
    roots: Roots,
    snapshot: SourceSnapshot,
}

impl App {
    fn new(files: &[(&str, &str)]) -> App {
        let memory = InMemoryFs::new();
        memory.mkdir("/app");
        for (path, content) in files {
            memory.write(path, content);
        }
        let roots = Roots::new(&memory, &[PathBuf::from("/app")], &["legacy".into()]).unwrap();
        let snapshot = scan(&memory, &roots, &Budget::new(usize::MAX)).snapshot;
        App { memory, roots, snapshot }
    }

    fn look(&self, batch: &DirtyPaths) -> Refreshed {
        refresh(&self.memory, &self.roots, &Budget::new(usize::MAX), &self.snapshot, batch)
    }

    fn compare(&self, paths: &[&str]) -> Refreshed {
        self.look(&DirtyPaths::Listed(paths.iter().map(PathBuf::from).collect::<BTreeSet<_>>()))
    }
}

fn changes(found: &Refreshed) -> Vec<(&str, ChangeKind)> {
    found.changes.iter().map(|change| (change.path.to_str().unwrap(), change.kind)).collect()
}

use ChangeKind::{Changed, Created, Deleted};

#[test]
fn content_decides_and_not_the_event() {
    let app = App::new(&[("/app/a.py", "a = 1"), ("/app/b.py", "b = 1")]);
    app.memory.write("/app/a.py", "a = 1");
    app.memory.write("/app/b.py", "b = 2");
    let found = app.compare(&["/app/a.py", "/app/b.py"]);
    assert_eq!(vec![("/app/b.py", Changed)], changes(&found));
    assert_eq!(
        b"b = 2".to_vec(),
        found.snapshot.get(Path::new("/app/b.py")).unwrap().text().unwrap()
    );
    assert_eq!(changes(&found).len(), app.snapshot.changes(&found.snapshot).len());
}

#[test]
fn p12_only_dirty_paths_are_compared() {
    let app = App::new(&[("/app/a.py", "a = 1"), ("/app/b.py", "b = 1")]);
    app.memory.write("/app/a.py", "a = 2");
    app.memory.write("/app/b.py", "b = 2");
    assert_eq!(vec![("/app/a.py", Changed)], changes(&app.compare(&["/app/a.py"])));
}

#[test]
fn p6_a_removed_directory_takes_all_under_it_along() {
    let app = App::new(&[("/app/a/x.py", ""), ("/app/a/b/y.py", ""), ("/app/a.py", "")]);
    app.memory.remove("/app/a");
    let found = app.compare(&["/app/a"]);
    assert_eq!(vec![("/app/a/b/y.py", Deleted), ("/app/a/x.py", Deleted)], changes(&found));
    assert_eq!(1, found.snapshot.iter().count());
}

#[test]
fn a_new_directory_is_looked_into_and_named() {
    let app = App::new(&[]);
    app.memory.write("/app/pack/__init__.py", "");
    app.memory.write("/app/pack/sub/m.py", "");
    app.memory.write("/app/pack/.git/h.py", "");
    let found = app.compare(&["/app/pack"]);
    let expected = vec![("/app/pack/__init__.py", Created), ("/app/pack/sub/m.py", Created)];
    assert_eq!(expected, changes(&found));
    let dirs = [PathBuf::from("/app/pack"), PathBuf::from("/app/pack/sub")];
    assert_eq!(dirs.to_vec(), found.new_dirs);
}

#[test]
fn a_file_and_a_directory_may_change_places() {
    let app = App::new(&[("/app/a.py", ""), ("/app/b.py/in.py", "")]);
    app.memory.remove("/app/a.py");
    app.memory.mkdir("/app/a.py");
    app.memory.remove("/app/b.py");
    app.memory.write("/app/b.py", "now a file");
    let found = app.compare(&["/app/a.py", "/app/b.py"]);
    let expected =
        vec![("/app/a.py", Deleted), ("/app/b.py", Created), ("/app/b.py/in.py", Deleted)];
    assert_eq!(expected, changes(&found));
}

#[test]
fn a_file_that_is_being_written_is_left_for_later() {
    let app = App::new(&[("/app/a.py", "a = 1")]);
    app.memory.write("/app/a.py", "a =");
    app.memory.rewrite_during_read("/app/a.py", "a = 22");
    let found = app.compare(&["/app/a.py"]);
    assert_eq!(vec![PathBuf::from("/app/a.py")], found.unstable);
    assert!(found.changes.is_empty() && app.snapshot.changes(&found.snapshot).is_empty());
    assert_eq!(vec![("/app/a.py", Changed)], changes(&app.compare(&["/app/a.py"])));
}

#[test]
fn an_unreadable_file_keeps_its_content_and_is_listed() {
    let app = App::new(&[("/app/a.py", "a = 1"), ("/app/d/b.py", "")]);
    app.memory.write("/app/a.py", "a = 2");
    app.memory.fail("/app/a.py", io::ErrorKind::PermissionDenied);
    app.memory.fail("/app/d", io::ErrorKind::PermissionDenied);
    for batch in [
        DirtyPaths::Listed(BTreeSet::from(["/app/a.py".into(), "/app/d".into()])),
        DirtyPaths::Rescan,
    ] {
        let found = app.look(&batch);
        assert!(found.changes.is_empty(), "{:?}", found.changes);
        assert_eq!(2, found.snapshot.iter().count());
        let mut listed: Vec<_> = found.unreadable.iter().map(|(path, _)| path.clone()).collect();
        listed.sort();
        assert_eq!(vec![PathBuf::from("/app/a.py"), PathBuf::from("/app/d")], listed);
    }
}

#[test]
fn a_lost_event_leads_to_a_full_comparison() {
    let app = App::new(&[("/app/a.py", "1"), ("/app/b.py", "1"), ("/app/c.py", "1")]);
    app.memory.write("/app/a.py", "2");
    app.memory.remove("/app/b.py");
    app.memory.write("/app/d/e.py", "new");
    let found = app.look(&DirtyPaths::Rescan);
    let expected = vec![("/app/a.py", Changed), ("/app/b.py", Deleted), ("/app/d/e.py", Created)];
    assert_eq!(expected, changes(&found));
    assert_eq!(changes(&found).len(), app.snapshot.changes(&found.snapshot).len());
}

#[test]
fn a_root_that_is_not_there_is_an_accident_and_no_deletion() {
    let app = App::new(&[("/app/a.py", "1")]);
    app.memory.remove("/app");
    for batch in [DirtyPaths::Rescan, DirtyPaths::Listed(BTreeSet::from([PathBuf::from("/app")]))] {
        let found = app.look(&batch);
        assert!(found.changes.is_empty());
        assert_eq!(1, found.unreadable.len());
        assert_eq!(1, found.snapshot.iter().count());
    }
}

#[test]
fn p11_foreign_files_are_not_read() {
    let app = App::new(&[("/app/env/pyvenv.cfg", ""), ("/app/env/lib/x.py", "")]);
    app.memory.write("/app/env/lib/x.py", "changed");
    app.memory.write("/app/legacy/old.py", "");
    app.memory.write("/usr/lib/os.py", "");
    let found = app.compare(&["/app/env/lib/x.py", "/app/legacy/old.py", "/usr/lib/os.py"]);
    assert!(found.changes.is_empty() && found.snapshot.iter().next().is_none());
}

#[test]
fn a_known_data_file_is_compared_like_source() {
    let mut app = App::new(&[("/app/rates.csv", "1")]);
    app.snapshot = app.snapshot.with("/app/rates.csv", Source::digest_only("1"));
    app.memory.write("/app/other.csv", "1");
    assert!(app.look(&DirtyPaths::Rescan).changes.is_empty());
    app.memory.write("/app/rates.csv", "2");
    let found = app.compare(&["/app/rates.csv", "/app/other.csv"]);
    assert_eq!(vec![("/app/rates.csv", Changed)], changes(&found));
    assert_eq!(vec![("/app/rates.csv", Changed)], changes(&app.look(&DirtyPaths::Rescan)));
    app.memory.remove("/app/rates.csv");
    assert_eq!(vec![("/app/rates.csv", Deleted)], changes(&app.look(&DirtyPaths::Rescan)));
}

#[test]
fn a_subtree_holds_no_more_than_a_scan_of_all_finds() {
    let app = App::new(&[("/app/a/x.py", ""), ("/app/main.py", "")]);
    app.memory.symlink("/app/a/up", "/app");
    let found = app.compare(&["/app/a"]);
    assert!(found.changes.is_empty(), "{:?}", found.changes);
}

#[test]
fn a_module_beyond_the_links_that_a_walk_follows_stays_and_is_compared() {
    let app = App::new(&[("/app/d0/f.py", "1"), ("/app/main.py", "")]);
    for at in 1..=5 {
        app.memory.write(format!("/ext/d{at}/f.py"), "1");
    }
    app.memory.symlink("/app/d0/next", "/ext/d1");
    for at in 1..5 {
        app.memory.symlink(format!("/ext/d{at}/next"), format!("/ext/d{}", at + 1));
    }
    let found = app.look(&DirtyPaths::Rescan);
    assert_eq!(3, found.changes.len(), "{:?}", found.changes);
    // A module behind more links than a walk follows has been imported.
    let deep = "/app/d0/next/next/next/next/f.py";
    let snapshot = found.snapshot.with(deep, Source::new("1", &Budget::new(usize::MAX)));
    let app = App { snapshot, ..app };
    assert!(app.look(&DirtyPaths::Rescan).changes.is_empty());
    assert!(app.compare(&["/app/d0/next/next/next/next", "/app/d0/next"]).changes.is_empty());
    app.memory.write("/ext/d4/f.py", "2");
    let found = app.look(&DirtyPaths::Rescan);
    assert_eq!(vec![(deep, Changed)], changes(&found));
    assert!(found.links.contains(&PathBuf::from(deep)));
    app.memory.remove("/ext/d3/next");
    assert_eq!(vec![(deep, Deleted)], changes(&app.look(&DirtyPaths::Rescan)));
}

#[test]
fn nested_roots_answer_for_their_own_files() {
    let memory = InMemoryFs::new();
    memory.write("/app/a.py", "");
    memory.write("/app/src/b.py", "");
    let roots =
        Roots::new(&memory, &[PathBuf::from("/app"), PathBuf::from("/app/src")], &[]).unwrap();
    let budget = Budget::new(usize::MAX);
    let snapshot = scan(&memory, &roots, &budget).snapshot;
    for batch in [DirtyPaths::Rescan, DirtyPaths::Listed(BTreeSet::from([PathBuf::from("/app")]))] {
        let found = refresh(&memory, &roots, &budget, &snapshot, &batch);
        assert!(found.changes.is_empty(), "{:?}", found.changes);
    }
}

#[test]
fn a_snapshot_matches_the_disk_whatever_else_is_there() {
    let app = App::new(&[("/app/a.py", "a = 1"), ("/app/pack/b.py", "b = 1")]);
    let snapshot = app.snapshot.with("/app/data.txt", Source::absent());
    let matches_disk = || matches_disk(&app.memory, &snapshot);
    app.memory.write("/app/new.py", "");
    app.memory.write("/app/data.txt", "3");
    app.memory.write("/app/a.py", "a = 1");
    assert!(matches_disk());
    app.memory.write("/app/a.py", "a = 2");
    assert!(!matches_disk());
    app.memory.write("/app/a.py", "a = 1");
    assert!(matches_disk());
    app.memory.remove("/app/pack");
    assert!(!matches_disk());
}
