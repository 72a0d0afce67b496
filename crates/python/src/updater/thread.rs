//! How does the updating thread start, and how does it stop?
//!
//! It is a thread of Python's `threading`, so that code it runs finds an ordinary thread. `driver` is
//! what it runs.

use std::{path::PathBuf, sync::atomic::Ordering};

use pyo3::{intern, prelude::*, sync::PyOnceLock, types::PyDict};
use transfuse_engine::fork_gate;
use transfuse_engine::sync::Mutex;

use crate::cpython::{at_end, at_end::Inside};
use crate::state::{command::Command, runtime, runtime::Runtime};
use crate::updater::driver::Driver;

/// The thread, for `uninstall` and the end of the process to stop. Written under the GIL.
static THREAD: Mutex<Option<Py<PyAny>>> = Mutex::new(None);

pub fn start_updating(
    py: Python<'_>,
    runtime: &'static Runtime,
    dirs: Vec<PathBuf>,
) -> PyResult<()> {
    let (commands, receiver) = crossbeam_channel::unbounded();
    runtime.listen_to(commands);
    runtime.updating_ended.store(false, Ordering::Release);
    let driver = py.detach(|| {
        let _critical = fork_gate::enter_critical();
        Driver::new(runtime, receiver, &dirs)
    });
    let target = Bound::new(py, UpdaterThread(Mutex::new(Some(driver))))?;
    let options = PyDict::new(py);
    options.set_item("target", target)?;
    options.set_item("name", "transfuse-update")?;
    options.set_item("daemon", true)?;
    let thread = py.import("transfuse.config.native")?.call_method("thread", (), Some(&options))?;
    thread.call_method0("start")?;
    let old = THREAD.lock().replace(thread.unbind());
    drop(old);
    Ok(())
}

/// Stops the thread before the interpreter ends.
pub fn at_exit(py: Python<'_>) -> PyResult<()> {
    static ONCE: PyOnceLock<()> = PyOnceLock::new();
    ONCE.get_or_try_init(py, || {
        let core = py.import(intern!(py, "transfuse._core"))?;
        let stop = pyo3::wrap_pyfunction!(stop_updating, &core)?;
        py.import("atexit")?.call_method1("register", (stop,)).map(drop)
    })
    .copied()
}

/// Stops the updating thread and waits for its end.
#[pyfunction]
pub fn stop_updating(py: Python<'_>) -> PyResult<()> {
    if let Some(runtime) = runtime::in_force() {
        runtime.command(Command::Stop);
    }
    let thread = THREAD.lock().take();
    if let Some(thread) = thread {
        thread.call_method1(py, "join", (STOPPING,))?;
    }
    at_end::wait_for_all(py);
    Ok(())
}

/// The updating thread's function.
#[pyclass(frozen, module = "transfuse._core")]
pub struct UpdaterThread(Mutex<Option<Driver>>);

#[pymethods]
impl UpdaterThread {
    fn __call__(&self, py: Python<'_>) {
        let _inside = Inside::enter();
        let driver = self.0.lock().take();
        if let Some(mut driver) = driver {
            driver.run(py);
            py.detach(|| drop(driver));
        }
    }
}

/// How long the end of the process waits for an update in progress, in seconds.
const STOPPING: f64 = 5.0;
