//! Which frame called this one?

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyFrame;

pub fn back<'py>(py: Python<'py>, frame: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let frame = frame.cast::<PyFrame>().ok()?;
    // SAFETY: attached; a new reference, or null at the bottom.
    unsafe { Bound::from_owned_ptr_or_opt(py, ffi::PyFrame_GetBack(frame.as_ptr().cast()).cast()) }
}
