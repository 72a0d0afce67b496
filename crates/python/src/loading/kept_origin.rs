//! Does a module that runs again come from the file that it came from before?
//!
//! `sys.path` may change while the program runs: entries appear, go, are reordered, or are relative
//! and mean another directory after `os.chdir`. That says nothing about a module that is loaded. It
//! stays with its file as long as the new generation has that, unless a file that is new there comes
//! first.

use std::path::Path;

use pyo3::{intern, prelude::*, types::PyList};
use transfuse_engine::ModuleName;

use crate::loading::search::{self, Resolution};
use crate::state::{live_module::LiveModule, module_source::SourceFile, scope::Scope};

/// Where the source of a top-level module lies.
pub fn top_level(scope: &Scope<'_>, name: &ModuleName) -> PyResult<Resolution> {
    let py = scope.py;
    let found = search::top_level(scope, name)?;
    let (found, path) = match kept(scope, name, &found)? {
        Some(origin) => {
            let place = Path::new(origin.package.as_ref().unwrap_or(&origin.file));
            let path = PyList::new(py, place.parent().map(Path::to_string_lossy))?;
            (Resolution::Source(origin), path.into_any())
        }
        None => (found, py.import(intern!(py, "sys"))?.getattr(intern!(py, "path"))?),
    };
    match found {
        Resolution::Source(_) | Resolution::Namespace { .. } => {
            search::with_claims(scope, name, &path, found)
        }
        other => Ok(other),
    }
}

/// The file that the module stays with; none if the one that was found is to be taken.
fn kept(scope: &Scope<'_>, name: &ModuleName, found: &Resolution) -> PyResult<Option<SourceFile>> {
    let Some(base) = scope.base() else { return Ok(None) };
    let Some(previous) = base.find(name.as_str()) else { return Ok(None) };
    let Some(origin) = origin(scope, previous.get()) else { return Ok(None) };
    let keeps = match found {
        Resolution::Source(other) if other.path == origin.path => true,
        Resolution::Source(other) => {
            base.generation.get().view().get(&other.path).is_some_and(|known| !known.is_absent())
        }
        _ => !is_searched(scope, &origin)?,
    };
    Ok(keeps.then_some(origin))
}

/// The file that an instance came from, if the generation still has it.
fn origin(scope: &Scope<'_>, previous: &LiveModule) -> Option<SourceFile> {
    let (file, path) = (previous.file.clone()?, previous.path.clone()?);
    let view = scope.generation.get().view();
    view.get(&path).filter(|source| !source.is_absent())?;
    let folder = || Some(Path::new(&file).parent()?.to_string_lossy().into_owned());
    let package = if previous.package { Some(folder()?) } else { None };
    Some(SourceFile { file, path, package, spec: None })
}

/// Is the directory of a module, or of a package, an entry of `sys.path`?
fn is_searched(scope: &Scope<'_>, origin: &SourceFile) -> PyResult<bool> {
    let py = scope.py;
    let inside = if origin.package.is_some() { origin.path.parent() } else { Some(&*origin.path) };
    let dir = inside.and_then(Path::parent);
    for entry in py.import(intern!(py, "sys"))?.getattr(intern!(py, "path"))?.try_iter()? {
        if let Ok(entry) = entry?.extract::<String>()
            && scope.runtime.entry(&entry).as_deref() == dir
        {
            return Ok(true);
        }
    }
    Ok(false)
}
