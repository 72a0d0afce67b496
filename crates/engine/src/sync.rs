//! Which locks do we use? The standard library's, named in one place.
//!
//! So that the same code can run under a scheduler that explores interleavings (shuttle): this file
//! is the only one to change for that. A lock is never given up as poisoned: what it guards is
//! changed in steps that cannot panic half-way, and a server goes on.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

/// Takes the lock, whatever happened to the thread that had it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Gives `guard` up, sleeps until somebody notifies, takes it again.
pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner)
}
