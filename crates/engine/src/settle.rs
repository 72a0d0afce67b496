//! When has a burst of events come to rest, so that it can be looked at as one batch?
//!
//! A pure state machine; the caller supplies the clock. Somebody who saves one file gets it live in
//! milliseconds; a `git checkout` of 500 files is one batch; a file whose writer has not closed it
//! is waited for, and nothing is waited for without end. What is really different is for `refresh`.

use crate::Event;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

/// How long it has to be quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// After the last event, when one path is dirty and whoever wrote it is done: 4 ms.
    pub quiet: Duration,
    /// When several paths are dirty: 25 ms.
    pub quiet_many: Duration,
    /// When a path was written and has not been closed: 60 ms.
    pub open: Duration,
    /// After the first event, however much goes on: 1500 ms.
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

/// Where to look for differences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Batch {
    /// At these files and directories.
    Paths(BTreeSet<PathBuf>),
    /// Everywhere: events were lost.
    Rescan,
}

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing, until an event comes.
    Idle,
    /// Nothing, until an event comes or the clock says this.
    Wait(Duration),
    /// This batch. The machine is empty again.
    Ready(Batch),
}

/// Events on their way to becoming a batch.
#[derive(Debug, Default)]
pub struct Settle {
    /// How long it has to be quiet. Set once.
    window: Window,
    /// `/srv/shop/conf.py` to what is going on with it. Written by events, emptied by a batch.
    dirty: BTreeMap<PathBuf, Dirt>,
    /// Were events lost?
    rescan: bool,
    /// When the first event of this batch came; none while there is none.
    first: Option<Duration>,
    /// When the last one came.
    last: Duration,
}

/// What is going on with one path.
#[derive(Clone, Copy, Debug, Default)]
struct Dirt {
    /// Somebody has written to it and not closed it since.
    open: bool,
    /// It did not exist before this batch: if it goes again, nothing has happened.
    born: bool,
    /// It is a directory: what is dirty may be many files.
    dir: bool,
}

impl Settle {
    /// A machine with nothing in it.
    pub fn new(window: Window) -> Settle {
        Settle { window, ..Settle::default() }
    }

    /// Takes in what happened at the moment `now`.
    pub fn event(&mut self, now: Duration, event: &Event) {
        let path = match event {
            Event::Modified(path)
            | Event::Created(path)
            | Event::Closed(path)
            | Event::Moved(path)
            | Event::Gone(path)
            | Event::Touched(path)
            | Event::Dir(path) => path,
            Event::Rescan | Event::Lost => {
                self.rescan = true;
                return self.heard(now);
            }
        };
        let known = self.dirty.contains_key(path);
        let dirt = self.dirty.entry(path.clone()).or_default();
        match event {
            Event::Created(_) => *dirt = Dirt { open: true, born: !known, dir: false },
            Event::Modified(_) => dirt.open = true,
            Event::Dir(_) => dirt.dir = true,
            Event::Closed(_) | Event::Moved(_) => dirt.open = false,
            Event::Gone(_) if dirt.born => drop(self.dirty.remove(path)),
            Event::Gone(_) => dirt.open = false,
            Event::Touched(_) | Event::Rescan | Event::Lost => {}
        }
        self.heard(now);
    }

    /// Asks again for paths that could not be read as a whole, as if they were being written.
    pub fn again(&mut self, now: Duration, paths: impl IntoIterator<Item = PathBuf>) {
        for path in paths {
            self.event(now, &Event::Modified(path));
        }
    }

    /// Is there nothing to do, now or later?
    pub fn is_idle(&self) -> bool {
        self.first.is_none()
    }

    /// What is there to do at the moment `now`? What is ready is told once.
    pub fn next(&mut self, now: Duration) -> Settled {
        let Some(first) = self.first else { return Settled::Idle };
        let due = (self.last + self.quiet()).min(first + self.window.cap);
        if now < due {
            return Settled::Wait(due);
        }
        self.first = None;
        let dirty = std::mem::take(&mut self.dirty);
        if std::mem::take(&mut self.rescan) {
            return Settled::Ready(Batch::Rescan);
        }
        Settled::Ready(Batch::Paths(dirty.into_keys().collect()))
    }

    fn heard(&mut self, now: Duration) {
        if self.dirty.is_empty() && !self.rescan {
            self.first = None;
            return;
        }
        self.first.get_or_insert(now);
        self.last = now;
    }

    fn quiet(&self) -> Duration {
        let dirt = || self.dirty.values();
        if dirt().any(|dirt| dirt.open) {
            self.window.open
        } else if self.rescan || self.dirty.len() > 1 || dirt().any(|dirt| dirt.dir) {
            self.window.quiet_many
        } else {
            self.window.quiet
        }
    }
}
