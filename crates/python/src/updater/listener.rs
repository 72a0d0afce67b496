//! What has changed on disk, and has everybody finished saving it?
//!
//! The part of the updating thread that never needs the GIL: it hears events and
//! commands, lets the runtime settle, and compares content. Under load each return
//! to the GIL costs milliseconds, so all waiting is done in here.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, never, select};
use transfuse_engine::{
    Debouncer, Digest, DirtyPaths, Event, FileChange, FileSystem, Readiness, Refreshed,
    SourceSnapshot, SymlinkChains, Window, fork_gate, is_source, refresh,
};

use crate::state::command::Command;
use crate::state::runtime::Runtime;
use crate::state::unreadable;
use crate::updater::watcher::FileWatcher;

/// How long an explicit update waits for the system to have told everything.
const BARRIER: Duration = Duration::from_secs(2);
/// How long an update waits for a save that goes on and on.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often an explicit update looks again at a file that is being written, and how long between.
const LOOKS: usize = 50;
const BETWEEN: Duration = Duration::from_millis(10);

/// What there is to do.
pub enum Wakeup {
    /// Somebody asks for something.
    Command(Command),
    /// Files have changed, and it is quiet.
    Changed,
}

/// What differs from what is served.
#[derive(Default)]
pub struct CollectedChanges {
    /// All sources as they are now.
    pub view: SourceSnapshot,
    /// The files that differ.
    pub changes: Vec<FileChange>,
    /// Files that are there and cannot be read, though modules came from there.
    pub unreadable: Vec<(PathBuf, io::Error)>,
    /// Whether a file beside the code, which settings are read from, is another than when they were
    /// last considered.
    pub project: bool,
}

/// Hears and looks. Belongs to the updating thread alone.
pub struct ChangeListener {
    runtime: &'static Runtime,
    commands: Receiver<Command>,
    events: Receiver<Event>,
    watching: FileWatcher,
    /// Where links lead, and what else decides which folder a root is.
    ways: SymlinkChains,
    /// `/srv/current`, `/srv/releases/42`: the places on the ways to the roots.
    gates: BTreeSet<PathBuf>,
    /// `/srv/.git/info/exclude`: files outside of the roots that say what git ignores in them.
    rules: BTreeSet<PathBuf>,
    /// One of the gates is another now (a deploy flips a link, or renames a folder): all folders have to be
    /// watched anew.
    flipped: bool,
    settle: Debouncer,
    started: Instant,
    /// Paths that differ from what is served, or may: noted by events, kept while they differ
    /// (updates are off, or refused), gone once they are served.
    pending: BTreeSet<PathBuf>,
    /// What each of the engine's `project` files said at the last look; empty before the first.
    project: Vec<Option<Digest>>,
    /// Whether one of them is another since they were last considered. Kept over all looks: not each
    /// of them leads to that.
    beside: bool,
    /// Events were lost since the last comparison.
    rescan: bool,
    /// Since when an update waits for somebody to finish saving. Kept over all its attempts: a module
    /// that writes, while it is staged, what it reads would interrupt each of them.
    interrupted: Option<Instant>,
}

impl ChangeListener {
    /// Starts to watch. `dirs` are the folders that the scan saw.
    pub fn new(runtime: &'static Runtime, commands: Receiver<Command>, dirs: &[PathBuf]) -> Self {
        let (watching, events) = FileWatcher::start(runtime, dirs);
        let mut listener = ChangeListener {
            runtime,
            commands,
            events,
            watching,
            ways: SymlinkChains::default(),
            gates: BTreeSet::new(),
            rules: BTreeSet::new(),
            flipped: false,
            settle: Debouncer::default(),
            started: Instant::now(),
            pending: BTreeSet::new(),
            project: Vec::new(),
            beside: false,
            rescan: false,
            interrupted: None,
        };
        listener.guard();
        listener.settle = Debouncer::new(listener.window());
        listener.watching.took_fallback();
        listener
    }

    /// How long it has to be quiet, by what the watcher can tell.
    fn window(&self) -> Window {
        let mut window = Window::default();
        if self.watching.is_native() && cfg!(target_os = "linux") {
            // The system tells when a writer is done, so half a file need not be looked at.
            window.open = Duration::from_secs(2);
            window.cap = Duration::from_secs(3);
        }
        window
    }

    /// Follows the ways to the roots.
    fn guard(&mut self) {
        self.ways = SymlinkChains::default();
        self.gates.clear();
        for root in self.runtime.roots.dirs() {
            let places = self.ways.follow(&*self.runtime.system, root);
            self.gates.extend(places.iter().cloned());
        }
        self.rules =
            self.runtime.roots.ignore_files_outside(&*self.runtime.system).into_iter().collect();
        let mut minded: BTreeSet<PathBuf> = self.gates.union(&self.rules).cloned().collect();
        for file in &self.runtime.project {
            minded.extend(self.ways.follow(&*self.runtime.system, file).iter().cloned());
        }
        for place in &minded {
            self.watching.watch_symlink(place);
        }
    }

    /// Waits for something to do.
    pub fn next(&mut self) -> Wakeup {
        loop {
            let wait = match self.settle.poll(self.now()) {
                Readiness::Idle => never(),
                Readiness::Wait(until) => {
                    crossbeam_channel::after(until.saturating_sub(self.now()))
                }
                Readiness::Ready(batch) => {
                    let _critical = fork_gate::enter_critical();
                    self.note(batch);
                    if self.runtime.settings().watch {
                        return Wakeup::Changed;
                    }
                    continue;
                }
            };
            select! {
                recv(self.commands) -> command => {
                    return Wakeup::Command(command.unwrap_or(Command::Stop));
                }
                recv(self.events) -> event => if let Ok(event) = event {
                    self.hear(&event);
                },
                recv(wait) -> _ => {}
            }
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn hear(&mut self, event: &Event) {
        let _critical = fork_gate::enter_critical();
        if event.path().is_some_and(|path| self.watching.is_own(path)) {
            return;
        }
        let now = self.now();
        if *event == Event::Lost {
            self.runtime.lost_events.fetch_add(1, Ordering::Relaxed);
        }
        let Some(path) = event.path() else { return self.settle.event(now, event) };
        if self.gates.iter().any(|gate| gate.starts_with(path)) {
            self.flipped = true;
            return self.settle.event(now, &Event::Rescan);
        }
        if self.runtime.roots.is_ignore_file(path) || self.rules.contains(path) {
            // Other folders may be live now.
            return self.settle.event(now, &Event::Rescan);
        }
        let behind = self.ways.paths_through(path).into_iter().map(|led| event.with_path(led));
        let all: Vec<Event> = behind.chain([event.clone()]).collect();
        let (view, graph) = (self.runtime.view(), self.runtime.records.lock().graph.clone());
        for event in all {
            let live = event.path().is_some_and(|path| self.runtime.roots.root_of(path).is_some());
            let beside = event
                .path()
                .is_some_and(|path| self.runtime.project.iter().any(|file| file == path));
            if beside || live && event.concerns(&view, &graph) {
                self.settle.event(now, &event);
            }
        }
    }

    fn note(&mut self, batch: DirtyPaths) {
        match batch {
            DirtyPaths::Listed(paths) => self.pending.extend(paths),
            DirtyPaths::Rescan => self.rescan = true,
        }
    }

    /// Waits until all that was written before now is known, and takes it as settled.
    pub fn catch_up(&mut self) {
        self.rescan |= !self.listen();
        // A directory far above a root, or above what a link leads to, tells nobody that it is
        // called otherwise now. Who polls looks at everything anyway.
        let ways = &self.ways;
        self.flipped |=
            self.watching.is_native() && ways.changed(&*self.runtime.system).next().is_some();
        // Asked for now: no quiet window.
        while let Readiness::Ready(batch) = self.settle.poll(Duration::MAX / 2) {
            self.note(batch);
        }
    }

    /// Hears all events of what was written before now; false if there is no telling.
    fn listen(&mut self) -> bool {
        let Some(mark) = self.watching.mark() else {
            while let Ok(event) = self.events.try_recv() {
                self.hear(&event);
            }
            return false;
        };
        let deadline = Instant::now() + BARRIER;
        let heard = loop {
            match self.events.recv_deadline(deadline) {
                Ok(event) if event.path() == Some(&mark) => break true,
                Ok(event) => {
                    self.hear(&event);
                    if event == Event::Lost {
                        break false; // perhaps that of the mark, too
                    }
                }
                Err(_) => break false,
            }
        };
        let _ = std::fs::remove_file(&mark);
        heard
    }

    /// Whether nobody has saved anything since the files were looked at. A save that goes on for too
    /// long is not waited for.
    pub fn is_saved(&mut self) -> bool {
        if self.watching.is_native() {
            self.rescan |= !self.listen();
        }
        // What is ready by now is left for who looks next.
        if self.settle.is_idle() {
            return true;
        }
        let since = *self.interrupted.get_or_insert_with(Instant::now);
        since.elapsed() > PATIENCE
    }

    /// What differs from what is served. None while somebody is writing: it is looked at again later,
    /// or, where somebody waits for the answer, now and again.
    pub fn collect_changes(&mut self, automatic: bool) -> Option<CollectedChanges> {
        for _ in 0..LOOKS {
            let mut found = self.compare();
            self.leave_unread(&mut found.changes);
            self.follow(&found);
            if self.took_fallback() {
                continue;
            }
            if found.unstable.is_empty() {
                // What is the same again needs no second look; what differs stays until it is served.
                self.pending = found.changes.iter().map(|change| change.path.clone()).collect();
                self.pending.extend(found.unreadable.iter().map(|(path, _)| path.clone()));
                let Refreshed { snapshot: view, changes, unreadable, .. } = found;
                let unreadable = self.needed(unreadable);
                self.look_beside();
                return Some(CollectedChanges { view, changes, unreadable, project: self.beside });
            }
            if automatic {
                let now = self.now();
                self.settle.retry(now, found.unstable);
                return None;
            }
            std::thread::park_timeout(BETWEEN);
        }
        None
    }

    /// Watches what was come across.
    fn follow(&mut self, found: &Refreshed) {
        for dir in &found.new_dirs {
            self.watching.add(dir);
        }
        for link in &found.links {
            for place in self.ways.follow(&*self.runtime.system, link) {
                self.watching.watch_symlink(place);
            }
        }
    }

    /// Whether the system has been given up: then all is to be compared, for it did not tell of all.
    fn took_fallback(&mut self) -> bool {
        let took_fallback = self.watching.took_fallback();
        if took_fallback {
            self.settle = Debouncer::new(self.window());
            self.rescan = true;
        }
        took_fallback
    }

    /// Those of the unreadable places that modules came from. The others are noted and let be.
    fn needed(&self, unreadable: Vec<(PathBuf, io::Error)>) -> Vec<(PathBuf, io::Error)> {
        let (view, graph) = (self.runtime.view(), self.runtime.records.lock().graph.clone());
        let needs = |path: &Path| unreadable::is_needed(&view, &graph, path);
        let (needed, others) = unreadable.into_iter().partition(|(path, _)| needs(path));
        self.runtime.unreadable.lock().are(others);
        needed
    }

    /// A data file that no module depends on any more is no reason for an update.
    fn leave_unread(&self, changes: &mut Vec<FileChange>) {
        let _critical = fork_gate::enter_critical();
        let records = self.runtime.records.lock();
        let read = |path: &Path| {
            records.graph.readers(path).next().is_some() || records.extensions.contains_key(path)
        };
        changes.retain(|change| is_source(&change.path) || read(&change.path));
    }

    /// Notes whether one of the project's own files is another.
    fn look_beside(&mut self) {
        let digest = |path| Some(Digest::of(&self.runtime.system.read(path).ok()?));
        let project = self.runtime.project.iter().map(PathBuf::as_path).map(digest).collect();
        let before = std::mem::replace(&mut self.project, project);
        self.beside |= before != self.project;
    }

    /// The project's own files are about to be considered.
    pub fn project_files_reread(&mut self) {
        self.beside = false;
    }

    fn compare(&mut self) -> Refreshed {
        let _critical = fork_gate::enter_critical();
        if std::mem::take(&mut self.flipped) && self.watching.is_native() {
            // The folders that were watched are not those that the paths mean now. What is below
            // the roots is added as it is looked into.
            self.watching.anew(self.runtime.roots.dirs());
            self.guard();
            self.rescan = true;
        }
        let runtime = self.runtime;
        let batch =
            if self.rescan { DirtyPaths::Rescan } else { DirtyPaths::Listed(self.pending.clone()) };
        let found =
            refresh(&*runtime.system, &runtime.roots, &runtime.budget, &runtime.view(), &batch);
        self.rescan &= !found.unstable.is_empty();
        found
    }

    /// An update has come to an end: the next one is as patient as this was.
    pub fn concluded(&mut self) {
        self.interrupted = None;
    }

    /// All that differed is served, but for these. What nobody could read may be read one day.
    pub fn served(&mut self, but: BTreeSet<PathBuf>) {
        self.pending = but;
        let unreadable = self.runtime.unreadable.lock().all();
        self.pending.extend(unreadable.into_iter().map(|(path, _)| path));
    }

    /// These are to be looked at again, whenever that is done next.
    pub fn look_again_at(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        self.pending.extend(paths);
    }
}
