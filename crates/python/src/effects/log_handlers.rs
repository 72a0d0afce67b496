//! Which handlers of `logging` does a module's code make?
//!
//! A handler is an object of a foreign class in a list of a foreign object, so no reference to it shows
//! which module added it. But `logging` lists all handlers in the order in which they were made: those
//! that are new when a module's code has ended are its own, or those of another thread.
//! `transfuse/registrations/log_handlers.py` exchanges them when the module has run again.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyModule};
use pyo3::{Py, intern};
use transfuse_engine::sync::Mutex;

use crate::cpython::log;
use crate::state::live_module::LiveModule;

/// The last of the handlers when they were looked at last. The lock is held to read or replace it.
static LAST: Mutex<Option<Py<PyAny>>> = Mutex::new(None);

/// The code of another module begins or this one's has ended: handlers made since the last look are
/// `of` this module, if any.
pub fn settle(py: Python<'_>, of: Option<&Bound<'_, LiveModule>>) {
    static HANDLERS: PyOnceLock<Py<PyList>> = PyOnceLock::new();
    let Ok(all) = HANDLERS.get_or_try_init(py, || {
        let all = PyModule::import(py, "logging")?.getattr("_handlerList")?;
        Ok::<_, PyErr>(all.cast_into::<PyList>()?.unbind())
    }) else {
        return;
    };
    let all = all.bind(py);
    let Some(last) = all.len().checked_sub(1).and_then(|last| all.get_item(last).ok()) else {
        return;
    };
    let before = LAST.lock().as_ref().map(|before| before.clone_ref(py));
    if before.as_ref().is_some_and(|before| before.is(&last)) {
        return;
    }
    let replaced = LAST.lock().replace(last.unbind());
    drop(replaced);
    let Some(of) = of else { return };
    let mut new: Vec<_> =
        all.iter().rev().take_while(|each| !before.as_ref().is_some_and(|b| b.is(each))).collect();
    new.reverse();
    let told = || {
        let name = intern!(py, "transfuse.registrations.log_handlers");
        py.import(name)?.getattr(intern!(py, "made"))?.call1((&of.get().module, new))
    };
    if let Err(error) = told() {
        let _ = log::complain(py, "handlers of logging may be added twice", error);
    }
}
