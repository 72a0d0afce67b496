//! Which dependencies does an import leave behind?
//!
//! An edge from the importing instance to the imported module, or to a name that was not found.
//! Which edges an update follows is the engine's plan.

use pyo3::types::{PyDict, PyModule, PyString, PyType};
use pyo3::{intern, prelude::*};
use transfuse_engine::{Edge, EdgeKind, ModuleName, Target};

use crate::cpython::{frames, static_lookup};
use crate::effects::kept_content;
use crate::state::{
    caller, execution_stack, live_module::LiveModule, records::Statements, runtime,
    runtime::Runtime, scope::Scope,
};

pub fn record_import(
    py: Python<'_>,
    runtime: &Runtime,
    caller: &Bound<'_, LiveModule>,
    imported: &Bound<'_, LiveModule>,
) {
    if caller.is(imported) {
        return;
    }
    let kind = if caller.get().is_ready() { EdgeKind::Deferred } else { EdgeKind::ModuleLevel };
    add_edge(py, runtime, caller, &imported.get().name, kind);
}

/// An import statement of a live module was reached.
pub fn record_statement(runtime: &Runtime, by: &ModuleName, named: &ModuleName) {
    if let Some(statements) = runtime.records.lock().statements.get_mut(by) {
        statements.add(named);
    }
}

/// A module begins to run: its statements count together with those of former versions, whose functions may
/// have kept something where no update has come since.
pub fn record_start(runtime: &Runtime, module: &LiveModule) {
    let source = module.source().map(|source| source.digest());
    let mut records = runtime.records.lock();
    let statements = records.statements.entry(module.name.clone());
    statements.or_insert_with(|| Statements::of(source)).run_from(source);
}

/// An edge to a module, which counts from now on if the current generation has its start.
pub fn add_edge(
    py: Python<'_>,
    runtime: &Runtime,
    from: &Bound<'_, LiveModule>,
    to: &ModuleName,
    kind: EdgeKind,
) {
    let to = Target::Module(to.clone());
    if from.get().add_edge(to.clone(), kind)
        && from.get().is_ready()
        && runtime.current(py).get().holds(py, from)
    {
        runtime.records.lock().graph.add(&from.get().name, Edge { to, kind });
    }
}

/// A live module was imported by a call that no source names as an import, or an attribute was taken of
/// its entry in `sys.modules`: the nearest live function that is running may keep what it got.
pub fn record_import_through(scope: &Scope<'_>, imported: &Bound<'_, LiveModule>) {
    let Scope { py, runtime, .. } = *scope;
    if !execution_stack::is_executing()
        && let Some(caller) = caller::nearest(py)
        && caller.get().is_ready()
    {
        record_import(py, runtime, &caller, imported);
        // No code of the caller says that the call imports.
        let keepers = kept_content::keepers(py);
        let names = keepers.iter().map(|one| &one.get().name);
        caller.get().keepers.keep_through(&imported.get().name, names);
    }
}

/// An attribute of an entry in `sys.modules` was taken while no module is being executed. `pickle` looks
/// up classes there only to compare them, so code counts only if the source mentions `sys.modules`.
pub fn taken_by_function(
    py: Python<'_>,
    found: &Bound<'_, LiveModule>,
    attribute: &Bound<'_, PyString>,
    value: &Bound<'_, PyAny>,
) {
    let all = attribute.to_str().is_ok_and(|name| name == "__dict__");
    if !all && attribute.to_str().is_ok_and(|name| name.starts_with("__")) {
        return;
    }
    let by = caller::immediate(py);
    let mentions = || by.is_some() && frames::mentions(py, intern!(py, "modules"));
    if by.as_ref().is_some_and(|by| by.is(found)) || (all || is_code(value)) && !mentions() {
        return;
    }
    if let Some(runtime) = runtime::in_force() {
        record_import_through(&caller::scope_of_foreign(py, runtime), found);
    }
}

fn is_code(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyType>()
        || value.is_instance_of::<PyModule>()
        || static_lookup::is_function(value)
}

/// Live code imported a name that does not exist. Creating that module, or a package around it, will
/// be a change: of what a function remembers, if no module-level code called it.
pub fn record_not_found(runtime: &Runtime, caller: &Bound<'_, LiveModule>, name: &ModuleName) {
    let py = caller.py();
    if caller.get().is_ready() {
        let current = runtime.current(py);
        for name in std::iter::successors(Some(name.clone()), ModuleName::parent) {
            if current.get().find(py, name.as_str()).is_some() {
                break;
            }
            let edge = Edge { to: Target::Module(name), kind: EdgeKind::Deferred };
            if caller.get().add_edge(edge.to.clone(), edge.kind) && current.get().holds(py, caller)
            {
                runtime.records.lock().graph.add(&caller.get().name, edge);
            }
        }
    }
    let running = execution_stack::innermost(caller.py());
    for importer in running.iter().chain([caller]).filter(|importer| !importer.get().is_ready()) {
        for name in std::iter::successors(Some(name.clone()), ModuleName::parent) {
            importer.get().add_edge(Target::Module(name), EdgeKind::NotFound);
        }
    }
}

/// Live code asked whether a module exists, and has not imported it. Creating or deleting the module
/// will be a change: for module-level code, and for what a function remembers.
pub fn record_probe(scope: &Scope<'_>, name: &ModuleName, missing: bool) {
    let py = scope.py;
    if let Some(running) = execution_stack::innermost(py) {
        if running.get().name != *name {
            running.get().add_edge(Target::Module(name.clone()), EdgeKind::NotFound);
        }
        return;
    }
    let Some(caller) = caller::nearest(py).filter(|caller| caller.get().is_ready()) else { return };
    if missing {
        record_not_found(scope.runtime, &caller, name);
    } else if caller.get().name != *name {
        add_edge(py, scope.runtime, &caller, name, EdgeKind::Deferred);
    }
}

/// A module could not be loaded. A module that imported it and goes on without it, or that holds it
/// partially initialized, depends on it and on all that it depends on.
pub fn failed(scope: &Scope<'_>, instance: &Bound<'_, LiveModule>) -> PyResult<()> {
    let py = scope.py;
    let failed = Target::Module(instance.get().name.clone());
    let mut without: Vec<_> = execution_stack::innermost(py).into_iter().collect();
    for other in scope.generation.get().instances.bind(py).values().iter() {
        if let Ok(other) = other.cast_into_exact::<LiveModule>()
            && other.get().imports(&failed)
        {
            without.push(other);
        }
    }
    for importer in without {
        let importer = importer.get();
        let own = Target::Module(importer.name.clone());
        let inherited = instance.get().edges().into_iter().filter(|edge| edge.to != own);
        let missed = Edge { to: failed.clone(), kind: EdgeKind::NotFound };
        let published = importer.is_ready() && !scope.is_staged();
        for Edge { to, kind } in std::iter::once(missed).chain(inherited) {
            importer.add_edge(to.clone(), kind);
            if published {
                scope.runtime.records.lock().graph.add(&importer.name, Edge { to, kind });
            }
        }
    }
    Ok(())
}

/// Names that a star import binds count as defined by the importing source.
pub fn record_star(
    caller: &Bound<'_, LiveModule>,
    from: &Bound<'_, PyDict>,
    all: Option<Bound<'_, PyAny>>,
) -> PyResult<()> {
    let is_public = |name: &String| !name.starts_with('_');
    let names: Vec<String> = match all {
        Some(all) => all.try_iter()?.filter_map(|name| name.ok()?.extract().ok()).collect(),
        None => from.keys().iter().filter_map(|n| n.extract().ok()).filter(is_public).collect(),
    };
    caller.get().define(names);
    Ok(())
}
