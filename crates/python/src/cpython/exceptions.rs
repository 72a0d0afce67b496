//! How does an error of the runtime become a Python exception?
//!
//! The exceptions are defined in `transfuse/errors.py`, so that they can be
//! read, subclassed and documented there; this is the one place that makes them.

use pyo3::exceptions::{PyException, PyImportError, PyModuleNotFoundError};
use pyo3::{intern, prelude::*, types::PyDict, types::PyString};
use transfuse_engine::{EngineError, ModuleName, Restart};

fn make(name: &str, message: &str) -> PyErr {
    Python::attach(|py| {
        let made = py
            .import(intern!(py, "transfuse.errors"))
            .and_then(|errors| errors.getattr(name)?.call1((message,)));
        match made {
            Ok(error) => PyErr::from_value(error),
            Err(error) => error,
        }
    })
}

pub fn not_installed() -> PyErr {
    make(
        "NotInstalledError",
        "transfuse is not installed in this process; call transfuse.install()",
    )
}

/// Something was asked that makes no sense here.
pub fn misuse(message: &str) -> PyErr {
    make("TransfuseError", message)
}

pub fn fault(what: &str) -> PyErr {
    make("TransfuseError", &format!("a fault in Transfuse itself, please report it: {what}"))
}

/// There is no such generation to go back to.
pub fn generation(message: &str) -> PyErr {
    make("GenerationError", message)
}

/// Only fresh processes can serve that, because of these.
pub fn needs_fresh_processes(restart: &[Restart]) -> PyErr {
    let all: Vec<_> = restart.iter().map(|each| format!("{} ({})", each.name, each.what)).collect();
    let all = all.join(", ");
    make("NeedsFreshProcesses", &format!("only a fresh process can go back there: {all}"))
}

/// Too many former generations are in use for one more.
pub fn still_in_use(message: &str) -> PyErr {
    make("StillInUseError", message)
}

/// Code of an update ran for too long, in a call that no exception ends.
pub fn time_limit() -> PyErr {
    make(
        "TimeLimitExceeded",
        "the update took longer than the setting time_limit, and is in a call that does not return",
    )
}

/// The update that this code is part of was given up.
pub fn given_up() -> PyErr {
    make("GivenUp", "the update was given up for a newer one")
}

/// A source that a generation names cannot be had any more.
pub fn content_gone(message: &str) -> PyErr {
    make("ContentGone", message)
}

pub fn unreadable(path: &std::path::Path, error: &std::io::Error) -> PyErr {
    pyo3::exceptions::PyOSError::new_err(format!("cannot read {}: {error}", path.display()))
}

pub fn from_engine(error: &EngineError) -> PyErr {
    let name = match error {
        EngineError::RootMissing { .. } | EngineError::RootNotADirectory { .. } => "RootError",
        _ => "TransfuseError",
    };
    make(name, &error.to_string())
}

/// `ModuleNotFoundError`, worded as the import system words it.
pub fn not_found(py: Python<'_>, name: &str, parent: Option<&str>) -> PyErr {
    let message = match parent {
        Some(parent) => format!("No module named {name:?}; {parent:?} is not a package"),
        None => format!("No module named {name:?}"),
    }
    .replace('"', "'");
    import_error(py, py.get_type::<PyModuleNotFoundError>().into_any(), &message, name)
}

/// `ImportError` for a name that the package `from` lacks, in the interpreter's words.
pub fn cannot_import(
    py: Python<'_>,
    from: &ModuleName,
    file: Option<&str>,
    name: &Bound<'_, PyString>,
) -> PyResult<PyErr> {
    let place = file.unwrap_or("unknown location");
    let message = format!("cannot import name '{}' from '{from}' ({place})", name.to_str()?);
    Ok(import(py, &message, from.as_str()))
}

/// `ImportError` with its `name` set.
pub fn import(py: Python<'_>, message: &str, name: &str) -> PyErr {
    import_error(py, py.get_type::<PyImportError>().into_any(), message, name)
}

fn import_error(py: Python<'_>, kind: Bound<'_, PyAny>, message: &str, name: &str) -> PyErr {
    let made = PyDict::new(py);
    match made.set_item("name", name).and_then(|()| kind.call((message,), Some(&made))) {
        Ok(error) => PyErr::from_value(error),
        Err(error) => PyException::new_err(error.to_string()),
    }
}

/// Whether others have seen later files, so that it is too early for this update.
pub fn is_outdated(py: Python<'_>, error: &PyErr) -> bool {
    let kind = py.import(intern!(py, "transfuse.errors")).and_then(|e| e.getattr("Outdated"));
    kind.is_ok_and(|kind| error.matches(py, kind).unwrap_or(false))
}

/// The same error, whose exception has its traceback: before 3.12 it gets that when Python code catches
/// it.
pub fn with_traceback(py: Python<'_>, error: &PyErr) -> PyErr {
    let traceback = error.traceback(py);
    let _ = error.value(py).setattr(intern!(py, "__traceback__"), traceback);
    error.clone_ref(py)
}
