//! What if the core itself is at fault?
//!
//! A panic ends what was being done, and nothing else: the update that it comes up
//! in is refused, the module that was being loaded is not loaded, and whoever waits
//! is told. What was begun is ended on the way by whoever began it (`StagedUpdate`,
//! `Observation`, `Limit`, a pin, a turn). An exception of PyO3's that stands for a
//! panic comes up here, too.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;

use crate::cpython::exceptions;

/// Does it; a panic is an error like any other.
pub fn caught<R>(doing: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    catch_unwind(AssertUnwindSafe(doing)).unwrap_or_else(|panic| Err(error(&*panic)))
}

/// The same for what fails in silence.
pub fn contained(doing: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(doing));
}

fn error(panic: &(dyn Any + Send)) -> PyErr {
    let what = panic.downcast_ref::<&str>().copied();
    let what = what.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    exceptions::fault(what.unwrap_or("a panic that says nothing"))
}
