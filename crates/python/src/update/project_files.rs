//! How do changes of the project's own files, settings and requirements, take effect?
//!
//! Python knows which files these are and how to read them (`transfuse/config/project_files.py`). The
//! listener notices a change; then Python reads them again, and the result is reported like an update.

use pyo3::{intern, prelude::*, types::PyDict};
use transfuse_engine::{Restart, RestartCode};

use crate::{state::runtime::Runtime, update::report::ProjectFilesReport};

/// Has Python read the files and, if `apply`, apply the changes that need no restart. Fails if a file is
/// invalid.
pub fn reread(py: Python<'_>, runtime: &Runtime, apply: bool) -> PyResult<ProjectFilesReport> {
    let read = runtime.reconsider.call(py, (apply,))?.cast_into::<PyDict>()?;
    let item = |key| Ok::<_, PyErr>(read.get_item(key)?.unwrap_or(py.None().into_bound(py)));
    let restart: Vec<(String, String, String)> = item(intern!(py, "restart"))?.extract()?;
    let code = |code: &str| match code {
        "requirement" => RestartCode::Requirement,
        _ => RestartCode::Setting,
    };
    Ok(ProjectFilesReport {
        changed: item(intern!(py, "changed"))?.extract()?,
        notes: item(intern!(py, "notes"))?.extract()?,
        restart: restart
            .into_iter()
            .map(|(name, kind, what)| Restart { name, code: code(&kind), what, path: None })
            .collect(),
    })
}
