//! Which pending submodules does an import make attributes of their packages?

use pyo3::prelude::*;
use transfuse_engine::{EdgeKind, ModuleName, Target};

use crate::loading::{load, submodules};
use crate::state::execution_stack;
use crate::state::generation::Generation;
use crate::state::live_module::Instance;
use crate::state::pending_submodules::any;
use crate::state::runtime::Engine;

/// Somebody imports a module, which is loaded: packages get what they await of it and with it.
/// In a generation that is staged its package may have to run first.
pub fn imported(
    py: Python<'_>,
    engine: &'static Engine,
    generation: &Bound<'_, Generation>,
    found: &Bound<'_, Instance>,
) -> PyResult<()> {
    if generation.get().is_staged() {
        // A package that is to run again and has not yet begun comes first.
        for package in std::iter::successors(found.get().name.parent(), ModuleName::parent) {
            if generation.get().find(py, package.as_str()).is_none() {
                load::ensure(py, engine, generation, &package)?;
            }
        }
    }
    if !any() || !found.get().is_ready() {
        return Ok(());
    }
    let mut child = found.clone();
    while let Some(parent) = child.get().name.parent()
        && let Some(package) = generation.get().find(py, parent.as_str())
    {
        give(py, engine, &package, &child)?;
        child = package;
    }
    // What module-level code imports would be loaded now, and whatever that imports.
    let awaiting: Vec<_> = execution_stack::all(py)
        .into_iter()
        .filter(|running| !running.get().awaited.all().is_empty())
        .collect();
    for package in awaiting {
        for other in loaded_with(py, generation, &package, found) {
            if other.get().name.parent().as_ref() == Some(&package.get().name) {
                give(py, engine, &package, &other)?;
            }
        }
    }
    Ok(())
}

/// What a fresh process would load with `found` and after it began to load `package`.
pub fn loaded_with<'py>(
    py: Python<'py>,
    generation: &Bound<'py, Generation>,
    package: &Bound<'py, Instance>,
    found: &Bound<'py, Instance>,
) -> Vec<Bound<'py, Instance>> {
    let later = |one: &Bound<'py, Instance>| {
        one.get().is_ready() && one.get().rank() > package.get().rank() && !one.is(package)
    };
    let mut all: Vec<_> = Some(found.clone()).into_iter().filter(later).collect();
    let mut next = 0;
    while next < all.len() {
        let edges = all[next].get().edges();
        next += 1;
        for edge in edges {
            if let (Target::Module(name), EdgeKind::ModuleLevel) = (&edge.to, edge.kind)
                && let Some(other) = generation.get().find(py, name.as_str())
                && later(&other)
                && !all.iter().any(|known| known.is(&other))
            {
                all.push(other);
            }
        }
    }
    all
}

pub fn give(
    py: Python<'_>,
    engine: &Engine,
    package: &Bound<'_, Instance>,
    child: &Bound<'_, Instance>,
) -> PyResult<()> {
    let _turn = engine.turn.take(py);
    match package.get().awaited.take(child.get().name.tail()) {
        true => submodules::bind(py, package, child),
        false => Ok(()),
    }
}
