//! How is a value made once, and how does it survive all updates?
//!
//! The values are in a dict that no update touches. `transfuse.once` is the Python side; the engine's
//! `SingleFlight` lets one thread make a value while others wait.

use pyo3::{prelude::*, sync::PyOnceLock, types::PyDict, types::PyTuple};
use transfuse_engine::sync::Mutex;
use transfuse_engine::{Entered, SingleFlight, Waited};

use crate::cpython::{exceptions, interruptible_wait, thread::thread};

type OnceKey = (String, String);

/// (module, key) -> value. Entries never leave: that is the promise.
static VALUES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
/// One thread at a time makes the value of a key; others wait without the GIL.
static MAKERS: Mutex<Option<&'static SingleFlight<OnceKey>>> = Mutex::new(None);

fn makers() -> &'static SingleFlight<OnceKey> {
    MAKERS.lock().get_or_insert_with(|| Box::leak(Box::new(SingleFlight::default())))
}

/// The value made by `make` when `key` was first asked for in the module `scope`.
#[pyfunction]
pub fn once<'py>(
    py: Python<'py>,
    scope: String,
    key: String,
    make: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let values = VALUES.get_or_init(py, || PyDict::new(py).unbind()).bind(py);
    let entry = PyTuple::new(py, [&scope, &key])?;
    if let Some(value) = values.get_item(&entry)? {
        return Ok(value);
    }
    let flights = makers();
    let flight: OnceKey = (scope, key);
    loop {
        match flights.enter(&flight, thread()) {
            Entered::Run => break,
            Entered::Partial => {
                let (scope, key) = flight;
                return Err(exceptions::misuse(&format!(
                    "once({key:?}) in {scope} asks for itself while its value is being made"
                )));
            }
            Entered::Busy => {
                if interruptible_wait::wait(py, flights, &flight)? == Waited::Partial {
                    continue;
                }
                if let Some(value) = values.get_item(&entry)? {
                    return Ok(value);
                }
            }
        }
    }
    // If this fails, a thread that waits for the value makes it.
    let _making = Making(flights, flight);
    let made = match values.get_item(&entry)? {
        Some(value) => value,
        None => make.call0()?,
    };
    values.set_item(&entry, &made)?;
    Ok(made)
}

/// The module and the key of each value that was made, `("shop.web", "model")`.
pub fn keys(py: Python<'_>) -> PyResult<Vec<(String, String)>> {
    match VALUES.get(py) {
        Some(values) => values.bind(py).keys().extract(),
        None => Ok(Vec::new()),
    }
}

/// Says that this thread is making a value, until it is dropped.
struct Making(&'static SingleFlight<OnceKey>, OnceKey);

impl Drop for Making {
    fn drop(&mut self) {
        self.0.finish(&self.1, thread());
    }
}

/// Lets a forked child, in which only `thread` is left, make the values that others had begun.
pub fn only(thread: u64) {
    makers().keep_only(thread);
}
