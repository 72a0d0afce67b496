//! How is a fault of the core itself contained?
//!
//! A panic ends one operation and nothing else: the update is refused, the module is not loaded,
//! and waiting threads get an error. Guards undo what was begun (`StagedUpdate`, `Observation`,
//! `Watchdog`, a pin, a lock). PyO3's exception for a panic is treated the same way.

use std::{any::Any, panic::AssertUnwindSafe, panic::catch_unwind};

use pyo3::prelude::*;

use crate::cpython::exceptions;

/// Calls `doing`; a panic becomes an error like any other.
pub fn caught<R>(doing: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    unwinds(doing).unwrap_or_else(|panic| Err(error(&*panic)))
}

/// The same where the error is dropped.
pub fn contained(doing: impl FnOnce()) {
    let _ = unwinds(doing);
}

fn unwinds<R>(doing: impl FnOnce() -> R) -> std::thread::Result<R> {
    catch_unwind(AssertUnwindSafe(|| {
        let stays = StaysInProcess;
        let result = doing();
        std::mem::forget(stays);
        result
    }))
}

/// Keeps a thread from being ended in the middle of our code.
///
/// Until Python 3.14, a thread that asks for the GIL while the interpreter ends is ended by
/// `pthread_exit`, which unwinds its stack, and the process aborts where that is caught ("FATAL:
/// exception not rethrown"). Such a thread waits here for the end of the process instead, as it does
/// from 3.14 on. It has no GIL.
struct StaysInProcess;

impl Drop for StaysInProcess {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            loop {
                std::thread::park();
            }
        }
    }
}

fn error(panic: &(dyn Any + Send)) -> PyErr {
    let what = panic.downcast_ref::<&str>().copied();
    let what = what.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    exceptions::fault(what.unwrap_or("a panic that says nothing"))
}
