//! Who loads a thing that many threads ask for at once? One of them; the others wait (P1).
//!
//! A thread that would wait for itself, directly or around a circle of threads, does not wait: it
//! goes on with the half-loaded thing, as a circular import does in one thread. What is loaded,
//! where it is kept, and letting go of the GIL before [`Flights::wait`], is the caller's.

use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait};
use std::{collections::HashMap, hash::Hash};

/// What to do about a thing that is not loaded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// Load it, and then say [`Flights::finish`], whatever came of it.
    Run,
    /// Go on with it as it is: this thread is loading it, or waits would go in a circle.
    Partial,
    /// Another thread is on it: call [`Flights::wait`], without the GIL.
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
    /// Rung at each [`Flights::finish`]; every waiter then looks whether it was its own.
    finished: Condvar,
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

#[derive(Clone, Copy, Debug)]
struct Load {
    /// The thread that runs it.
    thread: u64,
    /// Its number, which tells it from a later load of the same thing.
    number: u64,
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
        Flights { board: Mutex::new(board), finished: Condvar::new() }
    }

    /// Asks for `key` in the name of `thread`. Never blocks.
    pub fn enter(&self, key: &K, thread: u64) -> Entered {
        let mut board = self.board();
        if !board.loads.contains_key(key) {
            board.count += 1;
            let load = Load { thread, number: board.count };
            board.loads.insert(key.clone(), load);
            return Entered::Run;
        }
        if board.leads_to(key, thread) { Entered::Partial } else { Entered::Busy }
    }

    /// Waits until the load of `key` that is under way is over.
    pub fn wait(&self, key: &K, thread: u64) -> Waited {
        let mut board = self.board();
        let Some(awaited) = board.loads.get(key).map(|load| load.number) else {
            return Waited::Finished;
        };
        // Asked under the lock under which the wait is entered: of the threads that would close a
        // circle, the last one sees it. It cannot close later without another thread asking here.
        if board.leads_to(key, thread) {
            return Waited::Partial;
        }
        board.waits.insert(thread, (key.clone(), awaited));
        while board.loads.get(key).is_some_and(|load| load.number == awaited) {
            board = wait(&self.finished, board);
        }
        board.waits.remove(&thread);
        Waited::Finished
    }

    /// Ends the load of `key` that `thread` runs, and wakes those who wait for it.
    pub fn finish(&self, key: &K, thread: u64) {
        let mut board = self.board();
        if board.loads.get(key).is_some_and(|load| load.thread == thread) {
            board.loads.remove(key);
            drop(board);
            self.finished.notify_all();
        }
    }

    /// In a forked child only `thread` is there: the loads and waits of all others are over.
    pub fn only(&self, thread: u64) {
        let mut board = self.board();
        board.loads.retain(|_, load| load.thread == thread);
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
