//! How is what happened told to Python?
//!
//! As plain dicts: `transfuse/updates/reports.py` makes its dataclasses of them.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple};
use transfuse_engine::{
    Change, ChangeKind, GenerationId, ModuleName, Outcome, Plan, Record, Restart, Step,
};

use crate::disposal;
use crate::engine::Engine;
use crate::in_place::Note;
use crate::project::Considered;

/// `logging.DEBUG`.
const DEBUG: u8 = 10;

/// One update.
pub fn of_record(
    py: Python<'_>,
    record: &Record,
    restart: &[Restart],
    notes: &[Note],
    error: Option<PyErr>,
) -> PyResult<Py<PyDict>> {
    let outcome = match record.outcome {
        Outcome::Published => "published",
        Outcome::Refused => "refused",
        Outcome::RolledBack => "rolled back",
    };
    let made = base(py, outcome, record.generation, &record.changed, &record.ran, restart)?;
    made.set_item("notes", PyList::new(py, notes.iter().map(|n| (&n.0, &n.1)))?)?;
    made.set_item("seconds", record.took.as_secs_f64())?;
    made.set_item("error", error.map(|error| error.into_value(py)))?;
    Ok(made.unbind())
}

/// What an update would do.
pub fn of_plan(
    py: Python<'_>,
    generation: GenerationId,
    changes: &[Change],
    plan: &Plan,
) -> PyResult<Py<PyDict>> {
    Ok(base(py, "planned", generation, changes, &plan.steps, &plan.restart)?.unbind())
}

/// Nothing to do.
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
    changes: &[Change],
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
    let list = PyList::empty(py);
    for entry in restart {
        list.append(of_restart(entry))?;
    }
    made.set_item("restart", list)?;
    Ok(made)
}

/// A change that waits for a restart: its name, its code, and what to do.
pub fn of_restart(entry: &Restart) -> (String, String, String) {
    (entry.name.clone(), entry.code.to_string(), entry.what.clone())
}

/// Files beside the code say something else, and no module is concerned.
pub fn of_project(
    py: Python<'_>,
    generation: GenerationId,
    considered: &Considered,
) -> PyResult<Py<PyDict>> {
    let made = base(py, "unchanged", generation, &[], &[], &considered.restart)?;
    made.set_item("changed", &considered.changed)?;
    made.set_item("notes", &considered.notes)?;
    made.set_item("seconds", 0.0)?;
    made.set_item("error", py.None())?;
    Ok(made.unbind())
}

/// A step of an update begins: for those who watch a long one.
pub fn running(py: Python<'_>, engine: &Engine, name: &ModuleName, (index, count): (usize, usize)) {
    let made = PyDict::new(py);
    let filled = made
        .set_item("outcome", "running")
        .and_then(|()| made.set_item("name", name.as_str()))
        .and_then(|()| made.set_item("index", index))
        .and_then(|()| made.set_item("count", count))
        .and_then(|()| made.set_item("generation", engine.current(py).get().id.0));
    if filled.is_ok() {
        send(py, engine, &made);
    }
}

/// Logs, for those who want to know (the level is DEBUG), that a module was loaded when it was asked
/// for. What an update runs is told by its report.
pub fn loaded(py: Python<'_>, name: &ModuleName, file: Option<&str>, generation: u64) {
    static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let logger = LOGGER.get_or_try_init(py, || -> PyResult<_> {
        let logging = py.import(intern!(py, "logging"))?;
        Ok(logging.call_method1(intern!(py, "getLogger"), ("transfuse",))?.unbind())
    });
    let told = logger.and_then(|logger| {
        let logger = logger.bind(py);
        if logger.call_method1(intern!(py, "isEnabledFor"), (DEBUG,))?.is_truthy()? {
            let words = "loaded %s from %s for generation %d";
            let file = file.unwrap_or("no file");
            logger.call_method1("debug", (words, name.as_str(), file, generation))?;
        }
        Ok(())
    });
    if let Err(error) = told {
        error.write_unraisable(py, None);
    }
}

/// Tells the log, once each, of what cannot be read and concerns nobody.
pub fn unreadable(py: Python<'_>, engine: &Engine) {
    let news = engine.unreadable.lock().unwrap().news();
    for (path, why) in news {
        let told = format!(
            "cannot read {}: {why}; no module comes from there, so updates go on without it (exclude \
             it if none is to come)",
            path.display()
        );
        warning(py, &told);
    }
}

/// Warns in the log, from wherever it is.
pub fn warn(what: &str) {
    Python::attach(|py| warning(py, what));
}

fn warning(py: Python<'_>, what: &str) {
    let told = py.import(intern!(py, "logging")).and_then(|logging| {
        let logger = logging.call_method1(intern!(py, "getLogger"), ("transfuse",))?;
        logger.call_method1(intern!(py, "warning"), ("%s", what))
    });
    if let Err(error) = told {
        error.write_unraisable(py, None);
    }
}

/// Hands a report to whoever installed the engine.
pub fn send(py: Python<'_>, engine: &Engine, report: &Bound<'_, PyDict>) {
    if let Err(error) = engine.report.call(py, (report,)) {
        let _ = disposal::complain(py, "the report of an update could not be delivered", error);
    }
}
