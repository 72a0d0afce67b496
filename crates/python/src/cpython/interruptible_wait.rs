//! How does a thread wait for a module that another one is loading?
//!
//! Without the GIL, and in slices: between two of them signal handlers run, so that
//! Ctrl-C ends the waiting of the main thread, as it would end a load of its own.

use std::{hash::Hash, time::Duration};

use pyo3::{prelude::*, types::PyDict};
use transfuse_engine::{SingleFlight, Waited};

use crate::cpython::thread::thread;

/// How often a waiting thread checks for signals.
pub const SLICE: Duration = Duration::from_millis(100);

/// Waits until the load of `key` that is under way is over. Raises the error of a signal handler,
/// and waits no more then.
pub fn wait<K: Eq + Hash + Clone + Send + Sync>(
    py: Python<'_>,
    flights: &SingleFlight<K>,
    key: &K,
) -> PyResult<Waited> {
    let waiting = match flights.await_load(key, thread()) {
        Ok(waiting) => waiting,
        Err(ended) => return Ok(ended),
    };
    while !waiting.is_over() && !py.detach(|| waiting.wait_timeout(SLICE)) {
        py.check_signals()?;
        // So does an exception that another thread has raised in this one: a time limit.
        py.run(c"pass", Some(&PyDict::new(py)), None)?;
    }
    Ok(Waited::Finished)
}
