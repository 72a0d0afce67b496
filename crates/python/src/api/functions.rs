//! Which functions does the Python package call to update, to compare and to adopt?
//!
//! Each converts its arguments and sends a command to the updating thread, or reads a field.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use transfuse_engine::{
    Budget, Cause, Digest, FileSystem, GenerationId, fork_gate, is_source, scan,
};

use crate::cpython::{log, time_limit::Watchdog};
use crate::state::command::{
    Accept, AdoptCommand, BackTo, Command, RollbackCommand, SourceOverrides, UpdateCommand,
};
use crate::state::settings::{Pattern, Settings};
use crate::state::{lent_thread, request::request, runtime};

/// Calls a callback of an update under the time limit, because without its return the updating thread
/// would make no further update.
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

/// Runs the work of an update that is offered to this thread (`state/lent_thread.rs`).
#[pyfunction]
pub fn run_offered(py: Python<'_>) {
    lent_thread::run_offered(py);
}

/// Offers a call to a thread, by its `threading.get_ident`. What it raises is logged.
#[pyfunction]
pub fn offer(thread: u64, call: Py<PyAny>) {
    let work = move |py: Python<'_>| {
        if let Err(error) = call.call0(py) {
            let _ = log::complain(py, "a call of an update failed in the main thread", error);
        }
    };
    lent_thread::offer(thread, Box::new(work));
}

/// Compares with the files now, and updates.
#[pyfunction]
#[pyo3(signature = (timeout=None))]
pub fn update(py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyDict>> {
    let command = UpdateCommand { cause: Cause::Update, accept: Accept::None };
    request(py, "update", timeout, |reply| Command::Update(command, reply))
}

/// The same, with content that was set aside: of these files; none: of all.
#[pyfunction]
#[pyo3(signature = (paths=None))]
pub fn accept(py: Python<'_>, paths: Option<Vec<PathBuf>>) -> PyResult<Py<PyDict>> {
    let accept = paths.map_or(Accept::All, Accept::Of);
    let command = UpdateCommand { cause: Cause::Accept, accept };
    request(py, "accept", None, |reply| Command::Update(command, reply))
}

/// Compares with the files because another worker has found that these have changed.
#[pyfunction]
pub fn follow(py: Python<'_>, paths: Vec<PathBuf>) -> PyResult<Py<PyDict>> {
    let command = UpdateCommand { cause: Cause::Worker, accept: Accept::Of(paths) };
    request(py, "follow", None, |reply| Command::Update(command, reply))
}

/// Makes the content of an earlier generation current; refused if another one than `only_from` is current.
#[pyfunction]
#[pyo3(signature = (generation=None, *, dry_run=false, only_from=None))]
pub fn rollback(
    py: Python<'_>,
    generation: Option<u64>,
    dry_run: bool,
    only_from: Option<u64>,
) -> PyResult<Py<PyDict>> {
    let current = runtime::required()?.current(py).get().id;
    let from = only_from.map_or(current, GenerationId);
    let to = generation.map(GenerationId);
    let command = RollbackCommand { to, from, only_from: only_from.is_some(), dry_run };
    request(py, "rollback", None, |reply| Command::Rollback(command, reply))
}

/// Keeps a superseded generation, or the current one once it is superseded, independently of `keep`;
/// none: ends that.
#[pyfunction]
#[pyo3(signature = (generation))]
pub fn protect(generation: Option<u64>) -> PyResult<()> {
    runtime::required()?.generations.protect(generation.map(GenerationId));
    Ok(())
}

/// No update is made without being asked for, until `release` or for that many seconds.
#[pyfunction]
pub fn hold(seconds: f64) -> PyResult<u64> {
    let runtime = runtime::required()?;
    let limit = Duration::try_from_secs_f64(seconds).ok();
    let until = limit.and_then(|limit| Instant::now().checked_add(limit));
    let until = until.ok_or_else(|| PyValueError::new_err("seconds must be a time to come"))?;
    Ok(runtime.holds.begin(until))
}

/// Ends the hold with that number, or all of them. Returns how many there were.
#[pyfunction]
#[pyo3(signature = (number=None))]
pub fn release(number: Option<u64>) -> PyResult<usize> {
    let runtime = runtime::required()?;
    let ended = runtime.holds.end(number);
    runtime.command(Command::Released);
    Ok(ended)
}

/// The plan of an update now.
#[pyfunction]
pub fn plan(py: Python<'_>) -> PyResult<Py<PyDict>> {
    request(py, "plan", None, Command::Plan)
}

/// Reads the project's files again, for a process that has begun with older settings than others.
#[pyfunction]
pub fn read_project(py: Python<'_>) -> PyResult<()> {
    request(py, "read the settings", None, Command::ReadProject).map(drop)
}

/// The number of the current generation, and the fingerprint of its source.
#[pyfunction]
pub fn view(py: Python<'_>) -> PyResult<(u64, String)> {
    let runtime = runtime::required()?;
    let current = runtime.current(py);
    let view = current.get().view();
    Ok((current.get().id.0, py.detach(|| view.fingerprint()).to_string()))
}

/// The fingerprint of the source that the update in progress would serve, while its participants
/// prepare.
#[pyfunction]
pub fn wanted_view(py: Python<'_>) -> PyResult<Option<String>> {
    let runtime = runtime::required()?;
    let wanted = runtime.wanted.lock().clone();
    Ok(wanted.map(|view| py.detach(|| view.fingerprint()).to_string()))
}

/// Of these files those that are no source, as the current generation knows them, or the one that is
/// wanted: the digest, and `"served"`, `"data"` or `"existence"`.
#[pyfunction]
#[pyo3(signature = (paths, *, wanted=false))]
pub fn other_files(
    paths: Vec<PathBuf>,
    wanted: bool,
) -> PyResult<HashMap<PathBuf, (String, &'static str)>> {
    let runtime = runtime::required()?;
    let staged = runtime.wanted.lock().clone().filter(|_| wanted);
    let view = staged.unwrap_or_else(|| runtime.view());
    let known = paths.into_iter().filter(|path| !is_source(path)).filter_map(|path| {
        let source = view.get(&path)?;
        let kind = match () {
            () if source.is_served() => "served",
            () if source.is_existence() => "existence",
            () => "data",
        };
        let found = (source.digest().to_string(), kind);
        Some((path, found))
    });
    Ok(known.collect())
}

/// The files of which other content is served than is on disk, with the served one: by the current
/// generation, by the one that is wanted, or by the kept generation `of`.
#[pyfunction]
#[pyo3(signature = (*, wanted=false, of=None))]
pub fn differing(
    py: Python<'_>,
    wanted: bool,
    of: Option<u64>,
) -> PyResult<HashMap<PathBuf, Option<Py<PyBytes>>>> {
    let runtime = runtime::required()?;
    let kept = |id| runtime.generations.kept(GenerationId(id), |kept| kept.get().view());
    let view = match runtime.wanted.lock().clone() {
        Some(staged) if wanted => staged,
        _ => of.and_then(kept).unwrap_or_else(|| runtime.current(py).get().view()),
    };
    let found: Vec<_> = py.detach(|| {
        let _critical = fork_gate::enter_critical();
        let system = &*runtime.system;
        let disk = scan(system, &runtime.roots, &Budget::new(0)).snapshot;
        let changes = disk.changes(&view).into_iter().map(|change| change.path);
        let source = changes.filter(|path| is_source(path));
        let read = |path: &Path| system.read(path).ok().map(|content| Digest::of(&content));
        let served = view.iter().filter(|(path, source)| {
            let digest = Some(source.digest()).filter(|_| !source.is_absent());
            source.is_served() && digest != read(path)
        });
        let all = source.chain(served.map(|(path, _)| path.to_owned()));
        let text = |path: &PathBuf| view.get(path)?.text_or_read(system, path);
        all.map(|path| (text(&path), path)).collect()
    });
    Ok(found
        .into_iter()
        .map(|(text, path)| (path, text.map(|text| PyBytes::new(py, &text).unbind())))
        .collect())
}

/// Serves these contents instead of those on disk.
#[pyfunction]
#[pyo3(signature = (contents, aside, back, others))]
pub fn adopt(
    py: Python<'_>,
    contents: SourceOverrides,
    aside: Vec<PathBuf>,
    back: Option<BackTo>,
    others: HashMap<PathBuf, String>,
) -> PyResult<Py<PyDict>> {
    let command = AdoptCommand { contents, aside, back, others };
    request(py, "adopt", None, |reply| Command::Adopt(command, reply))
}

/// Gives the next generation this number, or a higher one.
#[pyfunction]
pub fn number_from(least: u64) -> PyResult<()> {
    runtime::required()?.generations.number_from(least);
    Ok(())
}

/// Changes the settings. Modules that have run stay as they are.
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

/// From now on (or no longer) each thread panics under each lock before it takes it, for tests.
/// Returns the source files that took a lock since the last call.
#[cfg(feature = "testing")]
#[pyfunction]
pub fn _panic_under_locks(panics: bool) -> Vec<&'static str> {
    transfuse_engine::sync::testing::panic_under_locks(panics).into_iter().collect()
}
