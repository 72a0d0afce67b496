//! Which attribute did a live module set on a foreign module, and what was it before?
//!
//! When they are set and undone is decided in `effects/foreign_patches.rs`.

use pyo3::{gc::PyTraverseError, gc::PyVisit, prelude::*, types::PyModule};

/// One attribute of a foreign module, as it was when the importing code got hold of that.
pub struct Before {
    pub module: Py<PyModule>,
    pub attribute: String,
    pub value: Option<Py<PyAny>>,
}

pub struct ForeignPatch {
    pub module: Py<PyModule>,
    pub attribute: String,
    /// The value before any live module set it; none: no such attribute.
    pub original: Option<Py<PyAny>>,
    /// The value that the live module set.
    pub value: Option<Py<PyAny>>,
}

impl ForeignPatch {
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.module)?;
        visit.call(&self.original)?;
        visit.call(&self.value)
    }

    pub fn copy(&self, py: Python<'_>) -> ForeignPatch {
        ForeignPatch {
            module: self.module.clone_ref(py),
            attribute: self.attribute.clone(),
            original: self.original.as_ref().map(|value| value.clone_ref(py)),
            value: self.value.as_ref().map(|value| value.clone_ref(py)),
        }
    }

    pub fn is_for(&self, other: &ForeignPatch) -> bool {
        self.module.is(&other.module) && self.attribute == other.attribute
    }
}
