//! May a module that is being staged change one that the current generation is using?
//!
//! What a module changed when it last ran is known (`observe.rs`) and planned
//! for. What it would change now is not, where its source uses something it did
//! not use before. In doubt it is assumed, and before the code in question has
//! run: staging stops at the import, and begins again with the imported module in
//! the plan. There is no doubt about immutable data, nor where a module that uses
//! the same thing is known to have left no trace.

use std::cell::RefCell;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString};
use transfuse_engine::{EdgeKind, ModuleName};

use crate::engine::Engine;
use crate::generation::Generation;
use crate::instance::Instance;

thread_local! {
    /// What has to be added to the plan before staging begins again: who, and because of whom.
    /// Written and taken by the staging thread.
    static WIDEN: RefCell<Vec<(ModuleName, ModuleName)>> = const { RefCell::new(Vec::new()) };
}

/// What has to be added to the plan, since the last call.
pub fn take() -> Vec<(ModuleName, ModuleName)> {
    WIDEN.take()
}

/// Stops the staging at this import if what is imported may be changed by it.
pub fn consider<'py>(
    py: Python<'py>,
    engine: &Engine,
    generation: &Bound<'py, Generation>,
    caller: &Bound<'py, Instance>,
    imported: &Bound<'py, Instance>,
    written: &str,
) -> PyResult<()> {
    let Some(base) = generation.get().base(py) else { return Ok(()) };
    if !base.get().holds(py, imported) || generation.get().takes_in_place(py, imported) {
        return Ok(());
    }
    let attributes =
        caller.get().with_outline(|outline| outline.used.get(written).cloned().unwrap_or_default());
    let before = base.get().find(py, caller.get().name.as_str());
    for attribute in attributes.unwrap_or_default() {
        let used_before = before.as_ref().is_some_and(|old| uses(old.get(), written, &attribute));
        if !used_before
            && !is_immutable(py, imported, &attribute)
            && !is_harmless(py, engine, &base, imported, &attribute)
        {
            let (who, whose) = (imported.get().name.clone(), caller.get().name.clone());
            let message =
                format!("{whose} may change {who}, which is in use: staging begins again");
            WIDEN.with_borrow_mut(|widen| widen.push((who, whose)));
            return Err(PyImportError::new_err(message));
        }
    }
    Ok(())
}

fn uses(instance: &Instance, written: &str, attribute: &str) -> bool {
    instance
        .with_outline(|outline| {
            outline.used.get(written).is_some_and(|used| used.contains(attribute))
        })
        .unwrap_or(false)
}

/// Whether the attribute is a value that no use of it can change.
fn is_immutable(py: Python<'_>, imported: &Bound<'_, Instance>, attribute: &str) -> bool {
    let Ok(Some(value)) = imported.get().namespace(py).get_item(attribute) else { return false };
    value.is_none()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyBytes>()
}

/// Whether some module of the current generation uses the same thing and was seen to change nothing.
fn is_harmless(
    py: Python<'_>,
    engine: &Engine,
    base: &Bound<'_, Generation>,
    imported: &Bound<'_, Instance>,
    attribute: &str,
) -> bool {
    let importers: Vec<ModuleName> = {
        let book = engine.book.lock().unwrap();
        book.graph.importers(&imported.get().name).map(|(name, _)| name.clone()).collect()
    };
    importers.iter().any(|name| {
        base.get().find(py, name.as_str()).is_some_and(|other| {
            let other = other.get();
            let same = other
                .with_outline(|o| o.used.values().any(|used| used.contains(attribute)))
                .unwrap_or(false);
            same && !other.edges().iter().any(|edge| edge.kind == EdgeKind::Affects)
        })
    })
}
