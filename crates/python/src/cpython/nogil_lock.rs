//! How is a step kept atomic if there is no GIL?
//!
//! Some steps look at several things and then write to some of them: an instance that was just
//! executed answers for the current generation if it is part of it. None of these steps runs code
//! of the program, so the GIL keeps other threads out. On a free-threaded build of Python they take
//! this lock instead; with a GIL it costs nothing.
//!
//! The rules: the lock is held for a short time, and its holder never waits for a load. A thread
//! that waits for it is detached, so that the cycle collector does not wait for that thread. The
//! holder may lock it again. Readers do not take it.

#[cfg(not(Py_GIL_DISABLED))]
mod kind {
    use pyo3::prelude::*;

    /// The GIL is the lock.
    #[derive(Default)]
    pub struct NoGilLock(());

    pub struct NoGilGuard<'a>(#[allow(dead_code)] &'a NoGilLock);

    // Only for the borrow to end where it would end without a GIL.
    impl Drop for NoGilGuard<'_> {
        fn drop(&mut self) {}
    }

    impl NoGilLock {
        pub fn lock(&self, _: Python<'_>) -> NoGilGuard<'_> {
            NoGilGuard(self)
        }

        pub fn is_held(&self) -> bool {
            false
        }

        pub fn reset_after_fork(&self, _thread: u64) {}
    }
}

#[cfg(Py_GIL_DISABLED)]
mod kind {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    use std::time::Duration;

    use pyo3::prelude::*;

    use crate::cpython::thread::thread;

    /// How often a waiting thread tries at once, and how long it sleeps between two tries after
    /// that.
    const LOOKS: usize = 100;
    const PAUSE: Duration = Duration::from_micros(50);

    /// One thread at a time. No lock of the system, because a process may fork while threads wait
    /// for it or hold it.
    #[derive(Default)]
    pub struct NoGilLock {
        /// The thread that holds it; 0: none.
        holder: AtomicU64,
        /// How often that thread has it. Written by it alone.
        depth: AtomicUsize,
    }

    /// The lock is held until this is dropped.
    pub struct NoGilGuard<'a>(&'a NoGilLock);

    impl Drop for NoGilGuard<'_> {
        fn drop(&mut self) {
            if self.0.depth.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.0.holder.store(0, Ordering::Release);
            }
        }
    }

    impl NoGilLock {
        pub fn lock(&self, py: Python<'_>) -> NoGilGuard<'_> {
            if !self.is_held() && !self.is_got() {
                py.detach(|| self.wait());
            }
            self.depth.fetch_add(1, Ordering::Relaxed);
            NoGilGuard(self)
        }

        /// Whether this thread holds it, so that it must not wait for a load.
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
                // Polls until the lock is released: a condition variable has a lock of its own, which a
                // forked child could inherit locked.
                match looks < LOOKS {
                    true => std::thread::yield_now(),
                    false => std::thread::sleep(PAUSE),
                }
            }
        }

        /// In a forked child the holder does not exist, unless it is this thread.
        pub fn reset_after_fork(&self, thread: u64) {
            if self.holder.load(Ordering::Relaxed) != thread {
                self.depth.store(0, Ordering::Relaxed);
                self.holder.store(0, Ordering::Release);
            }
        }
    }
}

pub use kind::{NoGilGuard, NoGilLock};
