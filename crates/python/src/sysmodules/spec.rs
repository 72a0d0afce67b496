//! Which specs, finders and loaders of ours does the standard import machinery see?
//!
//! The types, and a spec as the machinery makes it. Their methods are in `hooks/meta_path.rs`.

use std::{cell::RefCell, path::PathBuf};

use pyo3::{intern, prelude::*, types::PyDict, types::PyModule};
use transfuse_engine::ModuleName;

use crate::cpython::extra_attributes::ExtraAttributes;

#[pyclass(frozen, module = "transfuse._core")]
pub struct Finder;

/// A module spec as the standard machinery makes it for a source file, or for a package whose
/// submodules are looked for in `package`.
pub fn spec<'py>(
    py: Python<'py>,
    name: &str,
    loader: &Bound<'py, PyAny>,
    file: Option<&str>,
    package: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let options = PyDict::new(py);
    options.set_item(intern!(py, "origin"), file)?;
    options.set_item(intern!(py, "is_package"), package.is_some())?;
    let made = py
        .import(intern!(py, "importlib.machinery"))?
        .getattr(intern!(py, "ModuleSpec"))?
        .call((name, loader), Some(&options))?;
    if let Some(file) = file {
        made.setattr(intern!(py, "has_location"), true)?;
        made.setattr(intern!(py, "cached"), crate::code::pyc::cache_path(py, file)?)?;
    }
    if let Some(package) = package {
        made.setattr(intern!(py, "submodule_search_locations"), package)?;
    }
    Ok(made)
}

/// The loader that the standard machinery gets: loading gives it the facade.
#[pyclass(frozen, module = "transfuse._core")]
pub struct FacadeLoader {
    /// `shop.prices`.
    pub name: ModuleName,
    /// As the path entry spelled it.
    pub file: Option<String>,
    /// As views know it.
    pub path: Option<PathBuf>,
    pub package: bool,
    /// The instance that was loaded already when the spec was made, by when it began: the machinery
    /// looks for modules that are not in `sys.modules`, so other code has removed it from there.
    pub removed: Option<u64>,
    pub attributes: ExtraAttributes,
}

/// Whether the standard machinery has put a module there that it is about to execute.
pub fn is_loading(there: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = there.py();
    let Ok(module) = there.cast_exact::<PyModule>() else { return Ok(false) };
    let Some(spec) = module.dict().get_item(intern!(py, "__spec__"))? else { return Ok(false) };
    let ours = |attribute| {
        let loader = spec.getattr_opt(attribute);
        loader.is_ok_and(|loader| loader.is_some_and(|l| l.is_instance_of::<FacadeLoader>()))
    };
    let initializing = spec.getattr_opt(intern!(py, "_initializing"))?;
    // Another finder may have wrapped the loader.
    Ok((ours(intern!(py, "loader")) || ours(intern!(py, "loader_state")))
        && initializing.is_some_and(|i| i.is_truthy().unwrap_or(false)))
}

thread_local! {
    /// The name that our finder gave this thread a spec for last, since a finder of other code was
    /// asked. Only the thread itself reads and writes it.
    static LAST: RefCell<Option<ModuleName>> = const { RefCell::new(None) };
}

/// Notes that our finder gave out a spec.
pub fn handed_out(name: &ModuleName) {
    LAST.replace(Some(name.clone()));
}

thread_local! {
    /// The names for which this thread is asking finders of other code, the innermost last.
    static ASKING: RefCell<Vec<ModuleName>> = const { RefCell::new(Vec::new()) };
}

/// A finder of other code is being asked for a name, until this is dropped.
pub struct HandedOut;

impl HandedOut {
    pub fn begin(name: &ModuleName) -> HandedOut {
        LAST.replace(None);
        ASKING.with_borrow_mut(|asking| asking.push(name.clone()));
        HandedOut
    }

    /// Whether it got a spec of that name from ours.
    pub fn is_for(&self, name: &ModuleName) -> bool {
        LAST.with_borrow(|last| last.as_ref() == Some(name))
    }

    /// Whether a finder of other code is being asked for that name, by this thread.
    pub fn is_asking_for(name: &ModuleName) -> bool {
        ASKING.with_borrow(|asking| asking.contains(name))
    }
}

impl Drop for HandedOut {
    fn drop(&mut self) {
        ASKING.with_borrow_mut(Vec::pop);
    }
}
