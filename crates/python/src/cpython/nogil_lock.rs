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
    pub struct NoGilLock(());

    /// The turn, until this is dropped.
    pub struct NoGilGuard<'a>(#[allow(dead_code)] &'a NoGilLock);

    // Only for the borrow to end where it would end without a GIL.
    impl Drop for NoGilGuard<'_> {
        fn drop(&mut self) {}
    }

    impl NoGilLock {
        /// Takes it.
        pub fn lock(&self, _: Python<'_>) -> NoGilGuard<'_> {
            NoGilGuard(self)
        }

        /// Whether this thread has it, so that it must not wait for anybody.
        pub fn is_held(&self) -> bool {
            false
        }

        /// In a forked child whoever had it is not there, unless it is this thread.
        pub fn reset_after_fork(&self, _thread: u64) {}
    }
}

#[cfg(Py_GIL_DISABLED)]
mod kind {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    use std::time::Duration;

    use pyo3::prelude::*;

    use crate::cpython::thread::thread;

    /// How often who waits looks at once, and how long he sleeps between two looks after that.
    const LOOKS: usize = 100;
    const PAUSE: Duration = Duration::from_micros(50);

    /// One thread at a time. No lock: a process may fork while threads wait, and who forks may have it.
    #[derive(Default)]
    pub struct NoGilLock {
        /// The thread that has it; 0: nobody.
        holder: AtomicU64,
        /// How often that thread has it. Written by it alone.
        depth: AtomicUsize,
    }

    /// The turn, until this is dropped.
    pub struct NoGilGuard<'a>(&'a NoGilLock);

    impl Drop for NoGilGuard<'_> {
        fn drop(&mut self) {
            if self.0.depth.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.0.holder.store(0, Ordering::Release);
            }
        }
    }

    impl NoGilLock {
        /// Takes it, and waits for it if need be.
        pub fn lock(&self, py: Python<'_>) -> NoGilGuard<'_> {
            if !self.is_held() && !self.is_got() {
                py.detach(|| self.wait());
            }
            self.depth.fetch_add(1, Ordering::Relaxed);
            NoGilGuard(self)
        }

        /// Whether this thread has it, so that it must not wait for anybody.
        pub fn is_held(&self) -> bool {
            self.holder.load(Ordering::Relaxed) == thread()
        }

        fn is_got(&self) -> bool {
            let (got, seen) = (Ordering::Acquire, Ordering::Relaxed);
            self.holder.compare_exchange(0, thread(), got, seen).is_ok()
        }

        fn wait(&self) {
            let mut looks = 0;
            while !self.is_got() {
                looks += 1;
                // A bell would be a lock, which a fork could leave taken for ever.
                match looks < LOOKS {
                    true => std::thread::yield_now(),
                    false => std::thread::sleep(PAUSE), // until the turn is given up
                }
            }
        }

        /// In a forked child whoever had it is not there, unless it is this thread.
        pub fn reset_after_fork(&self, thread: u64) {
            if self.holder.load(Ordering::Relaxed) != thread {
                self.depth.store(0, Ordering::Relaxed);
                self.holder.store(0, Ordering::Release);
            }
        }
    }
}

pub use kind::{NoGilGuard, NoGilLock};
