//! Which lines of files does `linecache` have no longer?
//!
//! It reads a file once, and goes on to return the lines from then, also to a module that runs again
//! because the file has changed. A fresh process has read nothing yet.

use std::path::{Path, PathBuf};

use pyo3::types::{PyDict, PyString};
use pyo3::{intern, prelude::*};

use crate::state::runtime::Runtime;
use crate::update::staged_update::StagedUpdate;

impl StagedUpdate<'_> {
    /// The lines of files that differ in the staged generation are read again when code asks for them.
    pub(super) fn forget_lines(&self, py: Python<'_>) -> PyResult<()> {
        let modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?;
        let Ok(linecache) = modules.get_item(intern!(py, "linecache")) else { return Ok(()) };
        let Ok(lines) = linecache.getattr(intern!(py, "cache"))?.cast_into::<PyDict>() else {
            return Ok(());
        };
        let changes = self.base.get().view().changes(&self.staged.get().view());
        let changed: Vec<PathBuf> = changes.into_iter().map(|change| change.path).collect();
        for key in crate::cpython::snapshot::items(&lines).into_iter().map(|(key, _)| key) {
            let Ok(name) =
                key.cast_exact::<PyString>().map(|name| name.to_string_lossy().into_owned())
            else {
                continue;
            };
            if is_among(self.runtime, &changed, Path::new(&name)) {
                lines.del_item(&key)?;
            }
        }
        Ok(())
    }
}

/// Whether a file is among these. It may have been asked for by another spelling of its path.
fn is_among(runtime: &Runtime, changed: &[PathBuf], file: &Path) -> bool {
    if !changed.iter().any(|path| path.file_name() == file.file_name()) {
        return false;
    }
    let spelled = || runtime.roots.data_path(&*runtime.system, file);
    changed.iter().any(|path| path == file) || spelled().is_some_and(|path| changed.contains(&path))
}
