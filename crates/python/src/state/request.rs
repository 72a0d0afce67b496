//! How does a thread send a request to the updating thread, and wait for the answer?
//!
//! The requests themselves are in `state/command.rs`.

use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender};
use pyo3::{exceptions::PyTimeoutError, exceptions::PyValueError, prelude::*, types::PyDict};

use crate::cpython::{at_end::Inside, exceptions, interruptible_wait::SLICE, thread};
use crate::state::{command::Command, execution_stack, lent_thread, runtime, runtime::Runtime};

/// Asks the updating thread for something and waits for the answer, without the GIL.
pub fn request(
    py: Python<'_>,
    what: &str,
    timeout: Option<f64>,
    command: impl FnOnce(Sender<PyResult<Py<PyDict>>>) -> Command,
) -> PyResult<Py<PyDict>> {
    let runtime = runtime::required()?;
    refuse_inside(runtime, what)?;
    let deadline = timeout.map(deadline).transpose()?;
    let (sender, receiver) = crossbeam_channel::bounded(1);
    let gone = || exceptions::misuse("the updating thread has ended");
    if !runtime.command(command(sender)) {
        return Err(gone());
    }
    let inside = Inside::enter();
    let answer = loop {
        let slice = Instant::now() + SLICE;
        let until = deadline.map_or(slice, |deadline| deadline.min(slice));
        lent_thread::run_offered(py);
        match py.detach(|| receiver.recv_deadline(until)) {
            Err(RecvTimeoutError::Timeout) if deadline.is_none_or(|d| Instant::now() < d) => {
                // Ctrl-C ends the waiting; the update goes on in its own thread.
                py.check_signals()?;
            }
            answer => break answer,
        }
    };
    lent_thread::run_offered(py);
    drop(inside);
    match answer {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Timeout) => Err(PyTimeoutError::new_err(format!(
            "{what} has not ended within {} s; it goes on in the background",
            timeout.unwrap_or_default()
        ))),
        Err(RecvTimeoutError::Disconnected) => Err(gone()),
    }
}

/// The moment that many seconds from now, if there is one.
fn deadline(seconds: f64) -> PyResult<Instant> {
    let duration = Duration::try_from_secs_f64(seconds).ok();
    duration.and_then(|duration| Instant::now().checked_add(duration)).ok_or_else(|| {
        PyValueError::new_err(format!(
            "timeout must be a number of seconds from 0 on, not {seconds}; leave it out to wait for \
             as long as it takes"
        ))
    })
}

/// Code that an update is running, or that is being imported, cannot wait for an update.
pub fn refuse_inside(runtime: &Runtime, what: &str) -> PyResult<()> {
    if execution_stack::is_executing() {
        return Err(exceptions::misuse(&format!(
            "{what}() was called by code that is being imported; call it from a function that \
             runs later"
        )));
    }
    let updating = runtime.updating_thread.load(std::sync::atomic::Ordering::Acquire);
    if updating == thread::thread() {
        return Err(exceptions::misuse(&format!(
            "{what}() was called in the thread that carries updates out (a callback or a hook), \
             which cannot wait for itself; call it from another thread"
        )));
    }
    Ok(())
}
