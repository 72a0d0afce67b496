//! How is code of an update ended that does not end by itself?
//!
//! After the time limit an exception is raised in the updating thread, wherever that is in Python
//! code. A module that is staged is refused with it; of a hook that an update calls (`__dispose__`,
//! `on_update`) it is logged. A call into C that does not return cannot be ended from outside.

use std::{sync::Arc, time::Duration, time::Instant};

use pyo3::{ffi, intern, prelude::*, types::PyDict};
use transfuse_engine::sync::{Condvar, Mutex};

use crate::cpython::thread::ident;

#[derive(Clone, Copy, PartialEq)]
enum WatchdogState {
    Running,
    /// The exception was raised. Whether it has arrived is unknown.
    Raised,
    /// The end was reached: nothing is raised any more.
    Over,
}

/// A time limit for this thread, until this is dropped.
pub struct Watchdog {
    /// Written by the thread that is limited and by the one that watches it; rung at the end.
    state: Arc<(Mutex<WatchdogState>, Condvar)>,
}

impl Watchdog {
    /// Limits the time of this thread from now on.
    pub fn begin(limit: Duration) -> Watchdog {
        let state = Arc::new((Mutex::new(WatchdogState::Running), Condvar::default()));
        let (thread, shared) = (ident(), Arc::clone(&state));
        let watch = move || {
            let (state, rung) = &*shared;
            let Some(until) = Instant::now().checked_add(limit) else { return };
            let mut guard = state.lock();
            while *guard == WatchdogState::Running {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    // The GIL is asked for without the lock.
                    drop(guard);
                    return Python::attach(|py| raise(py, thread, state));
                }
                guard = rung.wait_timeout(guard, left);
            }
        };
        // Without a thread there is no limit; the update itself goes on.
        let _ = std::thread::Builder::new().name("transfuse-limit".to_owned()).spawn(watch);
        Watchdog { state }
    }
}

impl Drop for Watchdog {
    /// An exception that was raised and has not arrived yet arrives here, and is dropped.
    fn drop(&mut self) {
        let (state, rung) = &*self.state;
        let before = std::mem::replace(&mut *state.lock(), WatchdogState::Over);
        rung.notify_all();
        if before == WatchdogState::Raised {
            Python::attach(arrive);
        }
    }
}

fn raise(py: Python<'_>, thread: u64, state: &Mutex<WatchdogState>) {
    let errors = py.import(intern!(py, "transfuse.errors"));
    let Ok(kind) = errors.and_then(|e| e.getattr(intern!(py, "TimeLimitExceeded"))) else { return };
    // Under the lock, so that nothing is raised after the end: without a GIL that may come in
    // between. The call only notes the class.
    let mut state = state.lock();
    if *state == WatchdogState::Running {
        *state = WatchdogState::Raised;
        // SAFETY: attached; the class is a live object.
        unsafe { ffi::PyThreadState_SetAsyncExc(thread as _, kind.as_ptr()) };
    }
}

/// Lets an exception that was raised in this thread arrive, if it has not yet.
///
/// Taking it back is not enough: up to Python 3.12 the interpreter goes on looking for it, at each
/// call in each thread, until one arrives (`_PyEval_SignalAsyncExc` in CPython's `ceval_gil.c`).
pub fn arrive(py: Python<'_>) {
    let nothing = PyDict::new(py);
    let _ = py.run(c"pass", Some(&nothing), None);
}
