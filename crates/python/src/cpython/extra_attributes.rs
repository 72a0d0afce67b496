//! Which attributes did other code set on an object of ours?
//!
//! Loaders are ordinary objects in plain Python: instrumentation replaces `get_code` or
//! `exec_module` on one of them. Ours have no `__dict__` of their own; the first attribute that is
//! set makes one, which the cycle collector sees.

use pyo3::types::{PyDict, PyString};
use pyo3::{exceptions::PyAttributeError, ffi, gc::PyTraverseError, gc::PyVisit, prelude::*};
use transfuse_engine::sync::Mutex;

#[derive(Default)]
pub struct ExtraAttributes(
    /// `{"get_code": <function>}`. Held for a field access.
    Mutex<Option<Py<PyDict>>>,
);

impl ExtraAttributes {
    fn dict<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyDict>> {
        self.0.lock().as_ref().map(|dict| dict.bind(py).clone())
    }

    /// The attribute that other code has set.
    pub fn own<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.dict(py).map_or(Ok(None), |dict| dict.get_item(name))
    }

    /// The attribute as object attribute access finds it, those that other code has set first.
    pub fn get<'py>(
        &self,
        object: &Bound<'py, PyAny>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = object.py();
        if let Some(dict) = self.dict(py) {
            if name == "__dict__" {
                return Ok(dict.into_any());
            }
            if let Some(found) = dict.get_item(name)? {
                return Ok(found);
            }
        } else if name == "__dict__" {
            let made = PyDict::new(py);
            let dict = self.0.lock().get_or_insert_with(|| made.unbind()).clone_ref(py);
            return Ok(dict.into_bound(py).into_any());
        }
        // SAFETY: attached; two live objects; null means an exception is set.
        unsafe {
            let found = ffi::PyObject_GenericGetAttr(object.as_ptr(), name.as_ptr());
            Bound::from_owned_ptr_or_err(py, found)
        }
    }

    pub fn set(&self, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = name.py();
        let made = PyDict::new(py);
        let dict = self.0.lock().get_or_insert_with(|| made.unbind()).clone_ref(py);
        dict.bind(py).set_item(name, value)
    }

    pub fn delete(&self, name: &Bound<'_, PyString>) -> PyResult<()> {
        match self.dict(name.py()) {
            Some(dict) if dict.contains(name)? => dict.del_item(name),
            _ => Err(PyAttributeError::new_err(name.clone().unbind())),
        }
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        // The lock is never held across a point where the collector can run.
        match self.0.try_lock() {
            Some(dict) => visit.call(dict.as_ref()),
            None => Ok(()),
        }
    }
}
