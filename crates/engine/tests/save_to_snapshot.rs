//! From a save to a new snapshot, on real files: scan, watcher, debouncer and refresh together, as
//! in the binding.

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use transfuse_engine::{
    Budget, ChangeKind, Debouncer, Event, FileChange, OsFileSystem, Readiness, Refreshed, Roots,
    SourceSnapshot, Watcher, Window, refresh, scan,
};

/// A project on disk with its watcher and snapshot.
struct Project {
    dir: PathBuf,
    roots: Roots,
    budget: Budget,
    snapshot: SourceSnapshot,
    watcher: Watcher,
    events: Receiver<Event>,
    debouncer: Debouncer,
    start: Instant,
    _temporary: tempfile::TempDir,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Project {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().canonicalize().unwrap();
        for (name, content) in files {
            write(&dir.join(name), content);
        }
        let roots = Roots::new(&OsFileSystem, std::slice::from_ref(&dir), &[]).unwrap();
        let budget = Budget::new(usize::MAX);
        let found = scan(&OsFileSystem, &roots, &budget);
        let (sender, events) = unbounded();
        let watcher = Watcher::native(&found.dirs, sender).unwrap();
        let (debouncer, start) = (Debouncer::new(Window::default()), Instant::now());
        let snapshot = found.snapshot;
        let _temporary = temporary;
        let mut project =
            Project { dir, roots, budget, snapshot, watcher, events, debouncer, start, _temporary };
        assert!(project.next().changes.is_empty(), "what the watcher begins with is no change");
        project
    }

    /// Waits for the next quiet moment and takes over the differences.
    fn next(&mut self) -> Refreshed {
        let cap = self.start.elapsed() + Duration::from_secs(10);
        loop {
            let now = self.start.elapsed();
            assert!(now < cap, "nothing came: {:?}", self.debouncer);
            let until = match self.debouncer.poll(now) {
                Readiness::Ready(batch) => {
                    let found =
                        refresh(&OsFileSystem, &self.roots, &self.budget, &self.snapshot, &batch);
                    for dir in &found.new_dirs {
                        self.watcher.add(dir).unwrap();
                    }
                    self.debouncer.retry(self.start.elapsed(), found.unstable.iter().cloned());
                    self.snapshot = found.snapshot.clone();
                    return found;
                }
                Readiness::Wait(until) => until,
                Readiness::Idle => cap,
            };
            match self.events.recv_timeout(until.saturating_sub(now)) {
                Ok(event) => self.debouncer.event(self.start.elapsed(), &event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("the watcher is gone"),
            }
        }
    }

    /// Waits until the snapshot equals that of a fresh scan.
    fn until_whole(&mut self) -> usize {
        for batch in 0..1000 {
            let fresh = scan(&OsFileSystem, &self.roots, &self.budget).snapshot;
            if self.snapshot.changes(&fresh).is_empty() {
                return batch;
            }
            self.next();
        }
        panic!("the snapshot does not become what the disk is");
    }
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn a_save_is_one_change() {
    let mut project = Project::new(&[("shop/conf.py", "a = 1")]);
    let path = project.dir.join("shop/conf.py");
    write(&path, "a = 2");
    let found = project.next();
    assert_eq!(vec![FileChange { path, kind: ChangeKind::Changed }], found.changes);
}

#[test]
fn a_save_that_changes_nothing_is_no_change() {
    let mut project = Project::new(&[("conf.py", "a = 1")]);
    write(&project.dir.join("conf.py"), "a = 1");
    assert!(project.next().changes.is_empty());
}

#[test]
fn a_checkout_of_500_files_comes_whole() {
    let names: Vec<String> = (0..500).map(|at| format!("p{}/m{at}.py", at % 20)).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), "old")).collect();
    let mut project = Project::new(&files);
    for name in &names {
        write(&project.dir.join(name), "new");
    }
    // All at once, unless the machine stalled while they were written; `debounce` is tested on a
    // clock.
    let mut changed = 0;
    while changed < 500 {
        changed += project.next().changes.len();
    }
    assert_eq!((500, 0), (changed, project.until_whole()));
}

#[test]
fn a_tree_that_is_unpacked_while_it_is_watched_is_found_whole() {
    let mut project = Project::new(&[]);
    let dir = project.dir.clone();
    let unpack = std::thread::spawn(move || {
        for at in 0..300 {
            let name = format!("a{}/b{}/c{}/m{at}.py", at % 3, at % 7, at % 11);
            write(&dir.join(name), &at.to_string());
        }
        fs::rename(dir.join("a0"), dir.join("z0")).unwrap();
        fs::remove_dir_all(dir.join("a1")).unwrap();
        write(&dir.join("a1/b/again.py"), "");
    });
    unpack.join().unwrap();
    project.until_whole();
    assert_eq!(201, project.snapshot.iter().count());
}

#[test]
fn a_tree_that_goes_on_changing_is_followed_to_its_end() {
    let mut project = Project::new(&[("a/x.py", "0")]);
    let dir = project.dir.clone();
    let edits = std::thread::spawn(move || {
        for round in 0..40 {
            fs::remove_dir_all(dir.join("a")).unwrap();
            write(&dir.join("a/x.py"), &round.to_string());
            write(&dir.join(format!("a/n{round}/y.py")), "");
        }
        write(&dir.join("last.py"), "");
    });
    while project.snapshot.get(&project.dir.join("last.py")).is_none() {
        project.next();
    }
    edits.join().unwrap();
    project.until_whole();
    assert_eq!(
        b"39".to_vec(),
        project.snapshot.get(&project.dir.join("a/x.py")).unwrap().text().unwrap()
    );
}
