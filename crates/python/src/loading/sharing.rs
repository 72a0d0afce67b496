//! Which generations have a freshly loaded instance in common?
//!
//! A module is loaded once for all generations in which its content and its imports are the same.

use std::path::Path;

use pyo3::{intern, prelude::*, types::PyWeakrefReference};
use transfuse_engine::{Edge, EdgeKind, ModuleName, Target};

use crate::loading::{namespace_path, namespace_path::search_path, search};
use crate::state::{
    generation::Generation, live_module::LiveModule, runtime::Runtime, scope::Scope,
};

/// Gives the instance to those of these generations where its content and imports are the same.
pub fn share<'py>(
    scope: &Scope<'py>,
    alive: &[Bound<'py, Generation>],
    instance: &Bound<'py, LiveModule>,
) {
    let Scope { py, runtime, .. } = *scope;
    let of = instance.get();
    let edges = of.edges();
    let needed: Vec<&ModuleName> =
        edges.iter().filter(|edge| edge.kind.is_import()).filter_map(module_of).collect();
    // A module that is not loaded in both may be different in each.
    let annotations = edges.iter().filter(|edge| edge.kind == EdgeKind::Annotation);
    let annotations: Vec<&ModuleName> = annotations.filter_map(module_of).collect();
    let parent = of.name.parent();
    for other in alive {
        let there = other.get().find(py, of.name.as_str());
        if other.is(&scope.generation) || there.as_ref().is_some_and(|there| !there.is(instance)) {
            continue;
        }
        let same_content = match (&of.path, of.source()) {
            (Some(path), Some(source)) => {
                other.get().view().get(path).is_some_and(|s| s.digest() == source.digest())
                    && leads_to(&Scope::new(scope.py, scope.runtime, other), of, path)
            }
            _ => namespace_path::of(py, of)
                .is_some_and(|path| path.get().is_known_to(runtime, &other.get().view())),
        };
        let same = |name: &ModuleName| {
            let own = scope.find(name.as_str());
            let others = other.get().find(py, name.as_str());
            match (own, others) {
                (Some(own), Some(others)) => own.is(&others),
                (None, None) => true,
                _ => false,
            }
        };
        let in_both = |name: &&ModuleName| same(name) && scope.find(name.as_str()).is_some();
        let same = same_content
            && parent.iter().all(same)
            && needed.iter().all(|name| same(name))
            && annotations.iter().all(in_both);
        match (there, same) {
            (None, true) => drop(other.get().put(py, instance)),
            // It was partially initialized when that generation was staged, and has imported a
            // module of its own since.
            (Some(there), false) => unshare(py, other, &there),
            _ => {}
        }
    }
    record(py, runtime, instance);
}

/// Records an instance that has just become ready.
fn record(py: Python<'_>, runtime: &Runtime, instance: &Bound<'_, LiveModule>) {
    let of = instance.get();
    if runtime.current(py).get().holds(py, instance) {
        drop(of.set_home(None));
        runtime.records.lock().adopt(of);
    } else if runtime.alive(py).iter().any(|generation| generation.get().holds(py, instance)) {
        // Only superseded generations have it: it is disposed of with them.
        runtime.records.lock().awaiting.push(instance.clone().unbind());
    } else if let Ok(weak) = PyWeakrefReference::new(instance) {
        // Old code that outlived its generation asked for it, and alone decides when it goes.
        runtime.records.lock().superseded.push(weak.unbind());
    }
}

fn module_of(edge: &Edge) -> Option<&ModuleName> {
    match &edge.to {
        Target::Module(name) => Some(name),
        Target::File(_) => None,
    }
}

/// Takes an instance and its importers out of a generation in which they would be out of date. That
/// generation loads them anew when they are asked for.
fn unshare(py: Python<'_>, other: &Bound<'_, Generation>, instance: &Bound<'_, LiveModule>) {
    let mut stale = vec![instance.clone()];
    while let Some(instance) = stale.pop() {
        if !other.get().take(py, &instance) {
            continue;
        }
        let to = Target::Module(instance.get().name.clone());
        for importer in other.get().instances.bind(py).values().iter() {
            if let Ok(importer) = importer.cast_into_exact::<LiveModule>()
                && importer.get().imports(&to)
            {
                stale.push(importer);
            }
        }
    }
}

/// Whether the name leads to that file in another generation: there may be one that comes first.
fn leads_to(other: &Scope<'_>, of: &LiveModule, file: &Path) -> bool {
    let Scope { py, runtime, .. } = *other;
    if runtime.synthetic_names.origin(&of.name).is_some() {
        return true;
    }
    let path = match of.name.parent() {
        None => py.import(intern!(py, "sys")).and_then(|sys| sys.getattr("path")).map(Some),
        Some(parent) => search_path(other, &parent),
    };
    path.ok()
        .flatten()
        .is_some_and(|path| search::comes_first(other, &of.name, &path, file).unwrap_or(false))
}
