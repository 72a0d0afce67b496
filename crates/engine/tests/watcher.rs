//! The events of a watcher for real files. Each test waits for its event, with a cap, and prints
//! the events that came instead.

use crossbeam_channel::{Receiver, unbounded};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use transfuse_engine::{
    DependencyGraph, Edge, EdgeKind, EngineError, Event, EventKind, InMemoryFs, OsFileSystem,
    Roots, Source, SourceSnapshot, Target, Watcher,
};

/// A watched directory.
struct Watched {
    watch: Watcher,
    events: Receiver<Event>,
    dir: PathBuf,
    _temporary: tempfile::TempDir,
}

fn watched() -> Watched {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().canonicalize().unwrap();
    let (sender, events) = unbounded();
    let watch = Watcher::native(std::slice::from_ref(&dir), sender).unwrap();
    wait_for(&events, &Event::Rescan);
    Watched { watch, events, dir, _temporary: temporary }
}

/// Waits for `expected`, and returns the events before it.
#[track_caller]
fn wait_for(events: &Receiver<Event>, expected: &Event) -> Vec<Event> {
    let cap = Instant::now() + Duration::from_secs(10);
    let mut before = Vec::new();
    loop {
        match events.recv_deadline(cap) {
            Ok(event) if event == *expected => return before,
            Ok(event) => before.push(event),
            Err(_) => panic!("waited for {expected:?}; instead came {before:#?}"),
        }
    }
}

impl Watched {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    #[track_caller]
    fn wait_for(&self, expected: Event) -> Vec<Event> {
        wait_for(&self.events, &expected)
    }
}

#[test]
fn a_written_and_closed_file_has_an_event() {
    let watched = watched();
    fs::write(watched.path("a.py"), "a = 1").unwrap();
    watched.wait_for(EventKind::Closed.at(watched.path("a.py")));
}

#[cfg(target_os = "linux")]
#[test]
fn an_open_file_has_an_event_of_its_own() {
    let watched = watched();
    let mut file = fs::File::create(watched.path("a.py")).unwrap();
    file.write_all(b"a =").unwrap();
    file.flush().unwrap();
    let before = watched.wait_for(EventKind::Modified.at(watched.path("a.py")));
    assert_eq!(vec![EventKind::Created.at(watched.path("a.py"))], before);
    drop(file);
    watched.wait_for(EventKind::Closed.at(watched.path("a.py")));
}

#[test]
fn a_file_renamed_into_place_is_complete() {
    let watched = watched();
    fs::write(watched.path("draft"), "a = 1").unwrap();
    fs::rename(watched.path("draft"), watched.path("a.py")).unwrap();
    let before = watched.wait_for(EventKind::Moved.at(watched.path("a.py")));
    assert!(before.contains(&EventKind::Gone.at(watched.path("draft"))), "{before:?}");
    fs::write(watched.path("marker"), "").unwrap();
    let after = watched.wait_for(EventKind::Closed.at(watched.path("marker")));
    assert!(
        !after.contains(&EventKind::Gone.at(watched.path("draft"))),
        "reported twice: {after:?}"
    );
}

#[test]
fn a_removed_file_has_an_event() {
    let watched = watched();
    fs::write(watched.path("a.py"), "").unwrap();
    fs::remove_file(watched.path("a.py")).unwrap();
    watched.wait_for(EventKind::Gone.at(watched.path("a.py")));
}

#[test]
fn temporary_files_have_no_events() {
    let watched = watched();
    fs::create_dir(watched.path("__pycache__")).unwrap();
    for name in ["a.py~", ".a.py.swp", "a.tmp", "a.pyc"] {
        fs::write(watched.path(name), "x").unwrap();
    }
    fs::write(watched.path("last.csv"), "x").unwrap();
    let before = watched.wait_for(EventKind::Closed.at(watched.path("last.csv")));
    let last = watched.path("last.csv");
    assert!(before.iter().all(|event| event.path() == Some(&last)), "{before:?}");
}

#[test]
fn a_new_directory_is_watched_when_it_is_added() {
    let watched = watched();
    let pack = watched.path("pack");
    fs::create_dir(&pack).unwrap();
    watched.wait_for(EventKind::Dir.at(pack.clone()));
    fs::write(pack.join("early.py"), "").unwrap();
    watched.watch.add(&pack).unwrap();
    // Files that were added before the watch had no events, so look again.
    watched.wait_for(EventKind::Dir.at(pack.clone()));
    watched.watch.add(&pack).unwrap();
    fs::write(pack.join("late.py"), "").unwrap();
    let before = watched.wait_for(EventKind::Closed.at(pack.join("late.py")));
    assert!(!before.contains(&EventKind::Dir.at(pack)), "added twice, reported twice: {before:?}");
}

#[test]
fn a_directory_that_goes_and_comes_is_watched_again() {
    let watched = watched();
    let pack = watched.path("pack");
    for round in 0..5 {
        fs::create_dir(&pack).unwrap();
        watched.wait_for(EventKind::Dir.at(pack.clone()));
        watched.watch.add(&pack).unwrap();
        watched.wait_for(EventKind::Dir.at(pack.clone()));
        let file = pack.join(format!("m{round}.py"));
        fs::write(&file, "").unwrap();
        watched.wait_for(EventKind::Closed.at(file));
        fs::remove_dir_all(&pack).unwrap();
        watched.wait_for(EventKind::Dir.at(pack.clone()));
        // Makes sure that the watch is gone: the marker's event comes after all those of the
        // removal.
        fs::write(watched.path("marker"), round.to_string()).unwrap();
        watched.wait_for(EventKind::Closed.at(watched.path("marker")));
    }
}

#[test]
fn a_renamed_directory_has_events_under_both_names() {
    let watched = watched();
    let (old, new) = (watched.path("old"), watched.path("new"));
    fs::create_dir(&old).unwrap();
    watched.wait_for(EventKind::Dir.at(old.clone()));
    watched.watch.add(&old).unwrap();
    watched.wait_for(EventKind::Dir.at(old.clone()));
    fs::rename(&old, &new).unwrap();
    let mut events_before = watched.wait_for(EventKind::Dir.at(new.clone()));
    events_before.push(EventKind::Dir.at(new.clone()));
    assert!(events_before.contains(&EventKind::Dir.at(old)), "{events_before:?}");
    watched.watch.add(&new).unwrap();
    fs::write(new.join("m.py"), "").unwrap();
    watched.wait_for(EventKind::Closed.at(new.join("m.py")));
}

#[cfg(unix)]
#[test]
fn a_directory_with_two_names_has_events_under_both() {
    let watched = watched();
    let (real, link) = (watched.path("real"), watched.path("link"));
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    watched.wait_for(EventKind::Dir.at(link.clone()));
    watched.watch.add(&real).unwrap();
    watched.watch.add(&link).unwrap();
    fs::write(real.join("m.py"), "").unwrap();
    let before = watched.wait_for(EventKind::Closed.at(real.join("m.py")));
    if !before.contains(&EventKind::Closed.at(link.join("m.py"))) {
        watched.wait_for(EventKind::Closed.at(link.join("m.py")));
    }
}

#[test]
fn a_directory_that_is_gone_is_no_error() {
    let watched = watched();
    watched.watch.add(&watched.path("never")).unwrap();
    let (sender, _events) = unbounded();
    assert!(Watcher::native(&[PathBuf::from("/nowhere/at/all")], sender).is_ok());
    Watcher::none().add(Path::new("/nowhere")).unwrap();
}

#[test]
fn a_watch_that_is_dropped_is_silent() {
    let Watched { watch, events, dir, _temporary } = watched();
    drop(watch);
    // The channel closes when the watcher's thread ends: no event can come after that.
    fs::write(dir.join("a.py"), "").unwrap();
    let cap = Instant::now() + Duration::from_secs(10);
    while events.recv_deadline(cap).is_ok() {}
    assert!(Instant::now() < cap, "the watcher is still there");
}

#[test]
fn polling_reports_changed_metadata() {
    let memory = Arc::new(InMemoryFs::new());
    memory.write("/app/a.py", "a = 1");
    memory.write("/app/b.py", "");
    let roots = Roots::new(&*memory, &[PathBuf::from("/app")], &[]).unwrap();
    let (sender, events) = unbounded();
    let watch = Watcher::polling(memory.clone(), roots, Duration::from_millis(1), sender);
    wait_for(&events, &Event::Rescan);
    memory.write("/app/a.py", "a = 2");
    wait_for(&events, &EventKind::Modified.at("/app/a.py"));
    memory.remove("/app/b.py");
    wait_for(&events, &EventKind::Gone.at("/app/b.py"));
    memory.write("/app/pack/m.py", "");
    let before = wait_for(&events, &EventKind::Created.at("/app/pack/m.py"));
    assert_eq!(vec![EventKind::Dir.at("/app/pack")], before);
    memory.write("/app/.git/index", "");
    memory.remove("/app/pack");
    let before = wait_for(&events, &EventKind::Gone.at("/app/pack/m.py"));
    assert_eq!(vec![EventKind::Dir.at("/app/pack")], before);
    drop(watch);
    assert!(events.recv().is_err(), "the thread has stopped");
}

#[test]
fn polling_works_on_the_disk_too() {
    let temporary = tempfile::tempdir().unwrap();
    let roots = Roots::new(&OsFileSystem, &[temporary.path().to_owned()], &[]).unwrap();
    let path = roots.dirs()[0].join("a.py");
    let (sender, events) = unbounded();
    let _watch = Watcher::polling(Arc::new(OsFileSystem), roots, Duration::from_millis(1), sender);
    wait_for(&events, &Event::Rescan);
    fs::write(&path, "a = 1").unwrap();
    wait_for(&events, &EventKind::Created.at(path));
}

#[test]
fn polling_looks_at_data_that_is_followed() {
    let memory = Arc::new(InMemoryFs::new());
    memory.write("/app/.env", "1");
    let roots = Roots::new(&*memory, &[PathBuf::from("/app")], &[]).unwrap();
    let (sender, events) = unbounded();
    let watch = Watcher::polling(memory.clone(), roots, Duration::from_millis(1), sender);
    wait_for(&events, &Event::Rescan);
    watch.follow(Path::new("/app/.env"), Path::new("/app")).unwrap();
    wait_for(&events, &EventKind::Created.at("/app/.env"));
    memory.write("/app/.env", "22");
    wait_for(&events, &EventKind::Modified.at("/app/.env"));
}

#[test]
fn a_log_that_is_written_all_the_time_is_ignored() {
    let mut graph = DependencyGraph::default();
    let prices = transfuse_engine::ModuleName::new("prices").unwrap();
    graph.add(&prices, Edge { to: Target::File("/app/rates.csv".into()), kind: EdgeKind::Data });
    let snapshot = SourceSnapshot::default().with("/app/tax.json", Source::digest_only("{}"));
    let snapshot = snapshot.with("/app/shop/__init__.py", Source::digest_only(""));
    let concerns = |path: &str| EventKind::Closed.at(path).concerns(&snapshot, &graph);
    assert!(concerns("/app/new.py") && concerns("/app/rates.csv") && concerns("/app/tax.json"));
    assert!(concerns("/app/shop"), "a link to a package, or what took its place");
    assert!(!concerns("/app/server.log"));
    assert!(Event::Rescan.concerns(&snapshot, &graph));
    assert!(EventKind::Dir.at("/app/pack").concerns(&snapshot, &graph));
}

#[test]
fn errors_say_how_to_fix_them() {
    let error = EngineError::WatchLimit { path: "/app".into() };
    assert!(error.to_string().contains("fs.inotify.max_user_watches"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_watched_place_has_events_whatever_its_name() {
    let watched = watched();
    let data = watched.path("..data");
    fs::create_dir(watched.path("..1")).unwrap();
    fs::create_dir(watched.path("..2")).unwrap();
    std::os::unix::fs::symlink("..1", &data).unwrap();
    watched.watch.watch_place(&data).unwrap();
    std::os::unix::fs::symlink("..2", watched.path("..new")).unwrap();
    fs::rename(watched.path("..new"), &data).unwrap();
    let before = watched.wait_for(EventKind::Dir.at(data.clone()));
    assert!(before.iter().all(|event| event.path() != Some(&data)), "{before:?}");
}

#[test]
fn polling_reports_an_edit_twice_that_a_coarse_clock_may_hide() {
    let memory = Arc::new(InMemoryFs::new());
    memory.write("/app/a.py", "a = 1");
    let roots = Roots::new(&*memory, &[PathBuf::from("/app")], &[]).unwrap();
    let (sender, events) = unbounded();
    let _watch = Watcher::polling(memory.clone(), roots, Duration::from_millis(20), sender);
    wait_for(&events, &Event::Rescan);
    memory.write("/app/a.py", "a = 2");
    wait_for(&events, &EventKind::Modified.at("/app/a.py"));
    let before = wait_for(&events, &EventKind::Touched.at("/app/a.py"));
    assert!(before.iter().all(|event| *event == Event::Rescan), "{before:?}");
}
