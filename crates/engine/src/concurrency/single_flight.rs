//! Which thread loads a module that many threads ask for at once? One of them; the others wait
//! (P1).
//!
//! A thread that would wait for itself, directly or around a circle of threads, does not wait: it
//! continues with the partially loaded module, as a circular import does in one thread. The caller
//! loads, stores the result, and releases the GIL before [`Waiting::wait_timeout`].
//!
//! A waiting thread holds no lock that another thread needs, so the process may fork meanwhile.

use super::sync::{Condvar, Mutex};
use std::{collections::HashMap, hash::Hash, sync::Arc, time::Duration};

/// The task of a thread for a key that is not loaded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// Load it, then call [`SingleFlight::finish`], also after a failure.
    Run,
    /// Use the partially loaded value: this thread is loading it, or waits would form a circle.
    Partial,
    /// Another thread is loading it: call [`SingleFlight::await_load`].
    Busy,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The load ended, well or badly: look again, and enter again if need be.
    Finished,
    /// The wait would never end: use the partially loaded value.
    Partial,
}

/// The loads in progress.
#[derive(Debug)]
pub struct SingleFlight<K> {
    /// Loads and waits, which only mean something together: so one lock, held for a few look-ups.
    table: Mutex<LoadTable<K>>,
}

/// The end of one load.
#[derive(Debug, Default)]
struct Completion {
    /// Written once, by [`SingleFlight::finish`].
    over: Mutex<bool>,
    /// Notified then.
    changed: Condvar,
}

/// A thread's wait for one load. Dropping it ends the wait, also before the load has ended.
#[derive(Debug)]
#[must_use]
pub struct Waiting<'a, K: Eq + Hash + Clone> {
    single_flight: &'a SingleFlight<K>,
    key: K,
    number: u64,
    thread: u64,
    completion: Arc<Completion>,
}

impl<K: Eq + Hash + Clone> Waiting<'_, K> {
    /// Sleeps until the load has ended, or for `limit`. Returns whether it has ended.
    pub fn wait_timeout(&self, limit: Duration) -> bool {
        let over = self.completion.over.lock();
        *over || *self.completion.changed.wait_timeout(over, limit)
    }

    /// Sleeps until the load has ended.
    #[cfg(feature = "testing")]
    fn wait_until_over(&self) {
        let mut over = self.completion.over.lock();
        while !*over {
            over = self.completion.changed.wait(over);
        }
    }

    /// Has the load ended, or been forgotten? (In a forked child the parent's other loads never
    /// end.)
    pub fn is_over(&self) -> bool {
        let table = self.single_flight.table.lock();
        table.loads.get(&self.key).is_none_or(|load| load.number != self.number)
    }
}

impl<K: Eq + Hash + Clone> Drop for Waiting<'_, K> {
    fn drop(&mut self) {
        self.single_flight.table.lock().waits.remove(&self.thread);
    }
}

#[derive(Debug)]
struct LoadTable<K> {
    /// A key to its load. Written by the loading thread, from `enter` to `finish`.
    loads: HashMap<K, ActiveLoad>,
    /// A waiting thread to the key and the number of the load it waits for. Written by that thread.
    /// Between the end of the load and the thread's wake-up the entry is stale, which the number
    /// shows.
    waits: HashMap<u64, (K, u64)>,
    /// The number of loads so far.
    count: u64,
}

#[derive(Debug)]
struct ActiveLoad {
    thread: u64,
    /// Distinguishes it from a later load of the same key.
    number: u64,
    /// Shared with the waiting threads.
    completion: Arc<Completion>,
}

impl<K: Eq + Hash + Clone> Default for SingleFlight<K> {
    fn default() -> SingleFlight<K> {
        let table = LoadTable { loads: HashMap::new(), waits: HashMap::new(), count: 0 };
        SingleFlight { table: Mutex::new(table) }
    }
}

impl<K: Eq + Hash + Clone> SingleFlight<K> {
    /// Asks for `key` on behalf of `thread`. Never blocks.
    pub fn enter(&self, key: &K, thread: u64) -> Entered {
        let mut table = self.table.lock();
        if !table.loads.contains_key(key) {
            table.count += 1;
            let load = ActiveLoad { thread, number: table.count, completion: Arc::default() };
            table.loads.insert(key.clone(), load);
            return Entered::Run;
        }
        if table.leads_to(key, thread) { Entered::Partial } else { Entered::Busy }
    }

    /// Begins to wait for the load of `key` in progress, or returns at once how the wait ended.
    pub fn await_load(&self, key: &K, thread: u64) -> Result<Waiting<'_, K>, Waited> {
        let mut table = self.table.lock();
        let Some(load) = table.loads.get(key) else { return Err(Waited::Finished) };
        // Checked under the same lock that registers the wait: the last of the threads that would
        // close a circle sees it. It cannot close later without another thread's check.
        if table.leads_to(key, thread) {
            return Err(Waited::Partial);
        }
        let (number, completion) = (load.number, Arc::clone(&load.completion));
        table.waits.insert(thread, (key.clone(), number));
        Ok(Waiting { single_flight: self, key: key.clone(), number, thread, completion })
    }

    /// Waits for the load of `key` in progress, without a limit.
    #[cfg(feature = "testing")]
    pub fn wait(&self, key: &K, thread: u64) -> Waited {
        match self.await_load(key, thread) {
            Ok(waiting) => {
                waiting.wait_until_over();
                Waited::Finished
            }
            Err(ended) => ended,
        }
    }

    /// Ends the load of `key` that `thread` runs, and wakes the waiting threads.
    pub fn finish(&self, key: &K, thread: u64) {
        let mut table = self.table.lock();
        if table.loads.get(key).is_some_and(|load| load.thread == thread) {
            let ended = table.loads.remove(key);
            drop(table);
            if let Some(load) = ended {
                *load.completion.over.lock() = true;
                load.completion.changed.notify_all();
            }
        }
    }

    /// `thread` is not waited for any more: forgets its loads, and wakes the threads that wait for
    /// them. It may go on, and end them later.
    pub fn forget(&self, thread: u64) {
        let table = self.table.lock();
        let keys = table.loads.iter().filter(|(_, load)| load.thread == thread);
        let keys: Vec<K> = keys.map(|(key, _)| key.clone()).collect();
        drop(table);
        for key in keys {
            self.finish(&key, thread);
        }
    }

    /// In a forked child only `thread` exists: forgets the loads and waits of all others, and
    /// replaces the completions of its own loads, whose locks another thread may have held.
    pub fn keep_only(&self, thread: u64) {
        let mut table = self.table.lock();
        table.loads.retain(|_, load| load.thread == thread);
        table.loads.values_mut().for_each(|load| load.completion = Arc::default());
        table.waits.clear();
    }

    /// Is a thread loading it?
    pub fn is_in_flight(&self, key: &K) -> bool {
        self.table.lock().loads.contains_key(key)
    }

    /// How many threads wait for another thread's load right now.
    #[cfg(feature = "testing")]
    pub fn waiting(&self) -> usize {
        self.table.lock().waits.len()
    }

    /// Are there no loads and no waits?
    pub fn is_idle(&self) -> bool {
        let table = self.table.lock();
        table.loads.is_empty() && table.waits.is_empty()
    }
}

impl<K: Eq + Hash> LoadTable<K> {
    /// Does the thread that loads `key` wait, through any chain of threads, for `thread`?
    fn leads_to(&self, key: &K, thread: u64) -> bool {
        // The loop ends because `await_load` lets no thread close a circle.
        let mut load = self.loads.get(key);
        while let Some(ActiveLoad { thread: runner, .. }) = load {
            if *runner == thread {
                return true;
            }
            let awaited = self.waits.get(runner);
            load = awaited.and_then(|(key, number)| {
                self.loads.get(key).filter(|load| load.number == *number)
            });
        }
        false
    }
}
