//! Which functions does the Python package call to update, to compare and to adopt?
//!
//! Each converts its arguments and asks the updating thread, or reads a field.

use std::collections::HashMap;
use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use transfuse_engine::{Budget, fork_gate, is_source, scan};

use crate::cpython::time_limit::Watchdog;
use crate::state::command::{Command, SourceOverrides};
use crate::state::request::request;
use crate::state::runtime;
use crate::state::settings::{Pattern, Settings};

/// Calls something that is told of an update: under the limit, as it is called by the updating thread,
/// which would make no update any more.
#[pyfunction]
#[pyo3(signature = (call, *args))]
pub fn limited<'py>(
    call: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    let limit = Watchdog::begin(runtime::required()?.settings().time_limit);
    let done = call.call1(args);
    drop(limit);
    done
}

/// Compares with the files now, and updates.
#[pyfunction]
#[pyo3(signature = (timeout=None))]
pub fn update(py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyDict>> {
    request(py, "update", timeout, Command::Update)
}

/// Makes an earlier generation's content current.
#[pyfunction]
#[pyo3(signature = (generation=None))]
pub fn rollback(py: Python<'_>, generation: Option<u64>) -> PyResult<Py<PyDict>> {
    request(py, "rollback", None, |reply| Command::Rollback(generation, reply))
}

/// What an update would do now.
#[pyfunction]
pub fn plan(py: Python<'_>) -> PyResult<Py<PyDict>> {
    request(py, "plan", None, Command::Plan)
}

/// What is served: the generation's number, and the fingerprint of its source.
#[pyfunction]
pub fn view(py: Python<'_>) -> PyResult<(u64, String)> {
    let runtime = runtime::required()?;
    let current = runtime.current(py);
    let view = current.get().view();
    Ok((current.get().id.0, py.detach(|| view.fingerprint()).to_string()))
}

/// The fingerprint of what the update under way would serve, if somebody is asked about one.
#[pyfunction]
pub fn wanted_view(py: Python<'_>) -> PyResult<Option<String>> {
    let runtime = runtime::required()?;
    let wanted = runtime.wanted.lock().clone();
    Ok(wanted.map(|view| py.detach(|| view.fingerprint()).to_string()))
}

/// Which files say on disk what is not served, and what is served of them; or what the update under
/// way would serve of them.
#[pyfunction]
#[pyo3(signature = (*, wanted))]
pub fn differing(py: Python<'_>, wanted: bool) -> PyResult<HashMap<PathBuf, Option<Py<PyBytes>>>> {
    let runtime = runtime::required()?;
    let current = match runtime.wanted.lock().clone() {
        Some(staged) if wanted => staged,
        _ => runtime.current(py).get().view(),
    };
    let found: Vec<_> = py.detach(|| {
        let _critical = fork_gate::enter_critical();
        let disk = scan(&*runtime.system, &runtime.roots, &Budget::new(0), &mut |_| {}).snapshot;
        let changes = disk.changes(&current).into_iter().filter(|c| is_source(&c.path));
        let text = |path: &PathBuf| current.get(path)?.text_or_read(&*runtime.system, path);
        changes.map(|change| (text(&change.path), change.path)).collect()
    });
    Ok(found
        .into_iter()
        .map(|(text, path)| (path, text.map(|text| PyBytes::new(py, &text).unbind())))
        .collect())
}

/// Serves these contents, whatever is on disk.
#[pyfunction]
pub fn adopt(py: Python<'_>, contents: SourceOverrides) -> PyResult<Py<PyDict>> {
    request(py, "adopt", None, |reply| Command::Adopt(contents, reply))
}

/// The next generation gets this number, or a higher one.
#[pyfunction]
pub fn number_from(least: u64) -> PyResult<()> {
    runtime::required()?.generations.number_from(least);
    Ok(())
}

/// From now on these settings hold. Modules that were run already stay as they are.
#[pyfunction]
#[pyo3(signature = (*, policy, modules, keep, keep_deleted, watch, resident, time_limit))]
pub fn configure(
    policy: &str,
    modules: Vec<Pattern>,
    keep: usize,
    keep_deleted: bool,
    watch: bool,
    resident: usize,
    time_limit: f64,
) -> PyResult<()> {
    let runtime = runtime::required()?;
    let mut settings =
        Settings::new(policy, modules, keep, keep_deleted, watch, None, resident, time_limit)?;
    settings.poll = runtime.settings().poll;
    runtime.generations.set_keep(keep);
    runtime.set_settings(settings);
    Ok(())
}
