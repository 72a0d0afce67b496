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

/// A handler of `logging` was made.
pub fn made(handler: &Bound<'_, PyAny>) -> PyResult<()> {
    if let Some(module) = execution_stack::innermost(handler.py()) {
        let handler = PyWeakrefReference::new(handler)?.unbind();
        MADE.with_borrow_mut(|made| made.push((module.unbind(), handler)));
    }
    Ok(())
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
        let name = intern!(py, "transfuse.registrations.log_handlers");
        let module = module.get().module.bind(py);
        py.import(name)?.getattr(intern!(py, "made"))?.call1((module, handlers))
    };
    if let Err(error) = told() {
        let _ = log::complain(py, "handlers of logging may be added twice", error);
    }
}

/// The outermost execution of this thread has ended.
pub fn forget() {
    drop(MADE.take());
}
