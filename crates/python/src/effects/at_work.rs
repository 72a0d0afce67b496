//! Which objects change all the time, whatever module is running?

use pyo3::{intern, prelude::*, sync::PyOnceLock, types::PyTuple};

use crate::cpython::static_lookup;
use crate::state::runtime;

/// Whether an object is part of an event loop, or of what one runs, which changes all the time.
pub fn is_at_work(py: Python<'_>, object: &Bound<'_, PyAny>) -> bool {
    static TYPES: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    const NAMES: [(&str, &str); 5] = [
        ("asyncio", "AbstractEventLoop"),
        ("asyncio", "Handle"),
        ("asyncio", "Future"),
        ("contextvars", "Context"),
        ("types", "CoroutineType"),
    ];
    let is_loaded = TYPES.get(py).is_some()
        || runtime::in_force().is_some_and(|runtime| {
            let modules = runtime.sys_modules.bind(py);
            // The last that its package imports: it has all of these names.
            modules.contains(intern!(py, "asyncio.unix_events")).unwrap_or(false)
                || modules.contains(intern!(py, "asyncio.windows_events")).unwrap_or(false)
        });
    is_loaded
        && static_lookup::types(py, &TYPES, &NAMES)
            .is_ok_and(|types| static_lookup::is_a(object, types))
}
