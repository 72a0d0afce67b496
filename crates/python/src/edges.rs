//! What is recorded of an import, as it happens?
//!
//! An edge from the importing instance to what it imported, or asked for in vain.
//! Which edges an update follows is the engine's plan.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use transfuse_engine::{Edge, EdgeKind, ModuleName, Target};

use crate::engine::Engine;
use crate::instance::Instance;
use crate::observe;

/// One instance imports another.
pub fn connect(
    py: Python<'_>,
    engine: &Engine,
    caller: &Bound<'_, Instance>,
    imported: &Bound<'_, Instance>,
) {
    if caller.is(imported) {
        return;
    }
    let to = Target::Module(imported.get().name.clone());
    let kind = if caller.get().is_ready() { EdgeKind::Deferred } else { EdgeKind::ModuleLevel };
    if caller.get().add_edge(to.clone(), kind)
        && caller.get().is_ready()
        && engine.current(py).get().holds(py, caller)
    {
        engine.book.lock().unwrap().graph.add(&caller.get().name, Edge { to, kind });
    }
}

/// Module-level code, or something that it called, asked for a name that is not there: creating it
/// will be a change, and so will creating a package that it would be in.
pub fn missing(caller: &Bound<'_, Instance>, name: &ModuleName) {
    let running = observe::innermost(caller.py());
    for asker in running.iter().chain([caller]).filter(|asker| !asker.get().is_ready()) {
        for name in std::iter::successors(Some(name.clone()), ModuleName::parent) {
            asker.get().add_edge(Target::Module(name), EdgeKind::NotFound);
        }
    }
}

/// A module could not be loaded: who asked for it, and goes on without it, depends on it and on
/// whatever it depends on.
pub fn failed(instance: &Bound<'_, Instance>) {
    let Some(asker) = observe::innermost(instance.py()) else { return };
    let own = Target::Module(asker.get().name.clone());
    asker.get().add_edge(Target::Module(instance.get().name.clone()), EdgeKind::NotFound);
    for edge in instance.get().edges().into_iter().filter(|edge| edge.to != own) {
        asker.get().add_edge(edge.to, edge.kind);
    }
}

/// Names that a star import binds count as defined by the importing source.
pub fn starred(
    caller: &Bound<'_, Instance>,
    from: &Bound<'_, PyDict>,
    all: Option<Bound<'_, PyAny>>,
) -> PyResult<()> {
    let names: Vec<String> = match all {
        Some(all) => all.try_iter()?.filter_map(|name| name.ok()?.extract().ok()).collect(),
        None => {
            let names = from.keys();
            names
                .iter()
                .filter_map(|n| n.extract().ok())
                .filter(|n: &String| !n.starts_with('_'))
                .collect()
        }
    };
    caller.get().define(names);
    Ok(())
}
