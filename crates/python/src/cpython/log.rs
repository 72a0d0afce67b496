//! How does the core write to Python's `logging`?
//!
//! All messages go to the logger `transfuse`. An error in logging never stops the logged operation.

use pyo3::{intern, prelude::*, sync::PyOnceLock, types::PyDict};
use transfuse_engine::ModuleName;

fn logger(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let logger = LOGGER.get_or_try_init(py, || {
        Ok::<_, PyErr>(py.import("logging")?.call_method1("getLogger", ("transfuse",))?.unbind())
    });
    logger.map(|logger| logger.bind(py))
}

/// Logs an error that has no caller to go to.
pub fn complain(py: Python<'_>, what: &str, error: PyErr) -> PyResult<()> {
    let options = PyDict::new(py);
    options.set_item("exc_info", error.into_value(py))?;
    logger(py)?.call_method("error", (what,), Some(&options)).map(drop)
}

/// `logging.DEBUG`.
pub const DEBUG: u8 = 10;

/// Logs, at level DEBUG, that a module was loaded on demand. The modules that an update runs are in
/// its report.
pub fn loaded(py: Python<'_>, name: &ModuleName, file: Option<&str>, generation: u64) {
    let logged = logger(py).and_then(|logger| {
        if logger.call_method1(intern!(py, "isEnabledFor"), (DEBUG,))?.is_truthy()? {
            let words = "loaded %s from %s for generation %d";
            let file = file.unwrap_or("no file");
            logger.call_method1("debug", (words, name.as_str(), file, generation))?;
        }
        Ok(())
    });
    logged.unwrap_or_else(|error: PyErr| error.write_unraisable(py, None));
}

pub fn warning(py: Python<'_>, what: &str) {
    let logged =
        logger(py).and_then(|logger| logger.call_method1(intern!(py, "warning"), ("%s", what)));
    logged.map_or_else(|error| error.write_unraisable(py, None), drop);
}
