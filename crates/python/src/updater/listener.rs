//! Which files differ from the served content, and are they still being written?
//!
//! The part of the updating thread that never needs the GIL: it takes events and commands, waits
//! until the files are quiet, and compares content. Under load each return to the GIL costs
//! milliseconds, so all waits are in here. It hands a [`PendingChange`] to `driver` and `outcome`,
//! which decide what to do about it.

use std::{
    collections::BTreeSet, io, path::Path, path::PathBuf, sync::atomic::Ordering, time::Duration,
    time::Instant,
};

use crossbeam_channel::{Receiver, never, select};
use transfuse_engine::{
    Debouncer, Digest, DirtyPaths, Event, FileSystem, Readiness, Refreshed, SymlinkChains,
    SyncMarker, Window, fork_gate, is_source, is_tree_locked, refresh,
};

use crate::state::{command::Command, runtime::Runtime, unreadable};
use crate::updater::watcher::FileWatcher;

/// How long an explicit update waits until the system has reported all events.
const SYNC_LIMIT: Duration = Duration::from_secs(2);
/// How often it is asked whether a hold has ended.
const HOLD_PAUSE: Duration = Duration::from_millis(50);
/// By how much other programs come late on a loaded machine.
const LOADED: Duration = Duration::from_millis(4);

/// Why the updating thread wakes up.
pub enum Wakeup {
    /// Another thread sent a command.
    Command(Command),
    /// Files have changed, and it is quiet.
    Changed,
}

/// Waits for events and commands, and compares files. Belongs to the updating thread alone.
pub struct ChangeListener {
    pub(super) runtime: &'static Runtime,
    pub(super) commands: Receiver<Command>,
    pub(super) events: Receiver<Event>,
    pub(super) watcher: FileWatcher,
    /// The symbolic links on the paths to roots, to project files and to files that are links.
    pub(super) chains: SymlinkChains,
    /// `/srv/current`, `/srv/releases/42`: the places on the paths to the roots.
    pub(super) root_places: BTreeSet<PathBuf>,
    /// `/srv/.git/info/exclude`: files outside of the roots that say what git ignores in them.
    pub(super) ignore_files: BTreeSet<PathBuf>,
    /// Whether a place on the path to a root changed (a deploy flips a link, or renames a folder), so
    /// that all folders have to be watched anew. The next comparison does that.
    pub(super) roots_moved: bool,
    pub(super) debouncer: Debouncer,
    pub(super) started: Instant,
    /// Paths that may differ from the served content: added by events, kept while they differ (updates
    /// are off, or refused), removed once they are served.
    pub(super) pending: BTreeSet<PathBuf>,
    /// The content of each of the runtime's `project` files at the last comparison; empty before.
    pub(super) project_digests: Vec<Option<Digest>>,
    /// Whether one of them has changed since Python last read it. Kept over all comparisons, because
    /// not each of them leads to an update.
    pub(super) project_files_changed: bool,
    /// Whether a place on the path to a root was switched since an update last ended.
    pub(super) is_release: bool,
    /// Whether events were lost since the last comparison.
    pub(super) rescan: bool,
    /// Whether changes wait for the end of a hold.
    pub(super) held_back: bool,
    /// Whether the machine was loaded at the first of the events that are collected.
    was_loaded: bool,
    /// Since when an update waits for the end of a save. Kept over all its attempts, because a module
    /// that writes a file of its own while it is staged would interrupt each of them.
    pub(super) waiting_since: Option<Instant>,
}

impl ChangeListener {
    /// Starts to watch `dirs`, the folders that the scan saw.
    pub fn new(runtime: &'static Runtime, commands: Receiver<Command>, dirs: &[PathBuf]) -> Self {
        let (watcher, events) = FileWatcher::start(runtime, dirs);
        let mut listener = ChangeListener {
            runtime,
            commands,
            events,
            watcher,
            chains: SymlinkChains::default(),
            root_places: BTreeSet::new(),
            ignore_files: BTreeSet::new(),
            roots_moved: false,
            debouncer: Debouncer::default(),
            started: Instant::now(),
            pending: BTreeSet::new(),
            project_digests: Vec::new(),
            project_files_changed: false,
            is_release: false,
            rescan: false,
            held_back: false,
            was_loaded: false,
            waiting_since: None,
        };
        listener.watch_places();
        listener.follow_known();
        listener.debouncer = Debouncer::new(listener.window());
        listener.watcher.take_fallback();
        listener
    }

    /// How long it has to be quiet, which depends on the watcher.
    fn window(&self) -> Window {
        let mut window = Window::default();
        if self.watcher.is_native() && cfg!(target_os = "linux") {
            // The system reports when a writer closes a file, so no half-written file is read.
            window.open = Duration::from_secs(2);
            window.cap = Duration::from_secs(3);
        }
        window
    }

    /// Watches the places that decide where the roots are and which files in them are live.
    fn watch_places(&mut self) {
        self.chains = SymlinkChains::default();
        self.root_places.clear();
        let system = &*self.runtime.system;
        for root in self.runtime.roots.dirs() {
            self.root_places.extend(self.chains.follow(system, root).iter().cloned());
        }
        self.ignore_files = self.runtime.roots.ignore_files_outside(system).into_iter().collect();
        let mut places: BTreeSet<PathBuf> =
            self.root_places.union(&self.ignore_files).cloned().collect();
        for file in &self.runtime.project {
            places.extend(self.chains.follow(system, file).iter().cloned());
        }
        for place in &places {
            self.watcher.watch_symlink(place);
        }
    }

    /// Waits for a command, or until changed files are quiet.
    pub fn next(&mut self) -> Wakeup {
        loop {
            // Before a change: a rollback starts from the generation that is served now.
            if let Ok(command) = self.commands.try_recv() {
                return Wakeup::Command(command);
            }
            let now = self.now();
            let (system, roots) = (&*self.runtime.system, &self.runtime.roots);
            let is_locked = |dirty: &mut dyn Iterator<Item = &Path>| {
                is_tree_locked(system, dirty.chain(roots.dirs().iter().map(PathBuf::as_path)))
            };
            let wait = match self.debouncer.poll_unless(now, is_locked) {
                Readiness::Idle if self.held_back => crossbeam_channel::after(HOLD_PAUSE),
                Readiness::Idle => never(),
                Readiness::Wait(until) => {
                    crossbeam_channel::after(until.saturating_sub(self.now()))
                }
                Readiness::Ready(batch) => {
                    let _critical = fork_gate::enter_critical();
                    self.add_pending(batch);
                    if !self.runtime.settings().watch {
                        continue;
                    }
                    self.held_back = self.is_held();
                    if self.held_back {
                        continue;
                    }
                    return Wakeup::Changed;
                }
            };
            select! {
                recv(self.commands) -> command => {
                    return Wakeup::Command(command.unwrap_or(Command::Stop));
                }
                recv(self.events) -> event => if let Ok(event) = event {
                    self.receive(&event);
                },
                recv(wait) -> _ => self.look_at_the_load(),
            }
            if self.held_back && !self.is_held() {
                self.look_again();
            }
        }
    }

    /// Extends the quiet window if the machine has been loaded from the first event on. One look
    /// alone would take a burst of requests for it.
    fn look_at_the_load(&mut self) {
        if std::mem::take(&mut self.was_loaded) && self.is_machine_loaded() {
            self.debouncer.expect_lateness(LOADED);
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn receive(&mut self, event: &Event) {
        let _critical = fork_gate::enter_critical();
        if event.path().is_some_and(|path| self.watcher.is_own(path)) {
            return;
        }
        let now = self.now();
        if self.debouncer.is_idle() {
            self.was_loaded = self.is_machine_loaded();
        }
        self.debouncer.activity(now);
        if *event == Event::Lost {
            self.runtime.lost_events.fetch_add(1, Ordering::Relaxed);
        }
        let Some(path) = event.path() else { return self.debouncer.event(now, event) };
        if self.root_places.iter().any(|place| place.starts_with(path)) {
            self.roots_moved = true;
            return self.debouncer.event(now, &Event::Rescan);
        }
        if self.runtime.roots.is_ignore_file(path) || self.ignore_files.contains(path) {
            // Other folders may be live now.
            return self.debouncer.event(now, &Event::Rescan);
        }
        let aliases = self.chains.paths_through(path).into_iter().map(|path| event.with_path(path));
        let all: Vec<Event> = aliases.chain([event.clone()]).collect();
        let (view, graph) = (self.runtime.view(), self.runtime.records.lock().graph.clone());
        for event in all {
            let Some(path) = event.path() else { continue };
            let live =
                self.runtime.roots.root_of(path).is_some() || self.is_followed(&event, &graph);
            if self.runtime.project.iter().any(|file| file == path)
                || live && event.concerns(&view, &graph)
            {
                self.debouncer.event(now, &event);
            }
        }
    }

    fn add_pending(&mut self, batch: DirtyPaths) {
        match batch {
            DirtyPaths::Listed(paths) => self.pending.extend(paths),
            DirtyPaths::Rescan => self.rescan = true,
        }
    }

    /// Receives the events of everything that was written before now, and skips the quiet window.
    pub fn catch_up(&mut self) {
        self.rescan |= !self.receive_all();
        // The system reports no event if a directory far above a root, or above a link's target, is
        // renamed. Polling compares everything anyway.
        self.roots_moved |=
            self.watcher.is_native() && self.chains.changed(&*self.runtime.system).next().is_some();
        if let Some(batch) = self.debouncer.take() {
            self.add_pending(batch);
        }
    }

    /// Receives the events of everything that was written before now; false if some may be missing.
    pub(super) fn receive_all(&mut self) -> bool {
        let Some(mark) = self.watcher.mark() else {
            while let Ok(event) = self.events.try_recv() {
                self.receive(&event);
            }
            return false;
        };
        let deadline = Instant::now() + SYNC_LIMIT;
        let complete = loop {
            match self.events.recv_deadline(deadline) {
                Ok(event) if event.path() == Some(&mark) => break true,
                Ok(event) => {
                    self.receive(&event);
                    if event == Event::Lost {
                        break false; // perhaps the mark's, too
                    }
                }
                Err(_) => break false,
            }
        };
        SyncMarker::clear(&mark);
        complete
    }

    /// Compares these files, too, whenever that is done next.
    pub fn add_paths(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        self.pending.extend(paths);
    }

    /// Watches the new folders and links of a comparison.
    pub(super) fn watch_found(&mut self, found: &Refreshed) {
        for dir in &found.new_dirs {
            self.watcher.add(dir);
        }
        for link in &found.links {
            for place in self.chains.follow(&*self.runtime.system, link) {
                self.watcher.watch_symlink(place);
            }
        }
    }

    /// Has the watcher fallen back to polling? Then everything has to be compared, because some events
    /// were not reported.
    pub(super) fn take_fallback(&mut self) -> bool {
        let fell_back = self.watcher.take_fallback();
        if fell_back {
            self.debouncer = Debouncer::new(self.window());
            self.follow_known();
            self.rescan = true;
        }
        fell_back
    }

    /// Those of the unreadable files that modules came from. `status` shows the others.
    pub(super) fn needed(
        &self,
        unreadable: Vec<(PathBuf, io::Error)>,
    ) -> Vec<(PathBuf, io::Error)> {
        let (view, graph) = (self.runtime.view(), self.runtime.records.lock().graph.clone());
        let needs = |path: &Path| unreadable::is_needed(&view, &graph, path);
        let (needed, others) = unreadable.into_iter().partition(|(path, _)| needs(path));
        self.runtime.unreadable.lock().are(others);
        needed
    }

    /// Drops changes of data files that no module depends on any more, and that no code reads.
    pub(super) fn drop_unread_data_files(&self, found: &mut Refreshed) {
        let _critical = fork_gate::enter_critical();
        let Refreshed { snapshot, changes, .. } = found;
        let records = self.runtime.records.lock();
        let read = |path: &Path| {
            records.graph.readers(path).next().is_some()
                || records.extensions.contains_key(path)
                || snapshot.get(path).is_some_and(|source| source.is_served())
        };
        changes.retain(|change| is_source(&change.path) || read(&change.path));
    }

    pub(super) fn compare_project_files(&mut self) {
        let digest = |path| Some(Digest::of(&self.runtime.system.read(path).ok()?));
        let digests = self.runtime.project.iter().map(PathBuf::as_path).map(digest).collect();
        let before = std::mem::replace(&mut self.project_digests, digests);
        self.project_files_changed |= before != self.project_digests;
    }

    pub(super) fn compare(&mut self) -> Refreshed {
        let _critical = fork_gate::enter_critical();
        if std::mem::take(&mut self.roots_moved) && self.watcher.is_native() {
            // The watched folders are no longer the ones that the paths lead to. The comparison adds
            // those below the roots.
            self.watcher.restart(self.runtime.roots.dirs());
            self.watch_places();
            self.follow_known();
            self.rescan = true;
            self.is_release = true;
        }
        let runtime = self.runtime;
        self.pending.extend(runtime.set_aside.lock().paths());
        let batch =
            if self.rescan { DirtyPaths::Rescan } else { DirtyPaths::Listed(self.pending.clone()) };
        let view = runtime.view();
        let mut found = refresh(&*runtime.system, &runtime.roots, &runtime.budget, &view, &batch);
        runtime.set_aside.lock().withhold(&mut found, &view);
        self.rescan &= !found.unstable.is_empty();
        found
    }
}
