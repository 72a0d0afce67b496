//! What keeps a step in one piece where there is no GIL?
//!
//! Some steps look at several things and then write to some of them: is the instance that was just
//! executed part of the current generation? then it answers for that. None of these steps runs code
//! of the user's, so the GIL lets nobody come between. On a free-threaded build of Python they take
//! turns instead, and with a GIL a turn costs nothing.
//!
//! The rules: a turn is short; who has one waits for nobody's load; who waits for one is detached,
//! so that the cycle collector need not wait for him; a thread that has it may take it again. Who
//! only reads takes no turn.

#[cfg(not(Py_GIL_DISABLED))]
mod kind {
    use pyo3::prelude::*;

    /// The GIL is the turn.
    #[derive(Default)]
    pub struct Turn(());

    /// The turn, until this is dropped.
    pub struct Taken<'a>(#[allow(dead_code)] &'a Turn);

    // Only for the borrow to end where it would end without a GIL.
    impl Drop for Taken<'_> {
        fn drop(&mut self) {}
    }

    impl Turn {
        /// Takes it.
        pub fn take(&self, _: Python<'_>) -> Taken<'_> {
            Taken(self)
        }

        /// In a forked child whoever had it is not there, unless it is this thread.
        pub fn only(&self, _thread: u64) {}
    }
}

#[cfg(Py_GIL_DISABLED)]
mod kind {
    use std::sync::{Condvar, Mutex, PoisonError};

    use pyo3::prelude::*;

    use crate::loading::thread;

    /// One thread at a time.
    #[derive(Default)]
    pub struct Turn {
        /// The thread that has it, and how often; nobody, if that is 0. Locked for a comparison.
        held: Mutex<(u64, usize)>,
        /// Rung when nobody has it any more.
        over: Condvar,
    }

    /// The turn, until this is dropped.
    pub struct Taken<'a>(&'a Turn);

    impl Drop for Taken<'_> {
        fn drop(&mut self) {
            let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.1 = held.1.saturating_sub(1);
            let over = held.1 == 0;
            drop(held);
            if over {
                self.0.over.notify_one();
            }
        }
    }

    impl Turn {
        /// Takes it, and waits for it if need be.
        pub fn take(&self, py: Python<'_>) -> Taken<'_> {
            if !self.has_taken(thread()) {
                py.detach(|| self.wait(thread()));
            }
            Taken(self)
        }

        fn has_taken(&self, thread: u64) -> bool {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let free = held.1 == 0 || held.0 == thread;
            if free {
                *held = (thread, held.1 + 1);
            }
            free
        }

        fn wait(&self, thread: u64) {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            while held.1 > 0 {
                held = self.over.wait(held).unwrap_or_else(PoisonError::into_inner);
            }
            *held = (thread, 1);
        }

        /// In a forked child whoever had it is not there, unless it is this thread.
        pub fn only(&self, thread: u64) {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if held.0 != thread {
                *held = (0, 0);
            }
        }
    }
}

pub use kind::Turn;
