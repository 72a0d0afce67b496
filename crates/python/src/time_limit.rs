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
    /// The thread that is limited.
    thread: u64,
    /// Whether the end was reached: written by that thread, and then nothing is raised any more.
    over: Arc<(Mutex<bool>, Condvar)>,
}

impl Limit {
    /// From now on, `limit` for what this thread does.
    pub fn begin(limit: Duration) -> Limit {
        let over = Arc::new((Mutex::new(false), Condvar::new()));
        let (thread, shared) = (ident(), Arc::clone(&over));
        let watch = move || {
            let (over, rung) = &*shared;
            let until = Instant::now() + limit;
            let mut guard = over.lock().unwrap();
            while !*guard {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    // The GIL is asked for without the lock.
                    drop(guard);
                    return Python::attach(|py| raise(py, thread, over));
                }
                guard = rung.wait_timeout(guard, left).unwrap().0;
            }
        };
        // Without a thread there is no limit; the update itself goes on.
        let _ = std::thread::Builder::new().name("transfuse-limit".to_owned()).spawn(watch);
        Limit { thread, over }
    }

    /// It is over: what was raised and has not arrived is taken back.
    pub fn end(self, _py: Python<'_>) {
        let (over, rung) = &*self.over;
        *over.lock().unwrap() = true;
        rung.notify_all();
        // SAFETY: attached; null takes back what is pending for that thread.
        unsafe { ffi::PyThreadState_SetAsyncExc(self.thread as _, std::ptr::null_mut()) };
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

fn raise(py: Python<'_>, thread: u64, over: &Mutex<bool>) {
    let errors = py.import(intern!(py, "transfuse.errors"));
    let Ok(kind) = errors.and_then(|e| e.getattr(intern!(py, "TimeLimitExceeded"))) else { return };
    if !*over.lock().unwrap() {
        // SAFETY: attached; the class is a live object.
        unsafe { ffi::PyThreadState_SetAsyncExc(thread as _, kind.as_ptr()) };
    }
}
