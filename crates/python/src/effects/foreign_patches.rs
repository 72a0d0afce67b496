//! Which attributes does a module's code set on foreign modules, and how is that undone?
//!
//! `json.dumps = traced(json.dumps)` at module level outlives the module that did it. Run again, it
//! would wrap its own older wrapper. So each attribute that a live module sets on a foreign one is
//! recorded with its original value. While the next instance is staged the foreign module keeps the
//! current value, and a reference that the new namespace took to the older wrapper becomes one to
//! the original. Publishing sets the new value, or, if the new source sets none, the original. Only
//! assignments at module level are seen.

use pyo3::{prelude::*, types::PyDict, types::PyModule};

use crate::cpython::snapshot::items;
use crate::state::{
    attempt, foreign_patch::Before, foreign_patch::ForeignPatch, live_module::LiveModule,
    scope::Scope,
};

fn now<'py>(module: &Bound<'py, PyModule>, attribute: &str) -> Option<Bound<'py, PyAny>> {
    module.dict().get_item(attribute).ok().flatten()
}

fn put(module: &Bound<'_, PyModule>, attribute: &str, value: Option<&Py<PyAny>>) {
    // A module that refuses the assignment keeps its value.
    let _ = match value {
        Some(value) => module.setattr(attribute, value),
        None => module.delattr(attribute),
    };
}

fn same(one: Option<&Py<PyAny>>, other: Option<&Bound<'_, PyAny>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => other.is(one),
        (None, None) => true,
        _ => false,
    }
}

/// The attributes of a foreign module, as they are when code that may set them has just imported
/// it.
pub fn before(
    importing: &Bound<'_, LiveModule>,
    module: &Bound<'_, PyModule>,
    known: &[Before],
) -> Vec<Before> {
    let sets = importing.get().with_name_usage(|outline| outline.sets.clone()).unwrap_or_default();
    sets.into_iter()
        .filter(|name| !known.iter().any(|b| b.module.is(module) && b.attribute == *name))
        .map(|attribute| Before {
            value: now(module, &attribute).map(Bound::unbind),
            module: module.clone().unbind(),
            attribute,
        })
        .collect()
}

/// The module's code failed: foreign modules are as they were.
pub fn undo(py: Python<'_>, before: &[Before]) {
    for entry in before {
        let module = entry.module.bind(py);
        if !same(entry.value.as_ref(), now(module, &entry.attribute).as_ref()) {
            put(module, &entry.attribute, entry.value.as_ref());
        }
    }
}

/// The same, except for what newer code has set since this attempt was left behind.
pub fn undo_unless_replaced(scope: &Scope<'_>, before: &[Before]) {
    let Scope { py, runtime, .. } = *scope;
    if !attempt::is_left_behind() {
        return undo(py, before);
    }
    let current = runtime.current(py).get().all(py);
    let is_replaced = |entry: &Before| {
        let set = now(entry.module.bind(py), &entry.attribute);
        let is_it = |patch: &ForeignPatch| {
            patch.module.is(&entry.module)
                && patch.attribute == entry.attribute
                && same(patch.value.as_ref(), set.as_ref())
        };
        current.iter().any(|one| one.get().with_patches(|patches| patches.iter().any(is_it)))
    };
    let left: Vec<&Before> = before.iter().filter(|entry| !is_replaced(entry)).collect();
    left.into_iter().for_each(|entry| undo(py, std::slice::from_ref(entry)));
}

/// The module's code has ended: returns the attributes that it set.
pub fn collect(
    py: Python<'_>,
    before: &[Before],
    namespace: &Bound<'_, PyDict>,
    previous: Option<&Bound<'_, LiveModule>>,
) -> PyResult<Vec<ForeignPatch>> {
    let mut patches = Vec::new();
    for entry in before {
        let set = now(entry.module.bind(py), &entry.attribute);
        let older = previous.and_then(|previous| {
            previous.get().with_patches(|patches| {
                let older = patches
                    .iter()
                    .find(|p| p.module.is(&entry.module) && p.attribute == entry.attribute)?;
                let original = older.original.as_ref().map(|o| o.clone_ref(py));
                same(older.value.as_ref(), entry.value.as_ref().map(|v| v.bind(py)))
                    .then_some(original)
            })
        });
        if let (Some(original), Some(wrapper)) = (&older, &entry.value) {
            for (name, value) in items(namespace) {
                if value.is(wrapper) {
                    namespace.set_item(name, original)?;
                }
            }
        }
        if !same(entry.value.as_ref(), set.as_ref()) {
            patches.push(ForeignPatch {
                module: entry.module.clone_ref(py),
                attribute: entry.attribute.clone(),
                original: older.unwrap_or_else(|| entry.value.as_ref().map(|v| v.clone_ref(py))),
                value: set.map(Bound::unbind),
            });
        }
    }
    Ok(patches)
}

/// The changes of foreign modules that are due because instances have become current in place of
/// others.
pub struct PendingPatches {
    /// The attributes that the new ones set.
    set: Vec<ForeignPatch>,
    /// The attributes that the old ones had set.
    before: Vec<ForeignPatch>,
    /// Patches that are no longer needed; dropped with the rest.
    pub over: Vec<ForeignPatch>,
}

/// Instances become current in place of others. Copies, because setting an attribute can run Python
/// code, and no lock is held then.
pub fn pending(
    py: Python<'_>,
    fresh: &[Bound<'_, LiveModule>],
    old: &[Bound<'_, LiveModule>],
) -> PendingPatches {
    let of = |instances: &[Bound<'_, LiveModule>]| -> Vec<ForeignPatch> {
        let copy =
            |patches: &[ForeignPatch]| patches.iter().map(|p| p.copy(py)).collect::<Vec<_>>();
        instances.iter().flat_map(|instance| instance.get().with_patches(copy)).collect()
    };
    PendingPatches { set: of(fresh), before: of(old), over: Vec::new() }
}

impl PendingPatches {
    /// Sets the new attributes, and restores those that only the old ones had set.
    pub fn carry_out(self, py: Python<'_>) {
        let PendingPatches { set, before, over } = self;
        for patch in before.iter().filter(|patch| !set.iter().any(|other| other.is_for(patch))) {
            let module = patch.module.bind(py);
            if same(patch.value.as_ref(), now(module, &patch.attribute).as_ref()) {
                put(module, &patch.attribute, patch.original.as_ref());
            }
        }
        for patch in set {
            put(patch.module.bind(py), &patch.attribute, patch.value.as_ref());
        }
        drop(over);
    }
}
