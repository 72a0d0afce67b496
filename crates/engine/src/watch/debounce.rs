//! When has a burst of events come to rest, so that its files can be compared at once?
//!
//! A pure state machine; the caller passes the time in. One saved file is served within
//! milliseconds; a `git checkout` of 500 files is one update; a file that is still open for writing
//! delays it, but no delay is without a cap. Two things extend the wait: another program that has
//! locked the tree or is moving files into it one by one, and a loaded machine, which shows in that
//! the caller comes back late. `refresh` finds out what really changed.

use super::{Event, EventKind, transfer::Transfers};
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
    /// After the last of several transfers of files: 250 ms.
    pub quiet_transfer: Duration,
    /// How long a lock counts during which no file is touched: 10 s. It may have been left over.
    pub idle_lock: Duration,
}

/// How soon a locked tree is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// A caller that comes back later than this is on a loaded machine.
const PUNCTUAL: Duration = Duration::from_millis(2);
/// By how many times its delay the quiet window is extended, and by how much at most.
const STRETCH: u32 = 8;
const LONGEST_STRETCH: Duration = Duration::from_millis(250);

impl Default for Window {
    fn default() -> Window {
        Window {
            quiet: Duration::from_millis(4),
            quiet_many: Duration::from_millis(25),
            open: Duration::from_millis(60),
            cap: Duration::from_millis(1500),
            quiet_transfer: Duration::from_millis(250),
            idle_lock: Duration::from_secs(10),
        }
    }
}

/// The next task of the caller.
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
    /// The time of the last sign of life: an event, also one of a file that does not matter.
    active: Duration,
    /// The files that are being moved into the tree under another name first.
    transfers: Transfers,
    /// When the tree was last seen to be locked; none if it was not, since the last poll that was
    /// ready.
    locked: Option<Duration>,
    /// The time that the last poll asked the caller to come back at; none after an event.
    asked: Option<Duration>,
    /// How late the caller comes back, 3 ms on a loaded machine. Halved each time that it does not.
    lateness: Duration,
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
        self.activity(now);
        match event {
            Event::Path(kind, path) if self.transfers.event(now, *kind, path) => return,
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

    /// A file was touched, whether or not it matters.
    pub fn activity(&mut self, now: Duration) {
        self.active = now;
        self.asked = None;
    }

    /// The machine is loaded: other programs may come late by about this much.
    pub fn expect_lateness(&mut self, lateness: Duration) {
        self.lateness = self.lateness.max(lateness);
        self.asked = None;
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
        self.poll_unless(now, |_| false)
    }

    /// The same, where `is_locked` says whether another program has locked the tree that has these
    /// dirty paths. It is asked only when they are ready otherwise.
    pub fn poll_unless(
        &mut self,
        now: Duration,
        is_locked: impl FnOnce(&mut dyn Iterator<Item = &Path>) -> bool,
    ) -> Readiness {
        let Some(first) = self.first else { return Readiness::Idle };
        self.note_lateness(now);
        let due = self.due(first);
        if now < due {
            self.asked = Some(due);
            return Readiness::Wait(due);
        }
        let may_be_locked = now < self.active + self.window.idle_lock;
        if may_be_locked
            && (self.transfers.is_any() || is_locked(&mut self.dirty.keys().map(PathBuf::as_path)))
        {
            self.locked = Some(now);
            // The time under a lock does not count towards the cap.
            self.first = Some(now);
            return Readiness::Wait(now + LOOK_AGAIN);
        }
        self.take().map_or(Readiness::Idle, Readiness::Ready)
    }

    /// Returns all dirty paths at once, whether or not they are quiet; none if there are none.
    pub fn take(&mut self) -> Option<DirtyPaths> {
        self.first.take()?;
        self.locked = None;
        self.asked = None;
        self.transfers.forget();
        let dirty = std::mem::take(&mut self.dirty);
        if std::mem::take(&mut self.rescan) {
            return Some(DirtyPaths::Rescan);
        }
        Some(DirtyPaths::Listed(dirty.into_keys().collect()))
    }

    /// When the burst has come to rest, if nothing else happens.
    fn due(&self, first: Duration) -> Duration {
        let stretch = match self.lateness > PUNCTUAL {
            true => (self.lateness * STRETCH).min(LONGEST_STRETCH),
            false => Duration::ZERO,
        };
        let transferred = match self.transfers.ended() {
            Some((at, 1)) => at + self.window.quiet_many,
            Some((at, _)) => at + self.window.quiet_transfer,
            None => Duration::ZERO,
        };
        let unlocked = self.locked.map_or(Duration::ZERO, |at| at + self.window.quiet_many);
        let rested = (self.last + self.quiet() + stretch).max(transferred);
        rested.min(first + self.window.cap.max(stretch)).max(unlocked)
    }

    fn note_lateness(&mut self, now: Duration) {
        let Some(asked) = self.asked.take().filter(|asked| *asked <= now) else { return };
        self.lateness = (now - asked).min(LONGEST_STRETCH).max(self.lateness / 2);
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
