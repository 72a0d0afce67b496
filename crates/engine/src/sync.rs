//! Which locks do we use? The standard library's, named in one place.
//!
//! So that the same code can run under a scheduler that explores interleavings: with the feature
//! `shuttle` its locks are ours, which is for `tests/interleavings.rs` alone. A lock is never given up as poisoned: what it guards is
//! changed in steps that cannot panic half-way, and a server goes on.

#[cfg(feature = "shuttle")]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(feature = "shuttle"))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

/// Takes the lock, whatever happened to the thread that had it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Gives `guard` up, sleeps until somebody notifies or for `limit`, takes it again.
pub(crate) fn wait_for<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    limit: std::time::Duration,
) -> MutexGuard<'a, T> {
    condvar.wait_timeout(guard, limit).unwrap_or_else(std::sync::PoisonError::into_inner).0
}

/// Gives `guard` up, sleeps until somebody notifies, takes it again.
pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner)
}
