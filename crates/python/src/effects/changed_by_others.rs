//! Which changes in modules in use are the doing of other threads?
//!
//! Requests continue while the modules of an update run, and they change counters and caches. A container
//! does not record which thread changed it. But requests change the same entries again and again. So the
//! module that was running waits for a moment: if all entries that differ change once more, other threads
//! have changed them.

use std::collections::{HashMap, HashSet};
use std::{thread, time::Duration};

use pyo3::prelude::*;

use crate::code::plain_values::worth;
use crate::effects::differing_entries::{entries, is_keyed};
use crate::effects::state_snapshot::{Difference, StateSnapshot};
use crate::state::{lent_thread, live_module::LiveModule, runtime};

/// How often the containers are compared again, and how long they are given each time. Requests that
/// come more seldom seldom come while a module runs.
const TURNS: usize = 10;
const TURN: Duration = Duration::from_millis(10);
/// Stands for what C code keeps to itself, and for an order.
const UNSEEN: u64 = 1;

/// A container of an owner that differs, with the entries that do.
pub struct Doubt {
    pub owner: usize,
    number: usize,
    entries: HashSet<u64>,
}

impl Doubt {
    pub fn new(py: Python<'_>, owner: usize, difference: &Difference<'_>) -> Doubt {
        let (new, all) = marks(py, difference);
        let entries = if new.is_empty() { all } else { new };
        Doubt { owner, number: difference.number, entries }
    }
}

/// Whether requests may change a module while this one runs: it is staged, that one is in use, and this is
/// no thread of the server's, in which they wait.
pub fn may_be(
    py: Python<'_>,
    module: &Bound<'_, LiveModule>,
    owner: &Bound<'_, LiveModule>,
) -> bool {
    let Some(runtime) = runtime::in_force().filter(|_| !lent_thread::is_lent()) else {
        return false;
    };
    let current = runtime.current(py);
    !current.get().holds(py, module) && current.get().holds(py, owner)
}

/// Waits until all of these have changed again, for a moment. Returns the owners of those that have not.
pub fn unchanged_since(
    py: Python<'_>,
    state: &mut StateSnapshot,
    doubts: Vec<Doubt>,
) -> Vec<usize> {
    let mut left = doubts;
    let mut again: HashMap<(usize, usize), HashSet<u64>> = HashMap::new();
    for _ in 0..TURNS {
        if left.is_empty() {
            break;
        }
        // There is no event to wait for: the other threads only have to get on.
        py.detach(|| thread::sleep(TURN));
        let mut owners = vec![false; left.iter().map(|doubt| doubt.owner + 1).max().unwrap_or(0)];
        left.iter().for_each(|doubt| owners[doubt.owner] = true);
        for (owner, difference) in state.differences(py, &owners) {
            if let Some(difference) = difference {
                let seen = again.entry((owner, difference.number)).or_default();
                seen.extend(marks(py, &difference).1);
            }
        }
        left.retain(|doubt| {
            let seen = again.get(&(doubt.owner, doubt.number));
            !seen.is_some_and(|seen| doubt.entries.is_subset(seen))
        });
    }
    left.into_iter().map(|doubt| doubt.owner).collect()
}

/// Hashes of the keys of a difference's entries, or of their values if they have no keys: first those of
/// new entries, then those of all.
fn marks(py: Python<'_>, difference: &Difference<'_>) -> (HashSet<u64>, HashSet<u64>) {
    let (added, removed) = entries(py, difference);
    let keyed = is_keyed(difference);
    let mark = |(key, value): &_| worth(py, if keyed { *key } else { *value });
    let new: HashSet<u64> = added.iter().map(mark).collect();
    let mut all: HashSet<u64> = new.iter().copied().chain(removed.iter().map(mark)).collect();
    if difference.hidden || all.is_empty() {
        all.insert(UNSEEN);
    }
    (new, all)
}
