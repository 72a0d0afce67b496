//! Which attributes does a module's code set on foreign modules and their classes, and how is that
//! undone?
//!
//! `json.dumps = traced(json.dumps)` at module level outlives the module that did it. Run again, it
//! would wrap its own older wrapper. So each attribute that a live module sets on a foreign one is
//! recorded with its original value. While the next instance is staged the foreign module keeps the
//! current value, and a reference that the new namespace took to the older wrapper becomes one to
//! the original. Publishing sets the new value, or, if the new source sets none, the original. The
//! code shows which attributes it may set: by assignments, and by text beside a `setattr`. Of classes,
//! those count that the code takes of a foreign module by their names.

use pyo3::types::{PyDict, PyModule, PyType};
use pyo3::{intern, prelude::*};

use crate::cpython::{snapshot::items, static_lookup};
use crate::effects::ownership::code_of;
use crate::state::{
    attempt, foreign_patch::Before, foreign_patch::ForeignPatch, live_module::LiveModule,
    scope::Scope,
};

fn now<'py>(target: &Bound<'py, PyAny>, attribute: &str) -> Option<Bound<'py, PyAny>> {
    let own = match target.cast::<PyModule>() {
        Ok(module) => Some(module.dict()),
        Err(_) => static_lookup::of_class(target.cast::<PyType>().ok()?),
    };
    own?.get_item(attribute).ok().flatten()
}

fn put(target: &Bound<'_, PyAny>, attribute: &str, value: Option<&Py<PyAny>>) {
    // A module or class that refuses the assignment keeps its value.
    let _ = match value {
        Some(value) => target.setattr(attribute, value),
        None => target.delattr(attribute),
    };
}

fn same(one: Option<&Py<PyAny>>, other: Option<&Bound<'_, PyAny>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => other.is(one),
        (None, None) => true,
        _ => false,
    }
}

/// The attributes of a foreign module and its classes, as they are when code that may set them has
/// just imported it.
pub fn before(
    importing: &Bound<'_, LiveModule>,
    module: &Bound<'_, PyModule>,
    known: &[Before],
) -> Vec<Before> {
    let sets = importing.get().with_name_usage(|usage| usage.sets.clone()).unwrap_or_default();
    if sets.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for target in targets(importing.get(), module) {
        let is_known =
            |name: &String| known.iter().any(|b| b.target.is(&target) && b.attribute == *name);
        found.extend(sets.iter().filter(|name| !is_known(name)).map(|attribute| Before {
            value: now(&target, attribute).map(Bound::unbind),
            target: target.clone().unbind(),
            attribute: attribute.clone(),
        }));
    }
    found
}

/// A foreign module, and the foreign classes that live code takes of it by their names.
fn targets<'py>(importing: &LiveModule, module: &Bound<'py, PyModule>) -> Vec<Bound<'py, PyAny>> {
    let (py, namespace) = (module.py(), module.dict());
    let mut found = vec![module.clone().into_any()];
    let name = namespace.get_item(intern!(py, "__name__")).ok().flatten();
    let Some(name) = name.and_then(|name| name.extract::<String>().ok()) else { return found };
    let taken = importing.with_name_usage(|usage| usage.taken_of(&name)).unwrap_or_default();
    let classes = taken.iter().filter_map(|attribute| namespace.get_item(attribute).ok()?);
    let foreign = classes.filter(|class| class.is_instance_of::<PyType>());
    found.extend(foreign.filter(|class| code_of(py, class).is_none()));
    found
}

/// The module's code failed: foreign modules are as they were.
pub fn undo(py: Python<'_>, before: &[Before]) {
    for entry in before {
        let target = entry.target.bind(py);
        if !same(entry.value.as_ref(), now(target, &entry.attribute).as_ref()) {
            put(target, &entry.attribute, entry.value.as_ref());
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
        let set = now(entry.target.bind(py), &entry.attribute);
        let is_it = |patch: &ForeignPatch| {
            patch.target.is(&entry.target)
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
        let set = now(entry.target.bind(py), &entry.attribute);
        let older = previous.and_then(|previous| {
            previous.get().with_patches(|patches| {
                let older = patches
                    .iter()
                    .find(|p| p.target.is(&entry.target) && p.attribute == entry.attribute)?;
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
                target: entry.target.clone_ref(py),
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
            let target = patch.target.bind(py);
            if same(patch.value.as_ref(), now(target, &patch.attribute).as_ref()) {
                put(target, &patch.attribute, patch.original.as_ref());
            }
        }
        for patch in set {
            put(patch.target.bind(py), &patch.attribute, patch.value.as_ref());
        }
        drop(over);
    }
}
