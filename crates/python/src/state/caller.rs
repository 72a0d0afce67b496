//! Who is asking, and which generation answers?
//!
//! The rule, in one place: the pinned generation, if the caller's instance
//! belongs to it (or the caller is foreign). Else the newest generation that
//! the caller's instance belongs to. Foreign code that is not pinned asks for
//! the nearest live code that called it; where there is none, for the current
//! generation.

use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{ffi, intern};

use crate::cpython::frames::back;
use crate::state::generation::Generation;
use crate::state::live_module::LiveModule;
use crate::state::pin;
use crate::state::runtime::Runtime;

/// The instance whose code has these globals, if it is live code.
#[inline]
pub fn module_of_globals<'py>(
    py: Python<'py>,
    globals: &Bound<'py, PyAny>,
) -> Option<Bound<'py, LiveModule>> {
    let globals = globals.cast_exact::<PyDict>().ok()?;
    let loader = globals.get_item(intern!(py, "__loader__")).ok().flatten()?;
    loader.cast_into_exact::<LiveModule>().ok()
}

/// The generation that answers a live caller.
#[inline]
pub fn generation_for_live<'py>(
    py: Python<'py>,
    runtime: &Runtime,
    caller: &Bound<'py, LiveModule>,
) -> Bound<'py, Generation> {
    if let Some(pinned) = pin::pinned(py)
        && pinned.get().holds(py, caller)
    {
        return pinned;
    }
    // In this order: who sees the swap of an update sees also where it has put its caller.
    let current = runtime.current(py);
    caller.get().home(py).unwrap_or(current)
}

/// The generation that answers foreign code: facades, `import_module`, foreign import statements.
pub fn generation_for_foreign<'py>(py: Python<'py>, runtime: &Runtime) -> Bound<'py, Generation> {
    if let Some(pinned) = pin::pinned(py) {
        return pinned;
    }
    if runtime.diverged.load(Ordering::Acquire)
        && let Some(caller) = nearest(py)
    {
        return generation_for_live(py, runtime, &caller);
    }
    runtime.current(py)
}

/// The generation that answers the code that is running, live or foreign.
pub fn generation_for_running<'py>(py: Python<'py>, runtime: &Runtime) -> Bound<'py, Generation> {
    match immediate(py) {
        Some(caller) => generation_for_live(py, runtime, &caller),
        None => generation_for_foreign(py, runtime),
    }
}

/// The instance of the frame that is running, if that frame is live code's.
pub fn immediate(py: Python<'_>) -> Option<Bound<'_, LiveModule>> {
    // SAFETY: attached; the result is borrowed from the running frame, or null.
    let globals = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetGlobals()) }?;
    module_of_globals(py, &globals)
}

/// The instance of the nearest frame of live code, the running one included.
pub fn nearest(py: Python<'_>) -> Option<Bound<'_, LiveModule>> {
    // SAFETY: attached; the result is borrowed, or null when no Python code runs.
    let top = unsafe { ffi::PyEval_GetFrame() };
    // SAFETY: a frame object or null.
    let mut frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, top.cast()) };
    while let Some(here) = frame {
        if let Ok(globals) = here.getattr(intern!(py, "f_globals"))
            && let Some(found) = module_of_globals(py, &globals)
        {
            return Some(found);
        }
        frame = back(py, &here);
    }
    None
}

/// The instance that called the function of `importlib` that is running, if that is live code.
pub fn beyond_importlib(py: Python<'_>) -> Option<Bound<'_, LiveModule>> {
    // SAFETY: as in `nearest`.
    let top = unsafe { ffi::PyEval_GetFrame() };
    // SAFETY: a frame object or null.
    let mut frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, top.cast()) };
    while let Some(here) = frame {
        let globals = here.getattr(intern!(py, "f_globals")).ok()?;
        let name = globals.get_item(intern!(py, "__name__")).ok()?;
        let ours = name.extract::<&str>().is_ok_and(|name| {
            let top = name.split('.').next().unwrap_or(name);
            top == "importlib" || top == "transfuse"
        });
        if !ours {
            return module_of_globals(py, &globals);
        }
        frame = back(py, &here);
    }
    None
}
