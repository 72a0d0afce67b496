//! What does a generation hold only while it is staged?

use std::sync::atomic::AtomicBool;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::state::live_module::Instance;

/// What could not be done in place, for the report: the module, and what to know.
pub type Note = (String, String);

/// A module whose new source has run beside it.
#[pyclass(frozen, module = "transfuse._core")]
pub struct InPlace {
    /// The instance that stays.
    pub stays: Py<Instance>,
    /// The execution of the new source.
    pub shadow: Py<Instance>,
}

/// What modules that were run together are to become.
#[pyclass(frozen, module = "transfuse._core")]
pub struct Batch {
    /// The modules.
    pub modules: Vec<Py<InPlace>>,
    /// The `Change` of `transfuse/patching`.
    pub change: Py<PyAny>,
    /// Its pairs of calls: what to do, and what takes it back.
    pub steps: Py<PyList>,
    /// Whether the steps have been taken. Only the updating thread reads and writes it.
    pub done: AtomicBool,
}

impl InPlace {
    /// The instance that stays.
    pub fn stays(&self) -> &Instance {
        self.stays.get()
    }

    /// The execution of the new source.
    pub fn shadow<'py>(&self, py: Python<'py>) -> Bound<'py, Instance> {
        self.shadow.bind(py).clone()
    }
}

#[pymethods]
impl InPlace {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.stays)?;
        visit.call(&self.shadow)
    }
}

#[pymethods]
impl Batch {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for module in &self.modules {
            visit.call(module)?;
        }
        visit.call(&self.change)?;
        visit.call(&self.steps)
    }
}
