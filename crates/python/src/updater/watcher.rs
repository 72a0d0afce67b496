//! How do events of changed files reach the updating thread?
//!
//! By the system's notifications, with a marker that tells whether all of them have arrived. Where
//! the system cannot watch each folder (it has a limit), files are compared at an interval instead:
//! with half of the folders watched, an explicit update could say that nothing has changed although
//! something has. `listener` decides what the events mean.

use std::{io::ErrorKind, path::Path, path::PathBuf, sync::Arc, time::Duration};

use crossbeam_channel::{Receiver, Sender};
use pyo3::Python;
use transfuse_engine::{Event, FileKind, FileSystem, SyncMarker, Watcher};

use crate::cpython::log;
use crate::state::{runtime::Runtime, watch_status::WatchStatus};

/// How often files are compared where the system does not report changes.
const INTERVAL: Duration = Duration::from_secs(1);

/// The watcher in force. Belongs to the updating thread alone.
pub struct FileWatcher {
    runtime: &'static Runtime,
    /// For the next watcher, when this one is restarted.
    sender: Sender<Event>,
    watcher: Watcher,
    /// None when polling: then every comparison is a full one.
    marker: Option<SyncMarker>,
    /// Whether it fell back to polling since this was last asked.
    fell_back: bool,
}

impl FileWatcher {
    /// Starts to watch `dirs`; when polling, all folders.
    pub fn start(runtime: &'static Runtime, dirs: &[PathBuf]) -> (FileWatcher, Receiver<Event>) {
        let (sender, events) = crossbeam_channel::unbounded();
        let (watcher, marker) = (Watcher::none(), None);
        let mut started = FileWatcher { runtime, sender, watcher, marker, fell_back: false };
        if runtime.settings().poll.is_some() {
            started.poll(String::new());
        } else {
            started.restart(dirs);
        }
        (started, events)
    }

    /// Watches these folders, and no others any more.
    pub fn restart(&mut self, dirs: &[PathBuf]) {
        // First, for its watches count towards the limit.
        self.watcher = Watcher::none();
        match self.start_native(dirs) {
            Ok(()) => self.set_status("native", String::new()),
            Err(why) => self.fall_back(&why),
        }
    }

    fn start_native(&mut self, dirs: &[PathBuf]) -> Result<(), String> {
        let marker = match self.marker.take() {
            Some(marker) => marker,
            None => SyncMarker::new().map_err(|error| error.to_string())?,
        };
        let mut all = dirs.to_vec();
        all.push(marker.dir.clone());
        self.watcher =
            Watcher::native(&all, self.sender.clone()).map_err(|error| error.to_string())?;
        self.marker = Some(marker);
        Ok(())
    }

    pub fn add(&mut self, dir: &Path) {
        if let Err(error) = self.watcher.add(dir) {
            self.fall_back(&error.to_string());
        }
    }

    /// Watches data that no walk comes to.
    pub fn follow(&mut self, path: &Path) {
        let is_dir = self.runtime.system.metadata(path).is_ok_and(|s| s.kind == FileKind::Dir);
        let dir = if is_dir { Some(path) } else { path.parent() };
        if let Some(dir) = dir
            && let Err(error) = self.watcher.follow(path, dir)
        {
            self.fall_back(&error.to_string());
        }
    }

    /// Watches a place on the path to a file for changes.
    pub fn watch_symlink(&mut self, place: &Path) {
        let Err(error) = self.watcher.watch_place(place) else { return };
        let system = &*self.runtime.system;
        // A folder that can be entered but not listed is no reason to fall back to polling: all that
        // is missed there is its renaming. A link, in contrast, may be flipped any day.
        let closed = place.parent().is_some_and(|dir| {
            system.read_dir(dir).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
        });
        if closed && !matches!(system.read_link(place), Ok(Some(_))) {
            return;
        }
        self.fall_back(&error.to_string());
    }

    /// Creates a file whose event follows all earlier ones; none if that is not possible.
    pub fn mark(&mut self) -> Option<PathBuf> {
        let mark = self.marker.as_mut()?.mark();
        if mark.is_some() {
            return mark;
        }
        // Another program removed the folder, and with it went the watch.
        let mut marker = SyncMarker::new().ok()?;
        self.add(&marker.dir.clone());
        let mark = marker.mark();
        // None if `add` has just fallen back to polling.
        self.marker.as_mut().map(|old| *old = marker)?;
        mark
    }

    /// Does the system report changes?
    pub fn is_native(&self) -> bool {
        self.marker.is_some()
    }

    /// Is `path` a marker, and none of the application's files?
    pub fn is_own(&self, path: &Path) -> bool {
        self.marker.as_ref().is_some_and(|marker| marker.contains(path))
    }

    /// Has it fallen back to polling since this was last asked? Then events may be missing.
    pub fn take_fallback(&mut self) -> bool {
        std::mem::take(&mut self.fell_back)
    }

    /// Polls from now on, because the system does not report all changes.
    fn fall_back(&mut self, why: &str) {
        self.fell_back = true;
        self.poll(why.to_owned());
        let warning = format!(
            "the system does not tell of all changes, so files are looked at every {} s instead: {why}",
            self.interval().as_secs_f64()
        );
        Python::attach(|py| log::warning(py, &warning));
    }

    fn poll(&mut self, because: String) {
        self.marker = None;
        let system: Arc<dyn FileSystem> = self.runtime.system.clone();
        let roots = self.runtime.roots.clone();
        self.watcher = Watcher::none();
        self.watcher = Watcher::polling(system, roots, self.interval(), self.sender.clone());
        self.set_status("polling", because);
    }

    fn interval(&self) -> Duration {
        self.runtime.settings().poll.unwrap_or(INTERVAL)
    }

    fn set_status(&self, way: &'static str, because: String) {
        *self.runtime.watching.lock() = WatchStatus { way, because };
    }
}
