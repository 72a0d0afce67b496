//! What if the code of an update does not end?
//!
//! After the time limit an exception is raised in the updating thread, wherever
//! that is in Python code, and the update is refused with it. A call into C that
//! does not return cannot be ended from outside.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;

use crate::units::ident;

/// A limit on what this thread does, until this is dropped.
pub struct Limit(Arc<Shared>);

/// What the limited thread and the one that watches it share.
#[derive(Default)]
struct Shared {
    /// Where it has come to. Locked for a comparison, and for the call that raises.
    stage: Mutex<Stage>,
    /// Rung when the end is reached.
    rung: Condvar,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Running,
    /// The exception is on its way, or has arrived. Written by the thread that watches.
    Raised,
    /// The end was reached. Written by the limited thread; nothing is raised any more.
    Over,
}

impl Limit {
    /// From now on, `limit` for what this thread does.
    pub fn begin(limit: Duration) -> Limit {
        let shared = Arc::new(Shared::default());
        let (thread, watched) = (ident(), Arc::clone(&shared));
        let watch = move || {
            let Some(until) = Instant::now().checked_add(limit) else { return };
            let mut stage = watched.stage.lock().unwrap();
            while *stage != Stage::Over {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    // The GIL is asked for without the lock.
                    drop(stage);
                    return Python::attach(|py| raise(py, thread, &watched));
                }
                stage = watched.rung.wait_timeout(stage, left).unwrap().0;
            }
        };
        // Without a thread there is no limit; the update itself goes on.
        let _ = std::thread::Builder::new().name("transfuse-limit".to_owned()).spawn(watch);
        Limit(shared)
    }
}

impl Drop for Limit {
    /// It is over: what was raised and has not arrived arrives here, where it hurts nobody.
    fn drop(&mut self) {
        let before = std::mem::replace(&mut *self.0.stage.lock().unwrap(), Stage::Over);
        self.0.rung.notify_all();
        if before == Stage::Raised {
            // Not taken back through the C interface: before Python 3.13 that leaves a mark which says
            // that something is on its way, for ever. All code is slower then, and with a profiler or
            // a debugger it does not go on at all.
            Python::attach(|py| drop(py.run(c"for _ in range(2): pass", None, None)));
        }
    }
}

fn raise(py: Python<'_>, thread: u64, shared: &Shared) {
    let errors = py.import(intern!(py, "transfuse.errors"));
    let Ok(kind) = errors.and_then(|e| e.getattr(intern!(py, "TimeLimitExceeded"))) else { return };
    // Under the lock, so that nothing is raised after the end: without a GIL that may come in between.
    // What is called only notes the class.
    let mut stage = shared.stage.lock().unwrap();
    if *stage == Stage::Running {
        *stage = Stage::Raised;
        // SAFETY: attached; the class is a live object.
        unsafe { ffi::PyThreadState_SetAsyncExc(thread as _, kind.as_ptr()) };
    }
}
