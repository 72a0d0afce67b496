//! When has a burst of events come to rest, so that its files can be compared at once?
//!
//! A pure state machine; the caller passes the time in. One saved file is served within
//! milliseconds; a `git checkout` of 500 files is one update; a file that is still open for writing
//! delays it, but no delay is without a cap. `refresh` finds out what really changed.

use super::{Event, EventKind};
use crate::sources::DirtyPaths;
use std::path::{Path, PathBuf};
use std::{collections::BTreeMap, time::Duration};

/// How long it has to be quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// After the last event, if one path is dirty and its writer has closed it: 4 ms.
    pub quiet: Duration,
    /// If several paths are dirty: 25 ms.
    pub quiet_many: Duration,
    /// If a path was written and has not been closed: 60 ms.
    pub open: Duration,
    /// After the first event, in spite of further events: 1500 ms.
    pub cap: Duration,
}

impl Default for Window {
    fn default() -> Window {
        Window {
            quiet: Duration::from_millis(4),
            quiet_many: Duration::from_millis(25),
            open: Duration::from_millis(60),
            cap: Duration::from_millis(1500),
        }
    }
}

/// What the caller has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Nothing, until an event comes.
    Idle,
    /// Nothing, until an event comes or the clock reaches this time.
    Wait(Duration),
    /// Compare these paths. The debouncer is empty again.
    Ready(DirtyPaths),
}

/// Collects events until they come to rest.
#[derive(Debug, Default)]
pub struct Debouncer {
    /// How long it has to be quiet. Set once.
    window: Window,
    /// `/srv/shop/conf.py` to its state. Written by events, emptied by [`Debouncer::poll`].
    dirty: BTreeMap<PathBuf, PathState>,
    /// Were events lost?
    rescan: bool,
    /// The time of the first event since the last poll that was ready; none if there was none.
    first: Option<Duration>,
    /// The time of the last event.
    last: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct PathState {
    /// It was written and not closed since.
    open: bool,
    /// The first event created it: if it is removed again, nothing has happened.
    born: bool,
    /// It is a directory, so many files may be dirty.
    dir: bool,
}

impl Debouncer {
    /// An empty debouncer.
    pub fn new(window: Window) -> Debouncer {
        Debouncer { window, ..Debouncer::default() }
    }

    /// Adds an event that happened at the time `now`.
    pub fn event(&mut self, now: Duration, event: &Event) {
        match event {
            Event::Path(kind, path) => self.path_event(*kind, path),
            Event::Rescan | Event::Lost => self.rescan = true,
        }
        if self.dirty.is_empty() && !self.rescan {
            self.first = None;
            return;
        }
        self.first.get_or_insert(now);
        self.last = now;
    }

    fn path_event(&mut self, kind: EventKind, path: &Path) {
        let known = self.dirty.contains_key(path);
        let state = self.dirty.entry(path.to_owned()).or_default();
        match kind {
            EventKind::Created => *state = PathState { open: true, born: !known, dir: false },
            EventKind::Modified => state.open = true,
            EventKind::Dir => state.dir = true,
            EventKind::Closed | EventKind::Moved => state.open = false,
            EventKind::Gone if state.born => drop(self.dirty.remove(path)),
            EventKind::Gone => state.open = false,
            EventKind::Touched => {}
        }
    }

    /// Adds paths that could not be read consistently, as if they were being written.
    pub fn retry(&mut self, now: Duration, paths: impl IntoIterator<Item = PathBuf>) {
        for path in paths {
            self.event(now, &EventKind::Modified.at(path));
        }
    }

    /// Are there no dirty paths?
    pub fn is_idle(&self) -> bool {
        self.first.is_none()
    }

    /// Returns what there is to do at the time `now`. Ready paths are returned once.
    pub fn poll(&mut self, now: Duration) -> Readiness {
        let Some(first) = self.first else { return Readiness::Idle };
        let due = (self.last + self.quiet()).min(first + self.window.cap);
        if now < due {
            return Readiness::Wait(due);
        }
        self.first = None;
        let dirty = std::mem::take(&mut self.dirty);
        if std::mem::take(&mut self.rescan) {
            return Readiness::Ready(DirtyPaths::Rescan);
        }
        Readiness::Ready(DirtyPaths::Listed(dirty.into_keys().collect()))
    }

    fn quiet(&self) -> Duration {
        let states = || self.dirty.values();
        if states().any(|state| state.open) {
            self.window.open
        } else if self.rescan || self.dirty.len() > 1 || states().any(|state| state.dir) {
            self.window.quiet_many
        } else {
            self.window.quiet
        }
    }
}
