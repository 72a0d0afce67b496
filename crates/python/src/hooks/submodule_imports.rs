//! Which pending submodules does an import make attributes of their packages?
//!
//! Those that a fresh process would load with it. When they become pending is decided in
//! `loading/bind_submodules.rs`.

use pyo3::prelude::*;

use crate::effects::import_closure::reached_from;
use crate::loading::{load, submodules};
use crate::state::{
    execution_stack, live_module::LiveModule, pending_submodules::any, runtime::Runtime,
    scope::Scope,
};

/// A loaded module was imported: packages get their pending submodules that this import would load.
/// In a staged generation its package may have to run first.
pub fn imported(scope: &Scope<'_>, found: &Bound<'_, LiveModule>) -> PyResult<()> {
    let Scope { py, runtime, .. } = *scope;
    if scope.is_staged() {
        // A package that is to run again and has not yet begun comes first.
        load::load_packages(scope, &found.get().name)?;
    }
    if !any() || !found.get().is_ready() {
        return Ok(());
    }
    let mut child = found.clone();
    while let Some(parent) = child.get().name.parent()
        && let Some(package) = scope.find(parent.as_str())
    {
        give(py, runtime, &package, &child)?;
        child = package;
    }
    // An import by module-level code would load these modules now, with their own imports.
    let awaiting: Vec<_> = execution_stack::all(py)
        .into_iter()
        .filter(|running| !running.get().pending_submodules.all().is_empty())
        .collect();
    for package in awaiting {
        for other in loaded_with(scope, &package, found) {
            if other.get().name.parent().as_ref() == Some(&package.get().name) {
                give(py, runtime, &package, &other)?;
            }
        }
    }
    Ok(())
}

/// The modules that a fresh process would load with `found`, after it began to load `package`.
fn loaded_with<'py>(
    scope: &Scope<'py>,
    package: &Bound<'py, LiveModule>,
    found: &Bound<'py, LiveModule>,
) -> Vec<Bound<'py, LiveModule>> {
    let later = |one: &Bound<'py, LiveModule>| {
        one.get().is_ready() && one.get().rank() > package.get().rank() && !one.is(package)
    };
    reached_from(scope, found, usize::MAX, later)
}

pub fn give(
    py: Python<'_>,
    runtime: &Runtime,
    package: &Bound<'_, LiveModule>,
    child: &Bound<'_, LiveModule>,
) -> PyResult<()> {
    let _guard = runtime.nogil_lock.lock(py);
    match package.get().pending_submodules.take(child.get().name.tail()) {
        true => submodules::bind(py, package, child),
        false => Ok(()),
    }
}
