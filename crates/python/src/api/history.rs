//! Which generations can a rollback restore, and which content is set aside?
//!
//! Reads what updates have recorded, and records which applications were shut down.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::api::status::kept;
use crate::state::{command::BackTo, live_module::LiveModule, pin, runtime};
use crate::update::report;

/// The last updates, the oldest first, the generations that can be gone back to, and the current one.
#[pyfunction]
pub fn history(py: Python<'_>) -> PyResult<(Bound<'_, PyList>, Vec<u64>, u64)> {
    let runtime = runtime::required()?;
    let history = runtime.records.lock().history.clone();
    let current = runtime.current(py).get().id.0;
    Ok((report::of_history(py, &history)?, kept(py, runtime), current))
}

/// The files whose content on disk is set aside.
#[pyfunction]
pub fn set_aside() -> PyResult<Vec<PathBuf>> {
    Ok(runtime::required()?.set_aside.lock().paths())
}

/// The files that the update in progress changes, and the rollback that it is, if it is one, while
/// its participants prepare.
#[pyfunction]
pub fn wanted_changes(py: Python<'_>) -> PyResult<(Vec<PathBuf>, Option<BackTo>)> {
    let runtime = runtime::required()?;
    let back = *runtime.going_back.lock();
    let Some(wanted) = runtime.wanted.lock().clone() else { return Ok((Vec::new(), back)) };
    let current = runtime.view();
    let changes = py.detach(|| current.changes(&wanted));
    Ok((changes.into_iter().map(|change| change.path).collect(), back))
}

/// Records that an application was shut down: that of the executions of a module for which `is_it`
/// says so. They are made again by a rollback, and not woken.
#[pyfunction]
pub fn mark_shut_down(py: Python<'_>, module: &str, is_it: &Bound<'_, PyAny>) -> PyResult<()> {
    let Some(runtime) = runtime::in_force() else { return Ok(()) };
    for generation in runtime.alive(py) {
        let Some(instance) = generation.get().find(py, module) else { continue };
        if is_it.call1((instance.get().value(py),))?.is_truthy()? {
            instance.get().set_shut_down();
        }
    }
    Ok(())
}

/// Was the application of a module shut down, as the pinned generation has it?
#[pyfunction]
pub fn is_shut_down(py: Python<'_>, module: &str) -> bool {
    let instance = pin::pinned(py).and_then(|pinned| pinned.get().find(py, module));
    instance.is_some_and(|instance: Bound<'_, LiveModule>| instance.get().is_over())
}
