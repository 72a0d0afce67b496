//! Data that modules depend on: files of any name, and directories that were listed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use transfuse_engine::{
    Budget, ChangeKind, DependencyGraph, DirtyPaths, Edge, EdgeKind, EventKind, FileKind,
    InMemoryFs, ModuleName, Roots, Source, SourceSnapshot, Target, is_tree_locked, listing,
    refresh, scan,
};

struct App {
    memory: InMemoryFs,
    roots: Roots,
    snapshot: SourceSnapshot,
}

/// An application under `/srv/app`, in the project `/srv`.
fn app(files: &[&str]) -> App {
    let memory = InMemoryFs::new();
    memory.mkdir("/srv/app");
    for path in files {
        memory.write(path, "1");
    }
    let roots = Roots::new(&memory, &[PathBuf::from("/srv/app")], &["secret".into()]).unwrap();
    let roots = roots.with_project(&memory, Path::new("/srv"));
    let snapshot = scan(&memory, &roots, &Budget::new(usize::MAX)).snapshot;
    App { memory, roots, snapshot }
}

impl App {
    /// A module has read these files, or listed these directories.
    fn known(mut self, paths: &[&str]) -> App {
        for path in paths.iter().map(Path::new) {
            let source = match listing(&self.memory, path, None) {
                Ok(names) => names.unwrap(),
                Err(_) => Source::digest_only("1"),
            };
            self.snapshot = self.snapshot.with(path, source);
        }
        self
    }

    fn changes(&self, dirty: &DirtyPaths) -> Vec<(String, ChangeKind)> {
        let budget = Budget::new(usize::MAX);
        let found = refresh(&self.memory, &self.roots, &budget, &self.snapshot, dirty);
        found.changes.into_iter().map(|c| (c.path.to_str().unwrap().to_owned(), c.kind)).collect()
    }

    fn at(&self, path: &str) -> Vec<(String, ChangeKind)> {
        self.changes(&DirtyPaths::Listed(BTreeSet::from([PathBuf::from(path)])))
    }
}

use ChangeKind::{Changed, Created, Deleted};

#[test]
fn the_name_of_data_may_be_any_name() {
    for path in ["/srv/app/.env", "/srv/app/.d/x", "/srv/app/conf/.secrets.toml", "/srv/conf.yaml"]
    {
        let app = app(&["/srv/app/a.py", path]).known(&[path]);
        assert!(app.at(path).is_empty());
        assert!(app.changes(&DirtyPaths::Rescan).is_empty());
        app.memory.write(path, "2");
        assert_eq!(vec![(path.to_owned(), Changed)], app.at(path));
        assert_eq!(vec![(path.to_owned(), Changed)], app.changes(&DirtyPaths::Rescan));
        app.memory.remove(path);
        assert_eq!(vec![(path.to_owned(), Deleted)], app.at(path));
        assert_eq!(vec![(path.to_owned(), Deleted)], app.changes(&DirtyPaths::Rescan));
    }
}

#[test]
fn data_that_no_module_read_is_no_change() {
    let app = app(&["/srv/app/a.py"]);
    app.memory.write("/srv/app/.env", "2");
    assert!(app.at("/srv/app/.env").is_empty());
    assert!(app.changes(&DirtyPaths::Rescan).is_empty());
}

#[test]
fn what_is_followed() {
    let app = app(&["/srv/app/a.py", "/srv/app/venv/pyvenv.cfg"]);
    let follows = |path: &str| app.roots.follows(&app.memory, Path::new(path));
    for path in ["/srv/app/.env", "/srv/app/x.csv", "/srv/x.csv", "/srv/app/.git/HEAD"] {
        assert!(follows(path), "{path}");
    }
    for path in [
        "/etc/hosts",
        "/srv/app/site-packages/x.txt",
        "/srv/app/venv/x.txt",
        "/srv/app/secret/x.txt",
        "/srv/app/.d/x.py",
        "/srv/x.py",
    ] {
        assert!(!follows(path), "{path}");
    }
    assert!(!app.roots.follows_listing(&app.memory, Path::new("/srv/app/.git/objects")));
}

#[test]
fn a_listed_directory_changes_with_its_names() {
    let app = app(&["/srv/app/plug/a.py"]).known(&["/srv/app/plug", "/srv/app"]);
    let plug = "/srv/app/plug".to_owned();
    app.memory.write("/srv/app/plug/a.py", "2");
    assert_eq!(vec![("/srv/app/plug/a.py".to_owned(), Changed)], app.at("/srv/app/plug/a.py"));
    app.memory.write("/srv/app/plug/a.py", "1");
    for passing in ["__pycache__/a.pyc", ".a.py.swp", "a.py~", "x.tmp"] {
        app.memory.write(format!("/srv/app/plug/{passing}"), "");
    }
    assert!(app.at("/srv/app/plug").is_empty());
    app.memory.write("/srv/app/plug/rates.txt", "");
    for dirty in ["/srv/app/plug/rates.txt", "/srv/app/plug"] {
        assert_eq!(vec![(plug.clone(), Changed)], app.at(dirty), "{dirty}");
    }
    assert_eq!(vec![(plug, Changed)], app.changes(&DirtyPaths::Rescan));
}

#[test]
fn a_listed_directory_may_go_and_come() {
    let app = app(&["/srv/app/.d/x"]).known(&["/srv/app/.d"]);
    app.memory.remove("/srv/app/.d/x");
    app.memory.write("/srv/app/.d/y", "");
    assert_eq!(vec![("/srv/app/.d".to_owned(), Changed)], app.at("/srv/app/.d/x"));
    let mut gone = self::app(&["/srv/app/a.py"]);
    gone.snapshot = gone.snapshot.with("/srv/app/plug", Source::absent());
    assert!(gone.at("/srv/app/plug").is_empty());
    gone.memory.write("/srv/app/plug/x", "");
    assert_eq!(vec![("/srv/app/plug".to_owned(), Created)], gone.at("/srv/app/plug"));
}

#[test]
fn a_new_file_concerns_a_listed_directory_and_a_written_one_does_not() {
    let mut graph = DependencyGraph::default();
    let to = Target::File("/srv/app/plug".into());
    graph.add(&ModuleName::new("web").unwrap(), Edge { to, kind: EdgeKind::Data });
    let snapshot = SourceSnapshot::default();
    let concerns = |kind: EventKind, path: &str| kind.at(path).concerns(&snapshot, &graph);
    assert!(concerns(EventKind::Created, "/srv/app/plug/x.txt"));
    assert!(concerns(EventKind::Gone, "/srv/app/plug/x.txt"));
    assert!(!concerns(EventKind::Modified, "/srv/app/plug/x.txt"));
    assert!(!concerns(EventKind::Created, "/srv/app/other/x.txt"));
}

#[test]
fn a_link_to_what_is_around_the_root_or_to_the_system_is_not_followed() {
    let memory = InMemoryFs::new();
    for path in ["/srv/app/a.py", "/usr/lib/x.py", "/home/me/x.py", "/shared/y.py"] {
        memory.write(path, "");
    }
    for (link, target) in [("up", "/srv"), ("all", "/"), ("usr", "/usr"), ("shared", "/shared")] {
        memory.symlink(format!("/srv/app/{link}"), target);
    }
    let roots = Roots::new(&memory, &[PathBuf::from("/srv/app")], &[]).unwrap();
    let found = scan(&memory, &roots, &Budget::new(usize::MAX)).snapshot;
    let paths: Vec<_> = found.iter().map(|(path, _)| path.to_str().unwrap()).collect();
    assert_eq!(vec!["/srv/app/a.py", "/srv/app/shared/y.py"], paths);
}

#[test]
fn locks_of_version_control() {
    let memory = InMemoryFs::new();
    memory.write("/srv/.git/HEAD", "");
    memory.write("/srv/app/a.py", "");
    memory.write("/srv/sub/.git", "gitdir: /srv/.git/modules/sub\n");
    memory.write("/srv/sub/b.py", "");
    memory.write("/hg/.hg/hgrc", "");
    let locked = |path: &str| is_tree_locked(&memory, [Path::new(path)]);
    for path in ["/srv/app/a.py", "/srv/sub/b.py", "/hg/c.py"] {
        assert!(!locked(path), "{path}");
    }
    memory.write("/srv/.git/modules/sub/index.lock", "");
    assert!(locked("/srv/sub/b.py") && !locked("/srv/app/a.py"));
    memory.write("/srv/.git/index.lock", "");
    assert!(locked("/srv/app/a.py"));
    memory.symlink("/hg/.hg/wlock", "host:42");
    assert!(locked("/hg/c.py"));
}

#[test]
fn a_served_file_stays_one_whatever_happens_to_it() {
    let budget = Budget::new(usize::MAX);
    let path = Path::new("/srv/app/pages/a.html");
    let mut app = app(&["/srv/app/a.py"]);
    app.memory.write("/srv/app/pages/a.html", "1");
    app.snapshot = app.snapshot.with(path, Source::served(Some(b"1"), &budget));
    let steps = [(Some("2"), Changed), (None, Deleted), (Some("3"), Created)];
    for (content, kind) in steps {
        match content {
            Some(content) => app.memory.write("/srv/app/pages/a.html", content),
            None => app.memory.remove("/srv/app/pages/a.html"),
        }
        for dirty in [DirtyPaths::Listed(BTreeSet::from([path.to_owned()])), DirtyPaths::Rescan] {
            let found = refresh(&app.memory, &app.roots, &budget, &app.snapshot, &dirty);
            assert_eq!(found.changes.len(), 1, "{content:?}");
            assert_eq!(found.changes[0].kind, kind);
            let source = found.snapshot.get(path).unwrap();
            assert!(source.is_served());
            assert_eq!(source.text(), content.map(|text| text.as_bytes().to_vec()));
        }
        let dirty = DirtyPaths::Listed(BTreeSet::from([path.to_owned()]));
        app.snapshot = refresh(&app.memory, &app.roots, &budget, &app.snapshot, &dirty).snapshot;
    }
}

#[test]
fn of_a_path_that_was_asked_for_only_its_existence_counts() {
    let mut app = app(&["/srv/app/a.py", "/srv/app/x.db"]);
    let there = Source::existence(Some(FileKind::File));
    app.snapshot = app.snapshot.with("/srv/app/x.db", there);
    app.snapshot = app.snapshot.with("/srv/app/y", Source::existence(None));
    app.memory.write("/srv/app/x.db", "much more");
    assert!(app.changes(&DirtyPaths::Rescan).is_empty());
    app.memory.write("/srv/app/y", "1");
    assert_eq!(vec![("/srv/app/y".to_owned(), Created)], app.at("/srv/app/y"));
    app.memory.remove("/srv/app/x.db");
    assert_eq!(vec![("/srv/app/x.db".to_owned(), Deleted)], app.at("/srv/app/x.db"));
    app.memory.write("/srv/app/x.db/z", "1");
    assert_eq!(vec![("/srv/app/x.db".to_owned(), Changed)], app.at("/srv/app/x.db"));
}

#[test]
fn a_file_that_only_has_to_exist_may_be_written_all_the_time() {
    let there = Source::existence(Some(FileKind::File));
    let snapshot = SourceSnapshot::default().with("/srv/app/x.db", there);
    let mut graph = DependencyGraph::default();
    let to = Target::File(PathBuf::from("/srv/app/x.db"));
    graph.add(&ModuleName::new("shop").unwrap(), Edge { to, kind: EdgeKind::Data });
    for kind in [EventKind::Modified, EventKind::Closed, EventKind::Touched] {
        assert!(!kind.at("/srv/app/x.db").concerns(&snapshot, &graph));
    }
    for kind in [EventKind::Created, EventKind::Moved, EventKind::Gone] {
        assert!(kind.at("/srv/app/x.db").concerns(&snapshot, &graph));
    }
}
