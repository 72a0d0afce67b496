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
    catch_unwind(AssertUnwindSafe(doing)).unwrap_or_else(|panic| Err(error(&*panic)))
}

/// The same where the error is dropped.
pub fn contained(doing: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(doing));
}

fn error(panic: &(dyn Any + Send)) -> PyErr {
    let what = panic.downcast_ref::<&str>().copied();
    let what = what.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    exceptions::fault(what.unwrap_or("a panic that says nothing"))
}
