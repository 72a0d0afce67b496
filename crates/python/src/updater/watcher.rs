//! Who tells us of changes, and what if the system does not tell of all of them?
//!
//! The system's own notifications, with a barrier that says whether all have been
//! delivered. Where they cannot be had for each folder (there is a limit), files
//! are looked at at an interval instead: half a watch is worse than none, because
//! an update that somebody asks for would say that nothing has changed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use transfuse_engine::{Event, FileSystem, Watcher};

use crate::cpython::log;
use crate::state::runtime::Runtime;
use crate::state::watch_status::WatchStatus;
use crate::updater::sync_marker::SyncMarker;

/// How often is looked where the system does not tell.
const INTERVAL: Duration = Duration::from_secs(1);

/// The watcher in force. Belongs to the updating thread alone.
pub struct FileWatcher {
    runtime: &'static Runtime,
    /// Kept for a watcher that is started anew.
    sender: Sender<Event>,
    watch: Watcher,
    /// None where the system does not tell: then every comparison is a full one.
    barrier: Option<SyncMarker>,
    /// Whether the system was given up since this was last asked.
    took_fallback: bool,
}

impl FileWatcher {
    /// Starts to watch `dirs`, or all that there is.
    pub fn start(runtime: &'static Runtime, dirs: &[PathBuf]) -> (FileWatcher, Receiver<Event>) {
        let (sender, events) = crossbeam_channel::unbounded();
        let (watch, barrier) = (Watcher::none(), None);
        let mut watching = FileWatcher { runtime, sender, watch, barrier, took_fallback: false };
        if runtime.settings().poll.is_some() {
            watching.poll(String::new());
        } else {
            watching.anew(dirs);
        }
        (watching, events)
    }

    /// Watches these folders, and no others any more.
    pub fn anew(&mut self, dirs: &[PathBuf]) {
        // First, for its watches count towards the limit.
        self.watch = Watcher::none();
        match self.native(dirs) {
            Ok(()) => self.tell("native", String::new()),
            Err(why) => self.fall_back(&why),
        }
    }

    fn native(&mut self, dirs: &[PathBuf]) -> Result<(), String> {
        let barrier = match self.barrier.take() {
            Some(barrier) => barrier,
            None => SyncMarker::new().map_err(|error| {
                format!("no folder can be made in {}: {error}", std::env::temp_dir().display())
            })?,
        };
        let mut all = dirs.to_vec();
        all.push(barrier.dir.clone());
        self.watch =
            Watcher::native(&all, self.sender.clone()).map_err(|error| error.to_string())?;
        self.barrier = Some(barrier);
        Ok(())
    }

    /// Watches a folder too.
    pub fn add(&mut self, dir: &Path) {
        if let Err(error) = self.watch.add(dir) {
            self.fall_back(&error.to_string());
        }
    }

    /// Has everything told that happens at a place on the way to a file.
    pub fn watch_symlink(&mut self, place: &Path) {
        let Err(error) = self.watch.watch_place(place) else { return };
        let system = &*self.runtime.system;
        // A folder that may be passed through and not looked into is no reason to do without the
        // system: what would be missed there is that it is renamed. A link can be flipped any day.
        let closed = place.parent().is_some_and(|dir| {
            system.read_dir(dir).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
        });
        if closed && !matches!(system.read_link(place), Ok(Some(_))) {
            return;
        }
        self.fall_back(&error.to_string());
    }

    /// A file whose event says that all earlier ones were told; none if there is no telling.
    pub fn mark(&mut self) -> Option<PathBuf> {
        let mark = self.barrier.as_mut()?.mark();
        if mark.is_some() {
            return mark;
        }
        // Somebody has cleaned up, and with the folder went its watch.
        let mut barrier = SyncMarker::new().ok()?;
        self.add(&barrier.dir.clone());
        let mark = barrier.mark();
        // Unless there was no room for its watch.
        self.barrier.as_mut().map(|old| *old = barrier)?;
        mark
    }

    /// Whether the system tells.
    pub fn is_native(&self) -> bool {
        self.barrier.is_some()
    }

    /// Whether a path is none of the application's.
    pub fn is_own(&self, path: &Path) -> bool {
        self.barrier.as_ref().is_some_and(|barrier| barrier.has(path))
    }

    /// Whether the system was given up since this was last asked: nothing that was told, or not, counts.
    pub fn took_fallback(&mut self) -> bool {
        std::mem::take(&mut self.took_fallback)
    }

    /// The system does not tell of all: from now on, somebody looks.
    fn fall_back(&mut self, why: &str) {
        self.took_fallback = true;
        self.poll(why.to_owned());
        log::warn(&format!(
            "the system does not tell of all changes, so files are looked at every {} s instead: {why}",
            self.interval().as_secs_f64()
        ));
    }

    fn poll(&mut self, because: String) {
        self.barrier = None;
        let system: Arc<dyn FileSystem> = self.runtime.system.clone();
        let roots = self.runtime.roots.clone();
        self.watch = Watcher::none();
        self.watch = Watcher::polling(system, roots, self.interval(), self.sender.clone());
        self.tell("polling", because);
    }

    fn interval(&self) -> Duration {
        self.runtime.settings().poll.unwrap_or(INTERVAL)
    }

    fn tell(&self, way: &'static str, because: String) {
        *self.runtime.watching.lock() = WatchStatus { way, because };
    }
}
