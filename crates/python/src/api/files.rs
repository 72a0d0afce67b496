//! How do Python code and template engines read files by generation?
//!
//! The caller is the live code that calls `transfuse.read_text`, or the foreign code of a template
//! engine, which stands for its unit of work.

use std::path::PathBuf;

use pyo3::{prelude::*, types::PyBytes};
use transfuse_engine::Digest;

use crate::effects::served_files;
use crate::loading::source_text;
use crate::state::{caller, runtime, scope::Scope};

/// The generation that answers the caller; none if Transfuse is not installed.
fn scope(py: Python<'_>) -> Option<Scope<'_>> {
    let runtime = runtime::in_force()?;
    Some(caller::scope_of(py, runtime, caller::beyond_importlib(py).as_ref()))
}

/// The digest of a file in the caller's generation, empty if it does not exist there. None for a file
/// that generations do not know.
#[pyfunction]
pub fn file_digest(py: Python<'_>, path: PathBuf) -> Option<String> {
    let (_, source) = served_files::find(&scope(py)?, &path)?;
    Some(if source.is_absent() { String::new() } else { source.digest().to_string() })
}

/// The digest of any content.
#[pyfunction]
pub fn digest(content: &[u8]) -> String {
    Digest::of(content).to_string()
}

/// The content of a file as `file_digest` finds it, after its digest. `ContentGone` if that was not kept.
#[pyfunction]
pub fn file_content(py: Python<'_>, path: PathBuf) -> PyResult<Option<(String, Py<PyBytes>)>> {
    let Some(scope) = scope(py) else { return Ok(None) };
    let Some((path, source)) = served_files::find(&scope, &path) else { return Ok(None) };
    if source.is_absent() {
        return Ok(Some((String::new(), PyBytes::new(py, b"").unbind())));
    }
    let content = source_text::text(&scope, &source, &path)?;
    Ok(Some((source.digest().to_string(), PyBytes::new(py, &content).unbind())))
}

/// Keeps the files of a folder of templates in all generations in use.
#[pyfunction]
pub fn keep_folder(py: Python<'_>, path: PathBuf) {
    if let Some(scope) = scope(py) {
        served_files::keep_folder(&scope, &path);
    }
}

/// The number of the generation that answers the caller, and the modules that ran for it, if it is
/// being staged. NotInstalledError without Transfuse.
#[pyfunction]
pub fn answering(py: Python<'_>) -> PyResult<(u64, Vec<String>)> {
    runtime::required()?;
    let Some(scope) = scope(py) else { return Ok((0, Vec::new())) };
    let generation = scope.generation.get();
    let ran = if scope.is_staged() { generation.executed(py) } else { Vec::new() };
    Ok((generation.id.0, ran.iter().map(|one| one.get().name.to_string()).collect()))
}
