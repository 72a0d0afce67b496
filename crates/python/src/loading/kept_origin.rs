//! Does a module that runs again come from the file that it came from before?
//!
//! `sys.path` may change while the program runs: entries appear, go, are reordered, or are relative
//! and mean another directory after `os.chdir`. That says nothing about a module that is loaded. It
//! stays with its file as long as the new generation has that, unless a file that is new there comes
//! first.

use std::path::Path;

use pyo3::{intern, prelude::*, types::PyList};
use transfuse_engine::ModuleName;

use crate::loading::foreign_loader;
use crate::loading::search::{self, Resolution};
use crate::state::{live_module::LiveModule, module_source::SourceFile, scope::Scope};

/// Where the source of a top-level module lies.
pub fn top_level(scope: &Scope<'_>, name: &ModuleName) -> PyResult<Resolution> {
    let found = search::top_level(scope, name)?;
    let Some(base) = scope.base() else { return Ok(found) };
    let Some(previous) = base.find(name.as_str()) else { return Ok(found) };
    let Some(origin) = origin(scope, previous.get()) else { return Ok(found) };
    let keeps = match &found {
        Resolution::Source(other) if other.path == origin.path => true,
        Resolution::Source(other) => {
            base.generation.get().view().get(&other.path).is_some_and(|known| !known.is_absent())
        }
        _ => !is_searched(scope, &origin)?,
    };
    if !keeps {
        return Ok(found);
    }
    Ok(Resolution::Source(match found {
        Resolution::Source(same) if same.path == origin.path => {
            SourceFile { spec: same.spec, ..origin }
        }
        _ => claimed(scope, name, origin)?,
    }))
}

/// The same file, with the spec of a finder that claims it there.
fn claimed(scope: &Scope<'_>, name: &ModuleName, mut origin: SourceFile) -> PyResult<SourceFile> {
    let dir = origin.package.as_ref().unwrap_or(&origin.file);
    let dir = Path::new(dir).parent().map(Path::to_string_lossy);
    let path = PyList::new(scope.py, dir)?;
    if let Some(claim) = foreign_loader::claim(scope, name, path.as_any())? {
        claim.leaves_live(scope.runtime, name, &mut origin)?;
    }
    Ok(origin)
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
