//! What module is a file?
//!
//! Under the name that importing it would have, if that leads to this very file.
//! Otherwise it gets a name of its own, made of the file's name and its path, so
//! that two files of one name in two folders are two modules.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use transfuse_engine::{Digest, ModuleName, System};

use crate::cpython::exceptions;
use crate::loading::load::{self, Ensured};
use crate::loading::names_of_file;
use crate::loading::search::{self, Found};
use crate::state::caller;
use crate::state::runtime::{self, Engine};

/// `transfuse.import_module` of a file.
#[pyfunction]
pub fn import_path(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyAny>> {
    let engine = runtime::required()?;
    let generation = match caller::beyond_importlib(py) {
        Some(caller) => caller::for_live(py, engine, &caller),
        None => caller::for_foreign(py, engine),
    };
    let shown = path.display();
    py.detach(|| engine.system.stat(&path)).map_err(|error| {
        exceptions::import(py, &format!("cannot import {shown}: {error}"), &shown.to_string())
    })?;
    let spelled = engine.roots.spelled(&*engine.system, &path);
    let Some(path) = spelled.filter(|path| engine.roots.root_of(path).is_some()) else {
        let message = format!(
            "cannot import {shown}: it lies under none of the roots; add its folder to the roots"
        );
        return Err(exceptions::import(py, &message, &shown.to_string()));
    };
    let name = match name_of(py, engine, &generation, &path)? {
        Some(name) => name,
        None => made_up(engine, &path)?,
    };
    let ensured = match load::ensure(py, engine, &generation, &name)? {
        // A foreign module has the name already: `/srv/site/calendar.py` where the standard
        // library's was imported first. The file is meant, whatever else is called like it.
        Ensured::Foreign => load::ensure(py, engine, &generation, &made_up(engine, &path)?)?,
        ensured => ensured,
    };
    match ensured {
        Ensured::Live(found) => Ok(found.get().value(py)),
        _ => Err(exceptions::import(py, &format!("cannot import {shown}"), &shown.to_string())),
    }
}

/// The name that importing the file would have, if it has one.
fn name_of(
    py: Python<'_>,
    engine: &'static Engine,
    generation: &Bound<'_, crate::state::generation::Generation>,
    path: &Path,
) -> PyResult<Option<ModuleName>> {
    // Under its root first: that is how the files beside it import it.
    let under_root = engine.roots.name_of(path).into_iter();
    for name in under_root.chain(names_of_file::would_be(py, engine, path)) {
        let found = match name.parent() {
            None => search::top_level(py, engine, generation.get(), &name)?,
            Some(_) => match load::ensure(py, engine, generation, &name) {
                Ok(Ensured::Live(found)) if found.get().path.as_deref() == Some(path) => {
                    return Ok(Some(name));
                }
                Err(error) => return Err(error),
                Ok(_) => continue,
            },
        };
        if matches!(found, Found::Source(origin) if origin.path == path) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// A name of its own for a file, the same each time.
fn made_up(engine: &'static Engine, path: &Path) -> PyResult<ModuleName> {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().replace('.', "_"));
    let digest = Digest::of(path.to_string_lossy().as_bytes()).to_string();
    let name = format!("{}_{}", stem.unwrap_or_default(), &digest[..8]);
    let name = ModuleName::new(&name).map_err(|error| exceptions::from_engine(&error))?;
    engine.made_up.insert(name.clone(), path);
    Ok(name)
}
