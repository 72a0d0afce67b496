//! Which handlers of `logging` does a module's code make?
//!
//! A handler is an object of a foreign class in a list of a foreign object, so no reference to it shows
//! which module added it. So `transfuse/registrations/log_handlers.py` tells of each handler that is
//! made. It belongs to the module that the same thread executes: other threads may make handlers
//! meanwhile. The handlers of a module are exchanged when it has run again.

use std::cell::RefCell;

use pyo3::types::PyWeakrefReference;
use pyo3::{intern, prelude::*};

use crate::cpython::log;
use crate::state::{execution_stack, live_module::LiveModule};

thread_local! {
    /// The handlers that the executions of this thread have made and that are not recorded yet, each
    /// with the module. Taken when the execution has ended.
    static MADE: RefCell<Vec<(Py<LiveModule>, Py<PyWeakrefReference>)>> = const { RefCell::new(Vec::new()) };
}

/// While an update runs a module, the handlers of its former run are hidden from this thread, until this is
/// dropped: code adds a handler only where there is none.
pub struct Hidden(Option<Py<PyAny>>);

impl Hidden {
    pub fn begin(py: Python<'_>, former: Option<&Bound<'_, LiveModule>>) -> Hidden {
        let hide = || {
            let module = former.map(|former| former.get().module.bind(py));
            let hidden = package(py)?.call_method1(intern!(py, "hide"), (module,))?;
            Ok((!hidden.is_none()).then(|| hidden.unbind()))
        };
        let hidden = hide().unwrap_or_else(|error| {
            let _ = log::complain(py, "handlers of logging may stay as they are", error);
            None
        });
        Hidden(hidden)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let Some(hidden) = self.0.take() else { return };
        Python::attach(|py| {
            let shown =
                package(py).and_then(|all| all.call_method1(intern!(py, "show"), (hidden,)));
            if let Err(error) = shown {
                let _ = log::complain(py, "handlers of logging may be hidden", error);
            }
        });
    }
}

fn package(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    Ok(py.import(intern!(py, "transfuse.registrations.log_handlers"))?.into_any())
}

/// A handler of `logging` was made. Returns whether this thread executes a module.
pub fn made(handler: &Bound<'_, PyAny>) -> PyResult<bool> {
    let Some(module) = execution_stack::innermost(handler.py()) else { return Ok(false) };
    let handler = PyWeakrefReference::new(handler)?.unbind();
    MADE.with_borrow_mut(|made| made.push((module.unbind(), handler)));
    Ok(true)
}

/// The code of a module has ended: the handlers that it made are recorded with the loggers that have
/// them now.
pub fn ended(module: &Bound<'_, LiveModule>) {
    let py = module.py();
    if MADE.with_borrow(Vec::is_empty) {
        return;
    }
    let all = MADE.take();
    let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(of, _)| of.is(module));
    MADE.with_borrow_mut(|made| made.splice(0..0, others).for_each(drop));
    if own.is_empty() {
        return;
    }
    let handlers: Vec<_> = own.into_iter().map(|(_, handler)| handler).collect();
    let told = || {
        let module = module.get().module.bind(py);
        package(py)?.call_method1(intern!(py, "made"), (module, handlers))
    };
    if let Err(error) = told() {
        let _ = log::complain(py, "handlers of logging may be added twice", error);
    }
}

/// The outermost execution of this thread has ended.
pub fn forget() {
    drop(MADE.take());
}
