//! Which frames is this thread running?
//!
//! The innermost first. Whose code a frame runs is `state/caller.rs`'s.

use pyo3::{ffi, intern, prelude::*, types::PyFrame};

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

/// What tells an instruction of a frame's code: the address of the code, and the offset.
pub fn place(frame: &Bound<'_, PyAny>) -> Option<(usize, i32)> {
    let py = frame.py();
    let code = frame.getattr(intern!(py, "f_code")).ok()?;
    let at = frame.getattr(intern!(py, "f_lasti")).ok()?.extract().ok()?;
    Some((code.as_ptr() as usize, at))
}
