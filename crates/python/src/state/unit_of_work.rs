//! Which units of work are under way?
//!
//! For `status` and for refusals, which name the unit of work that keeps an old generation in use.
//! A unit is added when it is pinned and removed when it ends; the lock is held for one look-up.
//! Texts are kept, no Python objects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use transfuse_engine::sync::Mutex;

use crate::cpython::thread::ident;

#[derive(Debug)]
pub struct UnitOfWork {
    /// The generation it is pinned to. Another one after it has asked for an update itself.
    pub generation: AtomicU64,
    /// The thread that went on with it last, as `threading.get_ident` has it.
    pub thread: AtomicU64,
    pub since: Instant,
    /// Its label, `"GET /orders"`, if it was given one.
    pub what: Option<String>,
}

impl UnitOfWork {
    pub fn new(generation: u64, what: Option<String>) -> UnitOfWork {
        let (generation, thread) = (AtomicU64::new(generation), AtomicU64::new(ident()));
        UnitOfWork { generation, thread, since: Instant::now(), what }
    }

    pub fn run_by_this_thread(&self) {
        self.thread.store(ident(), Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
pub struct UnitsOfWork {
    /// Number -> unit, so that the first is the oldest.
    all: Mutex<(u64, BTreeMap<u64, Arc<UnitOfWork>>)>,
}

impl UnitsOfWork {
    /// Adds one; returns the number under which [`UnitsOfWork::remove`] removes it.
    pub fn add(&self, unit: &Arc<UnitOfWork>) -> u64 {
        let mut all = self.all.lock();
        all.0 += 1;
        let number = all.0;
        all.1.insert(number, Arc::clone(unit));
        number
    }

    /// It has ended. False if it was over already (a forked child ends those of other threads).
    pub fn remove(&self, number: u64) -> bool {
        let gone = self.all.lock().1.remove(&number);
        gone.is_some()
    }

    /// In a forked child the units of other threads are over. Returns the generations that they
    /// were pinned to.
    pub fn keep_own(&self) -> Vec<u64> {
        let mut over = Vec::new();
        self.all.lock().1.retain(|_, unit| {
            let own = unit.thread.load(Ordering::Relaxed) == ident();
            if !own {
                over.push(unit.generation.load(Ordering::Acquire));
            }
            own
        });
        over
    }

    /// How many are under way.
    pub fn count(&self) -> usize {
        self.all.lock().1.len()
    }

    /// In words: how many generations are in use beside the current one, and by which unit of work.
    pub fn describe(&self, current: u64, generations: usize) -> String {
        let units = self.behind(current);
        let by = units.first().map_or_else(String::new, |oldest| {
            let what = oldest.what.as_deref().unwrap_or("a unit of work");
            let seconds = oldest.since.elapsed().as_secs();
            let of = oldest.generation.load(Ordering::Relaxed);
            format!(", generation {of} by {what} for {seconds} s")
        });
        format!("{generations} former generations are still in use{by}")
    }

    /// Those that are pinned to another generation than `current`, the oldest first.
    pub fn behind(&self, current: u64) -> Vec<Arc<UnitOfWork>> {
        let all = self.all.lock();
        let behind = |unit: &&Arc<UnitOfWork>| unit.generation.load(Ordering::Relaxed) != current;
        all.1.values().filter(behind).cloned().collect()
    }
}
