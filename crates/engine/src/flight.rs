//! Who loads a thing that many threads ask for at once? One of them; the others wait (P1).
//!
//! A thread that would wait for itself, directly or around a circle of threads, does not wait: it
//! goes on with the half-loaded thing, as a circular import does in one thread. What is loaded,
//! where it is kept, and letting go of the GIL before [`Waiting::sit`], is the caller's.
//!
//! Who sits and waits has no lock that anybody else needs: a process may fork meanwhile.

use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait, wait_for};
use std::{collections::HashMap, hash::Hash, sync::Arc, time::Duration};

/// What to do about a thing that is not loaded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// Load it, and then say [`Flights::finish`], whatever came of it.
    Run,
    /// Go on with it as it is: this thread is loading it, or waits would go in a circle.
    Partial,
    /// Another thread is on it: [`Flights::await_load`].
    Busy,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The load that was waited for is over, well or badly: look again, and enter again if need be.
    Finished,
    /// To wait on would be to wait for ever: go on with the thing as it is.
    Partial,
}

/// The loads under way.
#[derive(Debug)]
pub struct Flights<K> {
    /// Both sides of "who waits for whom", which only mean something together: so one lock, held
    /// for a few look-ups.
    board: Mutex<Board<K>>,
}

/// The end of one load.
#[derive(Debug, Default)]
struct End {
    /// Written once, by [`Flights::finish`].
    over: Mutex<bool>,
    /// Rung then.
    rung: Condvar,
}

/// A thread waits for one load. Dropping this takes it out of the waiting, also before the end.
#[derive(Debug)]
#[must_use]
pub struct Waiting<'a, K: Eq + Hash + Clone> {
    flights: &'a Flights<K>,
    key: K,
    /// The load's number.
    number: u64,
    thread: u64,
    end: Arc<End>,
}

impl<K: Eq + Hash + Clone> Waiting<'_, K> {
    /// Sleeps until the load is over, or for `limit`. Whether it is over.
    pub fn sit(&self, limit: Duration) -> bool {
        let over = lock(&self.end.over);
        *over || *wait_for(&self.end.rung, over, limit)
    }

    /// Sleeps until the load is over.
    fn sit_through(&self) {
        let mut over = lock(&self.end.over);
        while !*over {
            over = wait(&self.end.rung, over);
        }
    }

    /// Is it over, or forgotten? (In a forked child nobody ends what others had begun.)
    pub fn is_over(&self) -> bool {
        let board = self.flights.board();
        board.loads.get(&self.key).is_none_or(|load| load.number != self.number)
    }
}

impl<K: Eq + Hash + Clone> Drop for Waiting<'_, K> {
    fn drop(&mut self) {
        self.flights.board().waits.remove(&self.thread);
    }
}

#[derive(Debug)]
struct Board<K> {
    /// A thing to its load. Written by the thread that runs it, from `enter` to `finish`.
    loads: HashMap<K, Load>,
    /// A waiting thread to the load it waits for, the thing and the number. Written by that thread.
    /// Between the end of the load and the moment the thread wakes up the entry is stale, which the
    /// number shows.
    waits: HashMap<u64, (K, u64)>,
    /// The number of loads so far.
    count: u64,
}

#[derive(Debug)]
struct Load {
    /// The thread that runs it.
    thread: u64,
    /// Its number, which tells it from a later load of the same thing.
    number: u64,
    /// For those who wait for it.
    end: Arc<End>,
}

impl<K: Eq + Hash + Clone> Default for Flights<K> {
    fn default() -> Flights<K> {
        Flights::new()
    }
}

impl<K: Eq + Hash + Clone> Flights<K> {
    /// No load under way.
    pub fn new() -> Flights<K> {
        let board = Board { loads: HashMap::new(), waits: HashMap::new(), count: 0 };
        Flights { board: Mutex::new(board) }
    }

    /// Asks for `key` in the name of `thread`. Never blocks.
    pub fn enter(&self, key: &K, thread: u64) -> Entered {
        let mut board = self.board();
        if !board.loads.contains_key(key) {
            board.count += 1;
            let load = Load { thread, number: board.count, end: Arc::default() };
            board.loads.insert(key.clone(), load);
            return Entered::Run;
        }
        if board.leads_to(key, thread) { Entered::Partial } else { Entered::Busy }
    }

    /// Begins to wait for the load of `key` that is under way; or says how that has ended at once.
    pub fn await_load(&self, key: &K, thread: u64) -> Result<Waiting<'_, K>, Waited> {
        let mut board = self.board();
        let Some(load) = board.loads.get(key) else { return Err(Waited::Finished) };
        // Asked under the lock under which the wait is entered: of the threads that would close a
        // circle, the last one sees it. It cannot close later without another thread asking here.
        if board.leads_to(key, thread) {
            return Err(Waited::Partial);
        }
        let (number, end) = (load.number, Arc::clone(&load.end));
        board.waits.insert(thread, (key.clone(), number));
        Ok(Waiting { flights: self, key: key.clone(), number, thread, end })
    }

    /// Waits until the load of `key` that is under way is over, for as long as it takes.
    pub fn wait(&self, key: &K, thread: u64) -> Waited {
        match self.await_load(key, thread) {
            Ok(waiting) => {
                waiting.sit_through();
                Waited::Finished
            }
            Err(ended) => ended,
        }
    }

    /// Ends the load of `key` that `thread` runs, and wakes those who wait for it.
    pub fn finish(&self, key: &K, thread: u64) {
        let mut board = self.board();
        if board.loads.get(key).is_some_and(|load| load.thread == thread) {
            let ended = board.loads.remove(key);
            drop(board);
            if let Some(load) = ended {
                *lock(&load.end.over) = true;
                load.end.rung.notify_all();
            }
        }
    }

    /// In a forked child only `thread` is there: the loads and waits of all others are over, and
    /// nobody waits for its own (whoever did may have had the lock of the end).
    pub fn only(&self, thread: u64) {
        let mut board = self.board();
        board.loads.retain(|_, load| load.thread == thread);
        board.loads.values_mut().for_each(|load| load.end = Arc::default());
        board.waits.clear();
    }

    /// Is some thread loading it?
    pub fn is_loading(&self, key: &K) -> bool {
        self.board().loads.contains_key(key)
    }

    /// How many threads wait for another one's load right now.
    pub fn waiting(&self) -> usize {
        self.board().waits.len()
    }

    /// Is nothing being loaded, and nobody waiting?
    pub fn is_idle(&self) -> bool {
        let board = self.board();
        board.loads.is_empty() && board.waits.is_empty()
    }

    fn board(&self) -> MutexGuard<'_, Board<K>> {
        lock(&self.board)
    }
}

impl<K: Eq + Hash> Board<K> {
    /// Does whoever loads `key` wait, through whatever chain, for `thread`?
    fn leads_to(&self, key: &K, thread: u64) -> bool {
        // No circle among the waiting, because `wait` lets nobody close one: so this ends.
        let mut load = self.loads.get(key);
        while let Some(Load { thread: runner, .. }) = load {
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
