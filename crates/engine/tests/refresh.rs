//! What is different, where a batch says to look.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};
use transfuse_engine::{
    Batch, Budget, ChangeKind, Memory, Refreshed, Roots, Source, View, is_as_known, refresh, scan,
};

/// An application in memory and the view of it that is current.
struct App {
    memory: Memory,
    roots: Roots,
    view: View,
}

impl App {
    fn new(files: &[(&str, &str)]) -> App {
        let memory = Memory::new();
        memory.mkdir("/app");
        for (path, content) in files {
            memory.write(path, content);
        }
        let roots = Roots::new(&memory, &[PathBuf::from("/app")], &["legacy".into()]).unwrap();
        let view = scan(&memory, &roots, &Budget::new(usize::MAX), &mut |_| {}).view;
        App { memory, roots, view }
    }

    fn look(&self, batch: &Batch) -> Refreshed {
        refresh(&self.memory, &self.roots, &Budget::new(usize::MAX), &self.view, batch)
    }

    fn look_at(&self, paths: &[&str]) -> Refreshed {
        self.look(&Batch::Paths(paths.iter().map(PathBuf::from).collect::<BTreeSet<_>>()))
    }
}

fn told(found: &Refreshed) -> Vec<(&str, ChangeKind)> {
    found.changes.iter().map(|change| (change.path.to_str().unwrap(), change.kind)).collect()
}

use ChangeKind::{Changed, Created, Deleted};

#[test]
fn content_decides_and_not_the_event() {
    let app = App::new(&[("/app/a.py", "a = 1"), ("/app/b.py", "b = 1")]);
    app.memory.write("/app/a.py", "a = 1");
    app.memory.write("/app/b.py", "b = 2");
    let found = app.look_at(&["/app/a.py", "/app/b.py"]);
    assert_eq!(vec![("/app/b.py", Changed)], told(&found));
    assert_eq!(b"b = 2".to_vec(), found.view.get(Path::new("/app/b.py")).unwrap().text().unwrap());
    assert_eq!(told(&found).len(), app.view.changes(&found.view).len());
}

#[test]
fn p12_only_what_the_batch_names_is_looked_at() {
    let app = App::new(&[("/app/a.py", "a = 1"), ("/app/b.py", "b = 1")]);
    app.memory.write("/app/a.py", "a = 2");
    app.memory.write("/app/b.py", "b = 2");
    assert_eq!(vec![("/app/a.py", Changed)], told(&app.look_at(&["/app/a.py"])));
}

#[test]
fn p6_a_removed_directory_takes_all_under_it_along() {
    let app = App::new(&[("/app/a/x.py", ""), ("/app/a/b/y.py", ""), ("/app/a.py", "")]);
    app.memory.remove("/app/a");
    let found = app.look_at(&["/app/a"]);
    assert_eq!(vec![("/app/a/b/y.py", Deleted), ("/app/a/x.py", Deleted)], told(&found));
    assert_eq!(1, found.view.len());
}

#[test]
fn a_new_directory_is_looked_into_and_named() {
    let app = App::new(&[]);
    app.memory.write("/app/pack/__init__.py", "");
    app.memory.write("/app/pack/sub/m.py", "");
    app.memory.write("/app/pack/.git/h.py", "");
    let found = app.look_at(&["/app/pack"]);
    let expected = vec![("/app/pack/__init__.py", Created), ("/app/pack/sub/m.py", Created)];
    assert_eq!(expected, told(&found));
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
    let found = app.look_at(&["/app/a.py", "/app/b.py"]);
    let expected =
        vec![("/app/a.py", Deleted), ("/app/b.py", Created), ("/app/b.py/in.py", Deleted)];
    assert_eq!(expected, told(&found));
}

#[test]
fn a_file_that_is_being_written_is_left_for_later() {
    let app = App::new(&[("/app/a.py", "a = 1")]);
    app.memory.write("/app/a.py", "a =");
    app.memory.rewrite_during_read("/app/a.py", "a = 22");
    let found = app.look_at(&["/app/a.py"]);
    assert_eq!(vec![PathBuf::from("/app/a.py")], found.unstable);
    assert!(found.changes.is_empty() && app.view.changes(&found.view).is_empty());
    assert_eq!(vec![("/app/a.py", Changed)], told(&app.look_at(&["/app/a.py"])));
}

#[test]
fn an_unreadable_file_keeps_its_content_and_is_listed() {
    let app = App::new(&[("/app/a.py", "a = 1"), ("/app/d/b.py", "")]);
    app.memory.write("/app/a.py", "a = 2");
    app.memory.fail("/app/a.py", io::ErrorKind::PermissionDenied);
    app.memory.fail("/app/d", io::ErrorKind::PermissionDenied);
    for batch in
        [Batch::Paths(BTreeSet::from(["/app/a.py".into(), "/app/d".into()])), Batch::Rescan]
    {
        let found = app.look(&batch);
        assert!(found.changes.is_empty(), "{:?}", found.changes);
        assert_eq!(2, found.view.len());
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
    let found = app.look(&Batch::Rescan);
    let expected = vec![("/app/a.py", Changed), ("/app/b.py", Deleted), ("/app/d/e.py", Created)];
    assert_eq!(expected, told(&found));
    assert_eq!(told(&found).len(), app.view.changes(&found.view).len());
}

#[test]
fn a_root_that_is_not_there_is_an_accident_and_no_deletion() {
    let app = App::new(&[("/app/a.py", "1")]);
    app.memory.remove("/app");
    for batch in [Batch::Rescan, Batch::Paths(BTreeSet::from([PathBuf::from("/app")]))] {
        let found = app.look(&batch);
        assert!(found.changes.is_empty());
        assert_eq!(1, found.unreadable.len());
        assert_eq!(1, found.view.len());
    }
}

#[test]
fn p11_what_is_foreign_is_not_looked_at() {
    let app = App::new(&[("/app/env/pyvenv.cfg", ""), ("/app/env/lib/x.py", "")]);
    app.memory.write("/app/env/lib/x.py", "changed");
    app.memory.write("/app/legacy/old.py", "");
    app.memory.write("/usr/lib/os.py", "");
    let found = app.look_at(&["/app/env/lib/x.py", "/app/legacy/old.py", "/usr/lib/os.py"]);
    assert!(found.changes.is_empty() && found.view.is_empty());
}

#[test]
fn a_known_data_file_is_compared_like_source() {
    let mut app = App::new(&[("/app/rates.csv", "1")]);
    app.view = app.view.with("/app/rates.csv", Source::bare("1"));
    app.memory.write("/app/other.csv", "1");
    assert!(app.look(&Batch::Rescan).changes.is_empty());
    app.memory.write("/app/rates.csv", "2");
    let found = app.look_at(&["/app/rates.csv", "/app/other.csv"]);
    assert_eq!(vec![("/app/rates.csv", Changed)], told(&found));
    assert_eq!(vec![PathBuf::from("/app/other.csv")], found.others);
    assert_eq!(vec![("/app/rates.csv", Changed)], told(&app.look(&Batch::Rescan)));
    app.memory.remove("/app/rates.csv");
    assert_eq!(vec![("/app/rates.csv", Deleted)], told(&app.look(&Batch::Rescan)));
}

#[test]
fn a_subtree_holds_no_more_than_a_scan_of_all_finds() {
    let app = App::new(&[("/app/a/x.py", ""), ("/app/main.py", "")]);
    app.memory.link("/app/a/up", "/app");
    let found = app.look_at(&["/app/a"]);
    assert!(found.changes.is_empty(), "{:?}", found.changes);
}

#[test]
fn a_module_beyond_the_links_that_a_walk_follows_stays_and_is_compared() {
    let app = App::new(&[("/app/d0/f.py", "1"), ("/app/main.py", "")]);
    for at in 1..=5 {
        app.memory.write(format!("/ext/d{at}/f.py"), "1");
    }
    app.memory.link("/app/d0/next", "/ext/d1");
    for at in 1..5 {
        app.memory.link(format!("/ext/d{at}/next"), format!("/ext/d{}", at + 1));
    }
    let found = app.look(&Batch::Rescan);
    assert_eq!(3, found.changes.len(), "{:?}", found.changes);
    // Somebody has imported what no walk comes to.
    let deep = "/app/d0/next/next/next/next/f.py";
    let view = found.view.with(deep, Source::new("1", &Budget::new(usize::MAX)));
    let app = App { view, ..app };
    assert!(app.look(&Batch::Rescan).changes.is_empty());
    assert!(app.look_at(&["/app/d0/next/next/next/next", "/app/d0/next"]).changes.is_empty());
    app.memory.write("/ext/d4/f.py", "2");
    let found = app.look(&Batch::Rescan);
    assert_eq!(vec![(deep, Changed)], told(&found));
    assert!(found.links.contains(&PathBuf::from(deep)));
    app.memory.remove("/ext/d3/next");
    assert_eq!(vec![(deep, Deleted)], told(&app.look(&Batch::Rescan)));
}

#[test]
fn nested_roots_answer_for_their_own_files() {
    let memory = Memory::new();
    memory.write("/app/a.py", "");
    memory.write("/app/src/b.py", "");
    let roots =
        Roots::new(&memory, &[PathBuf::from("/app"), PathBuf::from("/app/src")], &[]).unwrap();
    let budget = Budget::new(usize::MAX);
    let view = scan(&memory, &roots, &budget, &mut |_| {}).view;
    for batch in [Batch::Rescan, Batch::Paths(BTreeSet::from([PathBuf::from("/app")]))] {
        let found = refresh(&memory, &roots, &budget, &view, &batch);
        assert!(found.changes.is_empty(), "{:?}", found.changes);
    }
}

#[test]
fn what_is_known_is_as_known_whatever_there_is_besides() {
    let app = App::new(&[("/app/a.py", "a = 1"), ("/app/pack/b.py", "b = 1")]);
    let view = app.view.with("/app/data.txt", Source::absent());
    let is_as_known = || is_as_known(&app.memory, &view);
    app.memory.write("/app/new.py", "");
    app.memory.write("/app/data.txt", "3");
    app.memory.write("/app/a.py", "a = 1");
    assert!(is_as_known());
    app.memory.write("/app/a.py", "a = 2");
    assert!(!is_as_known());
    app.memory.write("/app/a.py", "a = 1");
    assert!(is_as_known());
    app.memory.remove("/app/pack");
    assert!(!is_as_known());
}
