//! Which locks does Transfuse use? These, in both crates.
//!
//! They are the standard library's, except that they never poison: no guarded state is left
//! half-changed by a step that can panic, and a server must go on after a panic in one thread. With
//! the feature `shuttle` they are the locks of a scheduler that explores interleavings, for
//! `tests/interleavings.rs` only.

#![allow(clippy::disallowed_types, reason = "the one place that may use the standard locks")]

#[cfg(feature = "shuttle")]
use shuttle::sync as imp;
#[cfg(not(feature = "shuttle"))]
use std::sync as imp;

pub use imp::MutexGuard;
use std::sync::{PoisonError, TryLockError};
use std::time::Duration;

/// A lock that never poisons.
#[derive(Debug, Default)]
pub struct Mutex<T: ?Sized>(imp::Mutex<T>);

impl<T> Mutex<T> {
    /// An unlocked lock around `value`.
    pub const fn new(value: T) -> Mutex<T> {
        Mutex(imp::Mutex::new(value))
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock and takes it, also after a thread panicked while it held it.
    #[cfg_attr(feature = "testing", track_caller)]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        #[cfg(feature = "testing")]
        testing::panic_under(&self.0);
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// A condition that threads wait for while they give a [`Mutex`] up.
#[derive(Debug, Default)]
pub struct Condvar(imp::Condvar);

impl Condvar {
    /// Gives `guard` up, sleeps until a notification, takes it again. May wake up for no reason.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, but sleeps for `limit` at the most.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Duration,
    ) -> MutexGuard<'a, T> {
        self.0.wait_timeout(guard, limit).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Wakes all waiting threads.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// Panics under each lock, for tests.
#[cfg(feature = "testing")]
pub mod testing {
    use super::imp;
    use std::collections::BTreeSet;
    use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
    use std::sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    };

    static PANICS: AtomicBool = AtomicBool::new(false);
    /// `crates/engine/src/generations/registry.rs`: the files that took a lock meanwhile.
    static FILES: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

    /// From now on (or no longer) each thread that takes a lock panics under it first. Returns the
    /// files that took one since the last call.
    pub fn panic_under_locks(panics: bool) -> BTreeSet<&'static str> {
        PANICS.store(panics, Ordering::SeqCst);
        std::mem::take(&mut *FILES.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[track_caller]
    pub(super) fn panic_under<T: ?Sized>(lock: &imp::Mutex<T>) {
        if PANICS.load(Ordering::Relaxed) {
            let file = Location::caller().file();
            FILES.lock().unwrap_or_else(PoisonError::into_inner).insert(file);
            let _ = catch_unwind(AssertUnwindSafe(|| {
                let _guard = lock.lock();
                // Without the message of `panic!`.
                resume_unwind(Box::new(()))
            }));
        }
    }
}
