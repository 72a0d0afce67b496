//! What a watcher tells about real files. Each test waits for the event it is about, with a cap,
//! and says what came instead.

use crossbeam_channel::{Receiver, unbounded};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use transfuse_engine::{Disk, EngineError, Event, Graph, Memory, Roots, Source, View, Watch};

/// A directory that is watched.
struct Watched {
    watch: Watch,
    events: Receiver<Event>,
    dir: PathBuf,
    _temporary: tempfile::TempDir,
}

fn watched() -> Watched {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().canonicalize().unwrap();
    let (sender, events) = unbounded();
    let watch = Watch::native(std::slice::from_ref(&dir), sender).unwrap();
    wait_for(&events, &Event::Rescan);
    Watched { watch, events, dir, _temporary: temporary }
}

/// Waits until `expected` is told, and says what was told before it.
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
fn a_file_that_is_written_and_closed_is_told() {
    let watched = watched();
    fs::write(watched.path("a.py"), "a = 1").unwrap();
    watched.wait_for(Event::Closed(watched.path("a.py")));
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_still_open_is_told_apart() {
    let watched = watched();
    let mut file = fs::File::create(watched.path("a.py")).unwrap();
    file.write_all(b"a =").unwrap();
    file.flush().unwrap();
    let before = watched.wait_for(Event::Modified(watched.path("a.py")));
    assert_eq!(vec![Event::Created(watched.path("a.py"))], before);
    drop(file);
    watched.wait_for(Event::Closed(watched.path("a.py")));
}

#[test]
fn a_file_that_is_renamed_into_place_is_told_as_whole() {
    let watched = watched();
    fs::write(watched.path("draft"), "a = 1").unwrap();
    fs::rename(watched.path("draft"), watched.path("a.py")).unwrap();
    let before = watched.wait_for(Event::Moved(watched.path("a.py")));
    assert!(before.contains(&Event::Gone(watched.path("draft"))), "{before:?}");
    fs::write(watched.path("marker"), "").unwrap();
    let after = watched.wait_for(Event::Closed(watched.path("marker")));
    assert!(!after.contains(&Event::Gone(watched.path("draft"))), "told twice: {after:?}");
}

#[test]
fn a_file_that_is_removed_is_told() {
    let watched = watched();
    fs::write(watched.path("a.py"), "").unwrap();
    fs::remove_file(watched.path("a.py")).unwrap();
    watched.wait_for(Event::Gone(watched.path("a.py")));
}

#[test]
fn what_nobody_imports_is_not_told() {
    let watched = watched();
    fs::create_dir(watched.path("__pycache__")).unwrap();
    for name in [".hidden.py", "a.py~", ".a.py.swp", "a.tmp", "a.pyc"] {
        fs::write(watched.path(name), "x").unwrap();
    }
    fs::write(watched.path("last.csv"), "x").unwrap();
    let before = watched.wait_for(Event::Closed(watched.path("last.csv")));
    let last = watched.path("last.csv");
    assert!(before.iter().all(|event| event.path() == Some(&last)), "{before:?}");
}

#[test]
fn a_new_directory_is_watched_when_it_is_added() {
    let watched = watched();
    let pack = watched.path("pack");
    fs::create_dir(&pack).unwrap();
    watched.wait_for(Event::Dir(pack.clone()));
    fs::write(pack.join("early.py"), "").unwrap();
    watched.watch.add(&pack).unwrap();
    // What is in it already was seen by nobody: look again.
    watched.wait_for(Event::Dir(pack.clone()));
    watched.watch.add(&pack).unwrap();
    fs::write(pack.join("late.py"), "").unwrap();
    let before = watched.wait_for(Event::Closed(pack.join("late.py")));
    assert!(!before.contains(&Event::Dir(pack)), "added twice, told twice: {before:?}");
}

#[test]
fn a_directory_that_goes_and_comes_is_watched_again() {
    let watched = watched();
    let pack = watched.path("pack");
    for round in 0..5 {
        fs::create_dir(&pack).unwrap();
        watched.wait_for(Event::Dir(pack.clone()));
        watched.watch.add(&pack).unwrap();
        watched.wait_for(Event::Dir(pack.clone()));
        let file = pack.join(format!("m{round}.py"));
        fs::write(&file, "").unwrap();
        watched.wait_for(Event::Closed(file));
        fs::remove_dir_all(&pack).unwrap();
        watched.wait_for(Event::Dir(pack.clone()));
        // Let the watch go for good: the marker is told after all that came with the removal.
        fs::write(watched.path("marker"), round.to_string()).unwrap();
        watched.wait_for(Event::Closed(watched.path("marker")));
    }
}

#[test]
fn a_directory_that_is_renamed_is_told_by_both_names() {
    let watched = watched();
    let (old, new) = (watched.path("old"), watched.path("new"));
    fs::create_dir(&old).unwrap();
    watched.wait_for(Event::Dir(old.clone()));
    watched.watch.add(&old).unwrap();
    watched.wait_for(Event::Dir(old.clone()));
    fs::rename(&old, &new).unwrap();
    let mut told = watched.wait_for(Event::Dir(new.clone()));
    told.push(Event::Dir(new.clone()));
    assert!(told.contains(&Event::Dir(old)), "{told:?}");
    watched.watch.add(&new).unwrap();
    fs::write(new.join("m.py"), "").unwrap();
    watched.wait_for(Event::Closed(new.join("m.py")));
}

#[cfg(unix)]
#[test]
fn a_directory_with_two_names_is_told_by_both() {
    let watched = watched();
    let (real, link) = (watched.path("real"), watched.path("link"));
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    watched.wait_for(Event::Dir(link.clone()));
    watched.watch.add(&real).unwrap();
    watched.watch.add(&link).unwrap();
    fs::write(real.join("m.py"), "").unwrap();
    let before = watched.wait_for(Event::Closed(real.join("m.py")));
    if !before.contains(&Event::Closed(link.join("m.py"))) {
        watched.wait_for(Event::Closed(link.join("m.py")));
    }
}

#[test]
fn a_directory_that_is_gone_is_no_error() {
    let watched = watched();
    watched.watch.add(&watched.path("never")).unwrap();
    let (sender, _events) = unbounded();
    assert!(Watch::native(&[PathBuf::from("/nowhere/at/all")], sender).is_ok());
    Watch::none().add(Path::new("/nowhere")).unwrap();
}

#[test]
fn a_watch_that_is_dropped_is_silent() {
    let Watched { watch, events, dir, _temporary } = watched();
    drop(watch);
    // The channel closes when the watcher's thread lets go of it: no event can come after that.
    fs::write(dir.join("a.py"), "").unwrap();
    let cap = Instant::now() + Duration::from_secs(10);
    while events.recv_deadline(cap).is_ok() {}
    assert!(Instant::now() < cap, "the watcher is still there");
}

#[test]
fn polling_tells_what_stats_tell() {
    let memory = Arc::new(Memory::new());
    memory.write("/app/a.py", "a = 1");
    memory.write("/app/b.py", "");
    let roots = Roots::new(&*memory, &[PathBuf::from("/app")], &[]).unwrap();
    let (sender, events) = unbounded();
    let watch = Watch::polling(memory.clone(), roots, Duration::from_millis(1), sender);
    wait_for(&events, &Event::Rescan);
    memory.write("/app/a.py", "a = 2");
    wait_for(&events, &Event::Modified("/app/a.py".into()));
    memory.remove("/app/b.py");
    wait_for(&events, &Event::Gone("/app/b.py".into()));
    memory.write("/app/pack/m.py", "");
    let before = wait_for(&events, &Event::Modified("/app/pack/m.py".into()));
    assert_eq!(vec![Event::Dir("/app/pack".into())], before);
    memory.write("/app/.git/index", "");
    memory.remove("/app/pack");
    let before = wait_for(&events, &Event::Gone("/app/pack/m.py".into()));
    assert_eq!(vec![Event::Dir("/app/pack".into())], before);
    drop(watch);
    assert!(events.recv().is_err(), "the thread has stopped");
}

#[test]
fn polling_works_on_the_disk_too() {
    let temporary = tempfile::tempdir().unwrap();
    let roots = Roots::new(&Disk, &[temporary.path().to_owned()], &[]).unwrap();
    let path = roots.dirs()[0].join("a.py");
    let (sender, events) = unbounded();
    let _watch = Watch::polling(Arc::new(Disk), roots, Duration::from_millis(1), sender);
    wait_for(&events, &Event::Rescan);
    fs::write(&path, "a = 1").unwrap();
    wait_for(&events, &Event::Modified(path));
}

#[test]
fn a_log_that_is_written_all_the_time_concerns_nobody() {
    let mut graph = Graph::new();
    let prices = transfuse_engine::ModuleName::new("prices").unwrap();
    graph.add(&prices, transfuse_engine::Edge::data("/app/rates.csv"));
    let view = View::new().with("/app/tax.json", Source::bare("{}"));
    let view = view.with("/app/shop/__init__.py", Source::bare(""));
    let concerns = |path: &str| Event::Closed(path.into()).concerns(&view, &graph);
    assert!(concerns("/app/new.py") && concerns("/app/rates.csv") && concerns("/app/tax.json"));
    assert!(concerns("/app/shop"), "a link to a package, or what took its place");
    assert!(!concerns("/app/server.log"));
    assert!(Event::Rescan.concerns(&view, &graph));
    assert!(Event::Dir("/app/pack".into()).concerns(&view, &graph));
}

#[test]
fn errors_say_what_to_do() {
    let error = EngineError::WatchLimit { path: "/app".into() };
    assert!(error.to_string().contains("fs.inotify.max_user_watches"), "{error}");
}

#[cfg(unix)]
#[test]
fn what_happens_at_a_place_that_is_minded_is_told_whatever_its_name() {
    let watched = watched();
    let data = watched.path("..data");
    fs::create_dir(watched.path("..1")).unwrap();
    fs::create_dir(watched.path("..2")).unwrap();
    std::os::unix::fs::symlink("..1", &data).unwrap();
    watched.watch.mind(&data).unwrap();
    std::os::unix::fs::symlink("..2", watched.path("..new")).unwrap();
    fs::rename(watched.path("..new"), &data).unwrap();
    let before = watched.wait_for(Event::Dir(data));
    assert!(before.is_empty(), "{before:?}");
}

#[test]
fn polling_tells_twice_of_an_edit_that_a_coarse_clock_may_hide() {
    let memory = Arc::new(Memory::new());
    memory.write("/app/a.py", "a = 1");
    let roots = Roots::new(&*memory, &[PathBuf::from("/app")], &[]).unwrap();
    let (sender, events) = unbounded();
    let _watch = Watch::polling(memory.clone(), roots, Duration::from_millis(20), sender);
    wait_for(&events, &Event::Rescan);
    memory.write("/app/a.py", "a = 2");
    wait_for(&events, &Event::Modified("/app/a.py".into()));
    let before = wait_for(&events, &Event::Touched("/app/a.py".into()));
    assert!(before.iter().all(|event| *event == Event::Rescan), "{before:?}");
}
