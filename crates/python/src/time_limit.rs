//! What if the code of an update does not end?
//!
//! After the time limit an exception is raised in the updating thread, wherever
//! that is in Python code. A module that is staged is refused with it; of a hook
//! that is called when an update is made (`__dispose__`, who is told of updates)
//! it is logged. A call into C that
//! does not return cannot be ended from outside.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::engine;
use crate::units::ident;

/// A limit on what this thread does, until [`Limit::end`].
pub struct Limit {
    /// How far it is; the bell is rung when it is over.
    shared: Arc<(Mutex<State>, Condvar)>,
}

/// Written by the limited thread (`over`) and by the one that watches it (`raised`), under one lock, so
/// that nothing is raised once it is over.
#[derive(Default)]
struct State {
    /// The end was reached.
    over: bool,
    /// The limit was passed before, and the exception is on its way or has arrived.
    raised: bool,
}

impl Limit {
    /// From now on, `limit` for what this thread does.
    pub fn begin(limit: Duration) -> Limit {
        let shared = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let (thread, seen) = (ident(), Arc::clone(&shared));
        let watch = move || {
            let (state, rung) = &*seen;
            let until = Instant::now() + limit;
            let mut guard = state.lock().unwrap();
            while !guard.over {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    // The GIL is asked for without the lock.
                    drop(guard);
                    return Python::attach(|py| raise(py, thread, state));
                }
                guard = rung.wait_timeout(guard, left).unwrap().0;
            }
        };
        // Without a thread there is no limit; the update itself goes on.
        let _ = std::thread::Builder::new().name("transfuse-limit".to_owned()).spawn(watch);
        Limit { shared }
    }

    /// It is over: what was raised and has not arrived is let arrive here.
    ///
    /// It is not taken back: in Python 3.11 `PyThreadState_SetAsyncExc` with null leaves the interpreter
    /// looking for an exception that does not come, and code that is profiled or traced stands still.
    pub fn end(self, py: Python<'_>) {
        let (state, rung) = &*self.shared;
        let raised = {
            let mut state = state.lock().unwrap();
            state.over = true;
            state.raised
        };
        rung.notify_all();
        if raised {
            // Any Python code will do in which the interpreter looks whether there is something.
            let _ = py.run(c"for _ in range(100): pass", None, None);
        }
    }
}

/// Calls something that is told of an update: under the limit, as it is called by the updating thread,
/// which would make no update any more.
#[pyfunction]
#[pyo3(signature = (call, *args))]
pub fn limited<'py>(
    call: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    let limit = Limit::begin(engine::required()?.settings().time_limit);
    let done = call.call1(args);
    limit.end(call.py());
    done
}

fn raise(py: Python<'_>, thread: u64, state: &Mutex<State>) {
    let errors = py.import(intern!(py, "transfuse.errors"));
    let Ok(kind) = errors.and_then(|e| e.getattr(intern!(py, "TimeLimitExceeded"))) else { return };
    let mut state = state.lock().unwrap();
    if !state.over {
        state.raised = true;
        // SAFETY: attached; the class is a live object. No Python code runs in it.
        unsafe { ffi::PyThreadState_SetAsyncExc(thread as _, kind.as_ptr()) };
    }
}
