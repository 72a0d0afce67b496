//! Which module is a file?
//!
//! Under the name that importing it would have, if that leads to this very file.
//! Otherwise it gets a name of its own, made of the file's name and its path, so
//! that two files of one name in two folders are two modules.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use transfuse_engine::{Digest, FileSystem, ModuleName};

use crate::cpython::exceptions;
use crate::loading::{kept_origin, load, load::Loaded, names_of_file, search::Resolution};
use crate::state::{caller, runtime, runtime::Runtime, scope::Scope};

/// `transfuse.import_module` of a file.
#[pyfunction]
pub fn import_path(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyAny>> {
    let runtime = runtime::required()?;
    let scope = caller::scope_of(py, runtime, caller::beyond_importlib(py).as_ref());
    let shown = path.display();
    py.detach(|| runtime.system.metadata(&path)).map_err(|error| {
        exceptions::import(py, &format!("cannot import {shown}: {error}"), &shown.to_string())
    })?;
    let spelled = runtime.roots.path_under_root(&*runtime.system, &path);
    let Some(path) = spelled.filter(|path| runtime.roots.root_of(path).is_some()) else {
        let message = format!(
            "cannot import {shown}: it lies under none of the roots; add its folder to the roots"
        );
        return Err(exceptions::import(py, &message, &shown.to_string()));
    };
    let name = match name_of(&scope, &path)? {
        Some(name) => name,
        None => synthetic_name(runtime, &path)?,
    };
    let ensured = match load::load(&scope, &name)? {
        // A foreign module has the name already: `/srv/site/calendar.py` where the standard
        // library's was imported first. The file is meant, whatever else is called like it.
        Loaded::Foreign => load::load(&scope, &synthetic_name(runtime, &path)?)?,
        ensured => ensured,
    };
    match ensured {
        Loaded::Live(found) => Ok(found.get().value(py)),
        _ => Err(exceptions::import(py, &format!("cannot import {shown}"), &shown.to_string())),
    }
}

/// The name that importing the file would have, if it has one.
fn name_of(scope: &Scope<'_>, path: &Path) -> PyResult<Option<ModuleName>> {
    let runtime = scope.runtime;
    // Under its root first: that is how the files beside it import it.
    let under_root = runtime.roots.name_of(path).into_iter();
    for name in under_root.chain(names_of_file::would_be(scope.py, runtime, path)) {
        let found = match name.parent() {
            None => kept_origin::top_level(scope, &name)?,
            Some(_) => match load::load(scope, &name) {
                Ok(Loaded::Live(found)) if found.get().path.as_deref() == Some(path) => {
                    return Ok(Some(name));
                }
                Err(error) => return Err(error),
                Ok(_) => continue,
            },
        };
        if matches!(found, Resolution::Source(origin) if origin.path == path) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// A name of its own for a file, the same each time.
fn synthetic_name(runtime: &'static Runtime, path: &Path) -> PyResult<ModuleName> {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().replace('.', "_"));
    let digest = Digest::of(path.to_string_lossy().as_bytes()).to_string();
    let name = format!("{}_{}", stem.unwrap_or_default(), &digest[..8]);
    let name = ModuleName::new(&name).map_err(|error| exceptions::from_engine(&error))?;
    runtime.synthetic_names.insert(name.clone(), path);
    Ok(name)
}
