//! In which form do reports reach Python?
//!
//! As plain dicts: `transfuse/updates/reports.py` makes its dataclasses of them. `state::notify` sends
//! them.

use std::time::UNIX_EPOCH;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use transfuse_engine::{
    Cause, ChangeKind, FileChange, GenerationId, History, Outcome, Plan, Record, Restart, Step,
};

use crate::cpython::log::warning;
use crate::state::{command::BackTo, runtime::Runtime, staging_area::InPlaceNote};

pub fn of_record(
    py: Python<'_>,
    record: &Record,
    restart: &[Restart],
    notes: &[InPlaceNote],
    error: Option<PyErr>,
) -> PyResult<Py<PyDict>> {
    let outcome = match record.outcome {
        Outcome::Started => "started",
        Outcome::Published => "published",
        Outcome::Refused => "refused",
        Outcome::RolledBack => "rolled back",
    };
    let made = base(py, outcome, record.generation, &record.changed, &record.ran, restart)?;
    made.set_item("notes", PyList::new(py, notes.iter().map(|n| (&n.0, &n.1)))?)?;
    made.set_item("seconds", record.took.as_secs_f64())?;
    made.set_item("error", error.map(|error| error.into_value(py)))?;
    made.set_item("by", cause(record.cause))?;
    Ok(made.unbind())
}

/// The cause of an update, in Python's words.
fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Start => "start",
        Cause::Saved => "saved",
        Cause::Release => "release",
        Cause::Update => "update",
        Cause::Rollback => "rollback",
        Cause::Accept => "accept",
        Cause::Worker => "worker",
        Cause::FormerProcess => "former process",
    }
}

/// Adds the files whose content on disk is set aside.
pub fn add_set_aside(made: &Bound<'_, PyDict>, runtime: &Runtime) -> PyResult<()> {
    made.set_item("set_aside", runtime.set_aside.lock().paths())
}

/// The report of a rollback that is only planned.
pub fn of_rollback_plan(
    py: Python<'_>,
    runtime: &Runtime,
    changes: &[FileChange],
    plan: &Plan,
    back: BackTo,
) -> PyResult<Py<PyDict>> {
    let generation = runtime.current(py).get().id;
    let made = base(py, "planned", generation, changes, &plan.steps, &[])?;
    made.set_item("notes", PyList::empty(py))?;
    made.set_item("seconds", 0.0)?;
    made.set_item("error", py.None())?;
    made.set_item("by", cause(Cause::Rollback))?;
    made.set_item("back_to", back)?;
    add_set_aside(&made, runtime)?;
    Ok(made.unbind())
}

/// The last updates, the oldest first: what `transfuse.history()` is made of.
pub fn of_history<'py>(py: Python<'py>, history: &History) -> PyResult<Bound<'py, PyList>> {
    let all = PyList::empty(py);
    for record in history.iter() {
        let report = of_record(py, record, &[], &[], None)?.into_bound(py);
        let at = record.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        report.set_item("time", at)?;
        let until = record.until.and_then(|until| until.duration_since(UNIX_EPOCH).ok());
        report.set_item("until", until.map(|until| until.as_secs_f64()))?;
        report.set_item("error", record.error.as_deref())?;
        report.set_item("back_to", record.back_to.map(|id| id.0))?;
        all.append(report)?;
    }
    Ok(all)
}

pub fn of_plan(
    py: Python<'_>,
    generation: GenerationId,
    changes: &[FileChange],
    plan: &Plan,
    notes: &[InPlaceNote],
) -> PyResult<Py<PyDict>> {
    let made = base(py, "planned", generation, changes, &plan.steps, &plan.restart)?;
    made.set_item("notes", PyList::new(py, notes.iter().map(|n| (&n.0, &n.1)))?)?;
    Ok(made.unbind())
}

/// The report of an update that had nothing to do.
pub fn unchanged(py: Python<'_>, generation: GenerationId) -> Py<PyDict> {
    let made = base(py, "unchanged", generation, &[], &[], &[]).unwrap_or_else(|_| PyDict::new(py));
    let _ = made.set_item("notes", PyList::empty(py));
    let _ = made.set_item("seconds", 0.0);
    let _ = made.set_item("error", py.None());
    made.unbind()
}

fn base<'py>(
    py: Python<'py>,
    outcome: &str,
    generation: GenerationId,
    changes: &[FileChange],
    steps: &[Step],
    restart: &[Restart],
) -> PyResult<Bound<'py, PyDict>> {
    let made = PyDict::new(py);
    made.set_item("outcome", outcome)?;
    made.set_item("generation", generation.0)?;
    let changed = PyList::empty(py);
    for change in changes {
        let kind = match change.kind {
            ChangeKind::Created => "created",
            ChangeKind::Changed => "changed",
            ChangeKind::Deleted => "deleted",
        };
        changed.append(PyTuple::new(py, [&*change.path.to_string_lossy(), kind])?)?;
    }
    made.set_item("changed", changed)?;
    let ran = PyList::empty(py);
    for step in steps {
        ran.append(PyTuple::new(py, [step.name.as_str(), &step.reason.to_string()])?)?;
    }
    made.set_item("ran", ran)?;
    made.set_item("restart", restarts(restart))?;
    Ok(made)
}

/// A change that waits for a restart: its name, its code, and its remedy.
pub fn of_restart(entry: &Restart) -> (String, String, String) {
    (entry.name.clone(), entry.code.to_string(), entry.what.clone())
}

/// All of them.
pub fn restarts(entries: &[Restart]) -> Vec<(String, String, String)> {
    entries.iter().map(of_restart).collect()
}

/// The report of a change in the project's own files.
pub fn of_project(
    py: Python<'_>,
    generation: GenerationId,
    files: &ProjectFilesReport,
) -> PyResult<Py<PyDict>> {
    let made = base(py, "unchanged", generation, &[], &[], &files.restart)?;
    made.set_item("changed", &files.changed)?;
    made.set_item("notes", &files.notes)?;
    made.set_item("seconds", 0.0)?;
    made.set_item("error", py.None())?;
    Ok(made.unbind())
}

/// Logs, once each, the files that cannot be read and that no module needs.
pub fn unreadable(py: Python<'_>, runtime: &Runtime) {
    let news = runtime.unreadable.lock().news();
    for (path, why) in news {
        let message = format!(
            "cannot read {}: {why}; no module comes from there, so updates go on without it (exclude \
             it if none is to come)",
            path.display()
        );
        warning(py, &message);
    }
}

/// The effect of a change in the project's own files.
#[derive(Default)]
pub struct ProjectFilesReport {
    /// The files that changed, `("/srv/pyproject.toml", "changed")`.
    pub changed: Vec<(String, String)>,
    /// The changes that were applied, `("settings", "policy is 'fresh' now")`.
    pub notes: Vec<InPlaceNote>,
    /// The changes that need a restart, earlier ones included.
    pub restart: Vec<Restart>,
}
