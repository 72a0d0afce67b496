//! In which context (of `contextvars`) does this thread run?

use pyo3::{ffi, prelude::*};

/// This thread runs in a context of its own until this is dropped.
pub struct EnteredContext<'py>(Bound<'py, PyAny>);

impl<'py> EnteredContext<'py> {
    pub fn enter(context: Bound<'py, PyAny>) -> PyResult<Self> {
        // SAFETY: attached; a live object, of which the interpreter checks that it is a context.
        match unsafe { ffi::PyContext_Enter(context.as_ptr()) } {
            0 => Ok(EnteredContext(context)),
            _ => Err(PyErr::fetch(context.py())),
        }
    }
}

impl Drop for EnteredContext<'_> {
    fn drop(&mut self) {
        // SAFETY: attached; this thread has entered it.
        if unsafe { ffi::PyContext_Exit(self.0.as_ptr()) } != 0 {
            drop(PyErr::take(self.0.py()));
        }
    }
}
