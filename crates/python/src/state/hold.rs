//! Has a program said that a change of many files is under way?
//!
//! `transfuse.hold()` and `transfuse update --hold` say where a change begins, `--release` where it
//! ends. A file with a certain name in a root, or beside `pyproject.toml`, says the same for as long
//! as it is there. Meanwhile no update is made without being asked for. A hold that is not released
//! ends by itself.

use std::time::Instant;

use transfuse_engine::sync::Mutex;

/// The file that holds updates while it is there.
pub const FILE: &str = ".transfuse-hold";

/// The holds of this process.
#[derive(Default)]
pub struct Holds {
    /// `[(1, in ten minutes)]`: the number of each hold, and when it ends by itself. Written by the
    /// threads that hold and release, read by the one that updates.
    held: Mutex<Vec<(u64, Instant)>>,
    /// The number of the last hold.
    last: Mutex<u64>,
}

impl Holds {
    /// Begins a hold, and returns its number.
    pub fn begin(&self, until: Instant) -> u64 {
        let mut last = self.last.lock();
        *last += 1;
        self.held.lock().push((*last, until));
        *last
    }

    /// Ends a hold; none: all of them. Returns how many were left.
    pub fn end(&self, number: Option<u64>) -> usize {
        let mut held = self.held.lock();
        let before = held.len();
        held.retain(|(other, _)| number.is_some_and(|number| number != *other));
        before - held.len()
    }

    /// Ends the holds whose time is over, and returns how many these are.
    pub fn expire(&self) -> usize {
        let now = Instant::now();
        let mut held = self.held.lock();
        let before = held.len();
        held.retain(|(_, until)| *until > now);
        before - held.len()
    }

    pub fn is_any(&self) -> bool {
        !self.held.lock().is_empty()
    }
}
