//! How does the core write to Python's `logging`?
//!
//! All messages go to the logger `transfuse`. An error in logging never changes what is logged about.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use transfuse_engine::ModuleName;

/// Logs an error that has no caller to go to.
pub fn complain(py: Python<'_>, what: &str, error: PyErr) -> PyResult<()> {
    let options = PyDict::new(py);
    options.set_item("exc_info", error.into_value(py))?;
    let logger = py.import("logging")?.call_method1("getLogger", ("transfuse",))?;
    logger.call_method("error", (what,), Some(&options))?;
    Ok(())
}

/// `logging.DEBUG`.
pub const DEBUG: u8 = 10;

/// Logs, at level DEBUG, that a module was loaded on demand. The modules that an update runs are in
/// its report.
pub fn loaded(py: Python<'_>, name: &ModuleName, file: Option<&str>, generation: u64) {
    static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let logger = LOGGER.get_or_try_init(py, || -> PyResult<_> {
        let logging = py.import(intern!(py, "logging"))?;
        Ok(logging.call_method1(intern!(py, "getLogger"), ("transfuse",))?.unbind())
    });
    let logged = logger.and_then(|logger| {
        let logger = logger.bind(py);
        if logger.call_method1(intern!(py, "isEnabledFor"), (DEBUG,))?.is_truthy()? {
            let words = "loaded %s from %s for generation %d";
            let file = file.unwrap_or("no file");
            logger.call_method1("debug", (words, name.as_str(), file, generation))?;
        }
        Ok(())
    });
    if let Err(error) = logged {
        error.write_unraisable(py, None);
    }
}

/// Warns in the log, from wherever it is.
pub fn warn(what: &str) {
    Python::attach(|py| warning(py, what));
}

pub fn warning(py: Python<'_>, what: &str) {
    let logged = py.import(intern!(py, "logging")).and_then(|logging| {
        let logger = logging.call_method1(intern!(py, "getLogger"), ("transfuse",))?;
        logger.call_method1(intern!(py, "warning"), ("%s", what))
    });
    if let Err(error) = logged {
        error.write_unraisable(py, None);
    }
}
