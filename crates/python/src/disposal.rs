//! When is a superseded instance disposed of?
//!
//! Once no unit of work is pinned to a generation that it belongs to. Its
//! `__dispose__` is called by the updating thread; what it raises is logged and
//! changes nothing else. New code has long been loaded by then.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::engine::Engine;
use crate::fault;
use crate::generation::Generation;
use crate::instance::Instance;

/// Calls `__dispose__` of every superseded instance that nobody is pinned to any more.
pub fn dispose_drained(py: Python<'_>, engine: &Engine) {
    let waiting: Vec<Py<Instance>> = std::mem::take(&mut engine.book.lock().unwrap().awaiting);
    let in_use = engine.in_use(py);
    let mut still_waiting = Vec::new();
    for instance in waiting {
        let bound = instance.bind(py);
        let held = |by: &Bound<'_, Generation>| by.get().holds(py, bound);
        let loading = !bound.get().is_ready();
        if in_use.iter().any(held) || loading && engine.alive(py).iter().any(held) {
            still_waiting.push(instance);
        } else if !loading {
            dispose(py, bound);
            engine.hide_if_gone(py, &bound.get().name);
        }
    }
    engine.book.lock().unwrap().awaiting.extend(still_waiting);
}

fn dispose(py: Python<'_>, instance: &Bound<'_, Instance>) {
    let namespace = instance.get().namespace(py);
    let Ok(Some(hook)) = namespace.get_item(intern!(py, "__dispose__")) else { return };
    if !instance.get().dispose() {
        return;
    }
    if let Err(error) = fault::caught(|| hook.call0()) {
        let name = instance.get().name.as_str();
        let file = instance.get().file.as_deref().unwrap_or("?");
        let _ = complain(py, &format!("__dispose__ of {name} ({file}) raised"), error);
    }
}

/// Logs an error that nobody else can be told of.
pub fn complain(py: Python<'_>, what: &str, error: PyErr) -> PyResult<()> {
    let options = PyDict::new(py);
    options.set_item("exc_info", error.into_value(py))?;
    let logger = py.import("logging")?.call_method1("getLogger", ("transfuse",))?;
    logger.call_method("error", (what,), Some(&options))?;
    Ok(())
}
