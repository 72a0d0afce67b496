//! Which frames is this thread running?
//!
//! The innermost first. Whose code a frame runs is `state/caller.rs`'s.

use pyo3::types::{PyFrame, PyString};
use pyo3::{ffi, intern, prelude::*};

/// The frame that is running; none when no Python code runs.
pub fn top(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    // SAFETY: attached; the result is a borrowed frame object, or null.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) }
}

/// The frames from the running one outwards.
pub fn stack(py: Python<'_>) -> impl Iterator<Item = Bound<'_, PyAny>> {
    std::iter::successors(top(py), move |frame| {
        let frame = frame.cast::<PyFrame>().ok()?.as_ptr();
        // SAFETY: attached; a new reference, or null at the bottom.
        unsafe { Bound::from_owned_ptr_or_opt(py, ffi::PyFrame_GetBack(frame.cast()).cast()) }
    })
}

/// The code that a frame runs.
pub fn code<'py>(frame: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let frame = frame.cast::<PyFrame>().ok()?;
    // SAFETY: attached, a frame; the result is a new reference.
    unsafe {
        let code = ffi::PyFrame_GetCode(frame.as_ptr().cast());
        Bound::from_owned_ptr_or_opt(frame.py(), code.cast())
    }
}

/// Whether the running code mentions a global or an attribute of that name.
pub fn mentions(py: Python<'_>, name: &Bound<'_, PyString>) -> bool {
    let code = top(py).and_then(|frame| code(&frame));
    let names = code.and_then(|code| code.getattr(intern!(py, "co_names")).ok());
    names.is_some_and(|names| names.contains(name).unwrap_or(false))
}

/// The offset of the instruction of its code that a frame runs.
pub fn instruction(frame: &Bound<'_, PyAny>) -> Option<i32> {
    frame.getattr(intern!(frame.py(), "f_lasti")).ok()?.extract().ok()
}
