//! What do the files beside the code say: settings, requirements?
//!
//! Which files these are, and what a change in one of them means, is Python's to
//! know (`project.py`). The listener notices that one of them is another; then
//! it is asked, and what it answers is told like an update.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use transfuse_engine::{Restart, RestartCode};

use crate::state::runtime::Runtime;
use crate::update::report::ProjectFilesReport;

/// Has Python read the files and, if `apply`, apply what can be applied. Raises what is wrong with them.
pub fn reread(py: Python<'_>, runtime: &Runtime, apply: bool) -> PyResult<ProjectFilesReport> {
    let told = runtime.reconsider.call(py, (apply,))?.cast_into::<PyDict>()?;
    let item = |key| Ok::<_, PyErr>(told.get_item(key)?.unwrap_or(py.None().into_bound(py)));
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
