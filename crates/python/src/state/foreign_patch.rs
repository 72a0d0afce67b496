//! Which attribute did a live module set on a foreign module or class, and which value did it have before?
//!
//! When they are set and undone is decided in `effects/foreign_patches.rs`.

use pyo3::{gc::PyTraverseError, gc::PyVisit, prelude::*};

/// One attribute of a foreign module or class, as it was when the importing code got hold of that.
pub struct Before {
    pub target: Py<PyAny>,
    pub attribute: String,
    pub value: Option<Py<PyAny>>,
    /// Whether only functions of the importing code set it: other threads may do that, too.
    pub by_functions: bool,
}

pub struct ForeignPatch {
    pub target: Py<PyAny>,
    pub attribute: String,
    /// The value before any live module set it; none: no such attribute.
    pub original: Option<Py<PyAny>>,
    /// The value that the live module set.
    pub value: Option<Py<PyAny>>,
}

impl ForeignPatch {
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.target)?;
        visit.call(&self.original)?;
        visit.call(&self.value)
    }

    pub fn copy(&self, py: Python<'_>) -> ForeignPatch {
        ForeignPatch {
            target: self.target.clone_ref(py),
            attribute: self.attribute.clone(),
            original: self.original.as_ref().map(|value| value.clone_ref(py)),
            value: self.value.as_ref().map(|value| value.clone_ref(py)),
        }
    }

    pub fn is_for(&self, other: &ForeignPatch) -> bool {
        self.target.is(&other.target) && self.attribute == other.attribute
    }
}
