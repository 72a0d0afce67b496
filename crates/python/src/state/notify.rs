//! How does a report of an update reach the Python package?
//!
//! Through the callback that `install` was given. `update/report.rs` makes the reports.

use pyo3::{prelude::*, types::PyDict};
use transfuse_engine::ModuleName;

use crate::cpython::{log, thread::ident};
use crate::state::{attempt, runtime::Runtime};

/// Reports that a step of an update begins, so that the progress of a long one is visible.
pub fn running(
    py: Python<'_>,
    runtime: &Runtime,
    name: &ModuleName,
    (index, count): (usize, usize),
) {
    if attempt::is_left_behind() {
        return;
    }
    let made = PyDict::new(py);
    let filled = made
        .set_item("outcome", "running")
        .and_then(|()| made.set_item("name", name.as_str()))
        .and_then(|()| made.set_item("index", index))
        .and_then(|()| made.set_item("count", count))
        .and_then(|()| made.set_item("thread", ident()))
        .and_then(|()| made.set_item("generation", runtime.current(py).get().id.0));
    if filled.is_ok() {
        send(py, runtime, &made);
    }
}

/// Reports that the code of an update did not end, and its thread is not waited for any more.
pub fn left_behind(py: Python<'_>, runtime: &Runtime, thread: u64) {
    let made = PyDict::new(py);
    let filled =
        made.set_item("outcome", "left behind").and_then(|()| made.set_item("thread", thread));
    if filled.is_ok() {
        send(py, runtime, &made);
    }
}

/// Hands a report to the callback that `install` was given.
pub fn send(py: Python<'_>, runtime: &Runtime, report: &Bound<'_, PyDict>) {
    if let Err(error) = runtime.report.call(py, (report,)) {
        let _ = log::complain(py, "the report of an update could not be delivered", error);
    }
}
