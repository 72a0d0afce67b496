//! Which live module does this thread execute, and does work that goes on see an execution?
//!
//! For adapters of frameworks that keep listeners of live code (`transfuse/frameworks/listeners.py`), and of
//! `logging` (`transfuse/registrations/log_handlers.py`).

use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule};

use crate::effects::log_handlers;
use crate::state::{caller, execution_stack, runtime};

/// The namespace of the live module whose source this thread is executing; none if there is none.
#[pyfunction]
pub fn executing(py: Python<'_>) -> Option<Bound<'_, PyDict>> {
    execution_stack::innermost(py).map(|instance| instance.get().namespace(py))
}

/// Whether the generation that answers the calling foreign code has the execution with this
/// namespace. Always true of one that is not a live module's.
#[pyfunction]
pub fn is_answering(namespace: &Bound<'_, PyDict>) -> bool {
    let py = namespace.py();
    let Some(runtime) = runtime::in_force() else { return true };
    if !runtime.diverged.load(Ordering::Acquire) {
        return true;
    }
    let Some(instance) = caller::module_of_globals(py, namespace) else { return true };
    caller::scope_of_foreign(py, runtime).holds(&instance)
}

/// Whether no generation has the execution with this namespace any more.
#[pyfunction]
pub fn is_former(namespace: &Bound<'_, PyDict>) -> bool {
    let py = namespace.py();
    let (Some(runtime), Some(instance)) =
        (runtime::in_force(), caller::module_of_globals(py, namespace))
    else {
        return false;
    };
    !runtime.alive(py).iter().any(|generation| generation.get().holds(py, &instance))
}

/// `logging` has made a handler: it belongs to the module that this thread executes. Returns whether there
/// is one.
#[pyfunction]
pub fn handler_made(handler: &Bound<'_, PyAny>) -> PyResult<bool> {
    log_handlers::made(handler)
}

/// The live module whose namespace these globals are; None if they are another's.
#[pyfunction]
pub fn module_of_globals(globals: &Bound<'_, PyAny>) -> Option<Py<PyModule>> {
    let py = globals.py();
    caller::module_of_globals(py, globals).map(|module| module.get().module.clone_ref(py))
}
