//! Which attributes does a module's code set on foreign modules and their classes, and how is that
//! undone?
//!
//! `json.dumps = traced(json.dumps)` at module level outlives the module that did it. Run again, it
//! would wrap its own older wrapper. So each attribute that a live module sets on a foreign one is
//! recorded with its original value. While the next instance is staged the foreign module keeps the
//! current value, and a reference that the new namespace took to the older wrapper becomes one to
//! the original. Publishing sets the new value, or, if the new source sets none, the original.
//!
//! Two kinds are seen. Assignments and names in a `setattr`, as the code shows them, on foreign
//! modules and on the classes that the code takes from these by name. And values that a call in
//! module-level code put into the module from which the called function comes
//! (`logging.setLogRecordFactory(factory)`), if they are code of the calling module: other values
//! may be a library's own counters and caches. Values that requests put there do not count: while an
//! update runs a module, an attribute that only functions set is taken for set by the module if the
//! value shows it.

use pyo3::types::{PyDict, PyModule, PyTuple, PyType};
use pyo3::{intern, prelude::*, sync::PyOnceLock};

use crate::code::name_usage::NameUsage;
use crate::cpython::{snapshot::items, static_lookup};
use crate::effects::{ownership::code_of, unchanged};
use crate::state::{
    attempt, caller, foreign_patch::Before, foreign_patch::ForeignPatch, live_module::LiveModule,
    scope::Scope,
};

/// So many wrappers around a function are looked through.
const WRAPPERS: usize = 3;

pub fn now<'py>(target: &Bound<'py, PyAny>, attribute: &str) -> Option<Bound<'py, PyAny>> {
    let own = match target.cast::<PyModule>() {
        Ok(module) => Some(module.dict()),
        Err(_) => static_lookup::of_class(target.cast::<PyType>().ok()?),
    };
    own?.get_item(attribute).ok().flatten()
}

pub fn put(target: &Bound<'_, PyAny>, attribute: &str, value: Option<&Py<PyAny>>) {
    // A module or class that refuses the assignment keeps its value.
    let _ = match value {
        Some(value) => target.setattr(attribute, value),
        None => target.delattr(attribute),
    };
}

pub fn same(one: Option<&Py<PyAny>>, other: Option<&Bound<'_, PyAny>>) -> bool {
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
    let both = |usage: &NameUsage| {
        let none = usage.sets.is_empty() && usage.sets_in_functions.is_empty();
        (!none).then(|| [usage.sets.clone(), usage.sets_in_functions.clone()])
    };
    let Some([at_once, in_functions]) = importing.get().with_name_usage(both).flatten() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for target in targets(importing.get(), module) {
        let is_known =
            |name: &&str| known.iter().any(|b| b.target.is(&target) && b.attribute == *name);
        for (sets, by_functions) in [(&at_once, false), (&in_functions, true)] {
            found.extend(sets.iter().filter(|name| !is_known(name)).map(|attribute| Before {
                value: now(&target, attribute).map(Bound::unbind),
                target: target.clone().unbind(),
                attribute: attribute.to_owned(),
                by_functions,
            }));
        }
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

/// The names of a foreign module before code that uses it has run.
pub struct Namespace {
    module: Py<PyModule>,
    was: Py<PyDict>,
    /// The version of the dict then, where dicts have such a thing.
    version: Option<u64>,
}

impl Namespace {
    pub fn of(module: &Bound<'_, PyModule>) -> Option<Namespace> {
        let names = module.dict();
        let version = unchanged::version(names.as_ptr());
        let was = names.copy().ok()?.unbind();
        Some(Namespace { module: module.clone().unbind(), was, version })
    }

    pub fn clone_ref(&self, py: Python<'_>) -> Namespace {
        let (module, was) = (self.module.clone_ref(py), self.was.clone_ref(py));
        Namespace { module, was, version: self.version }
    }

    /// Accepts the changes since `inner` was taken: `changed` does not return them.
    pub fn take(&self, py: Python<'_>, inner: &Namespace) {
        for changed in inner.changed(py) {
            let _ = self.was.bind(py).set_item(changed.name, changed.now);
        }
    }

    /// The names that have other values now, each with the value that it had.
    pub fn changed<'py>(&self, py: Python<'py>) -> Vec<Changed<'py>> {
        let names = self.module.bind(py).dict();
        if self.version.is_some() && unchanged::version(names.as_ptr()) == self.version {
            return Vec::new();
        }
        let was = self.was.bind(py);
        let changed = |(name, now): (Bound<'py, PyAny>, Bound<'py, PyAny>)| {
            let before = was.get_item(&name).ok()?;
            let same = before.as_ref().is_some_and(|before| before.is(&now));
            (!same).then(|| Some(Changed { name: name.extract().ok()?, before, now })).flatten()
        };
        items(&names).into_iter().filter_map(changed).collect()
    }

    /// Whether these are the names of that module.
    pub fn is_of(&self, module: &Bound<'_, PyModule>) -> bool {
        self.module.is(module)
    }
}

/// A name of a foreign module that has another value than before.
pub struct Changed<'py> {
    pub name: String,
    pub before: Option<Bound<'py, PyAny>>,
    pub now: Bound<'py, PyAny>,
}

/// The names of a foreign module, if the importing code uses it and so may call what sets some.
pub fn names_before(
    importing: &Bound<'_, LiveModule>,
    module: &Bound<'_, PyModule>,
) -> Option<Namespace> {
    let name = module.dict().get_item(intern!(module.py(), "__name__")).ok().flatten()?;
    let name: &str = name.extract().ok()?;
    let uses = importing.get().with_name_usage(|outline| outline.uses(name)) == Some(true);
    if !uses {
        return None;
    }
    Namespace::of(module)
}

/// The attributes that calls have set since then to code of the module whose execution has ended.
pub fn set_by_calls(
    instance: &Bound<'_, LiveModule>,
    namespaces: &[Namespace],
    known: &[Before],
) -> Vec<Before> {
    let py = instance.py();
    let mut found = Vec::new();
    for namespace in namespaces {
        let module = &namespace.module;
        for Changed { name: attribute, before, now } in namespace.changed(py) {
            if !is_code_of(instance, &now)
                || known.iter().any(|b| b.target.is(module) && b.attribute == attribute)
            {
                continue;
            }
            let target = module.clone_ref(py).into_any();
            let value = before.map(Bound::unbind);
            found.push(Before { target, attribute, value, by_functions: false });
        }
    }
    found
}

/// Removes the attributes that another thread may have set while the module ran in an update.
///
/// Requests call functions of the current generation meanwhile, which set the same attributes
/// (`sys.stdout = captured`). An attribute that only functions set counts as set by the module if its
/// value leads to code of this execution, or if the module's former execution set it.
pub fn retain_own(
    before: &mut Vec<Before>,
    instance: &Bound<'_, LiveModule>,
    previous: Option<&Bound<'_, LiveModule>>,
) {
    let py = instance.py();
    before.retain(|entry| {
        let is_it = |p: &ForeignPatch| p.target.is(&entry.target) && p.attribute == entry.attribute;
        !entry.by_functions
            || previous.is_some_and(|one| one.get().with_patches(|all| all.iter().any(is_it)))
            || now(entry.target.bind(py), &entry.attribute)
                .is_some_and(|value| leads_to_code_of(instance, &value, WRAPPERS))
    });
}

/// Whether a value is code of this instance, or a wrapper of such code.
fn leads_to_code_of(
    instance: &Bound<'_, LiveModule>,
    value: &Bound<'_, PyAny>,
    wrappers: usize,
) -> bool {
    let py = value.py();
    if is_code_of(instance, value) {
        return true;
    }
    let closure = || value.getattr(intern!(py, "__closure__")).ok()?.cast_into::<PyTuple>().ok();
    let cells = static_lookup::is_function(value).then(closure).flatten();
    let contents = cells.into_iter().flatten().filter_map(|cell| {
        cell.getattr(intern!(py, "cell_contents")).ok() // an empty cell raises
    });
    let wrapped = [intern!(py, "__wrapped__"), intern!(py, "func")].into_iter();
    let wrapped = wrapped.filter_map(|name| static_lookup::own(value, name));
    wrappers > 0
        && contents.chain(wrapped).any(|inner| leads_to_code_of(instance, &inner, wrappers - 1))
}

/// Whether a value is a function or class of this instance, or an object of such a class.
fn is_code_of(instance: &Bound<'_, LiveModule>, value: &Bound<'_, PyAny>) -> bool {
    let py = value.py();
    static METHOD: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    if METHOD.import(py, "types", "MethodType").is_ok_and(|kind| value.get_type().is(kind)) {
        let function = value.getattr(intern!(py, "__func__"));
        return function.is_ok_and(|function| is_code_of(instance, &function));
    }
    if static_lookup::is_function(value) {
        let globals = value.getattr(intern!(py, "__globals__")).ok();
        let owner = globals.and_then(|globals| caller::module_of_globals(py, &globals));
        return owner.is_some_and(|owner| owner.is(instance));
    }
    match value.cast::<PyType>() {
        Ok(class) => is_class_of(instance, class),
        Err(_) => is_class_of(instance, &value.get_type()),
    }
}

/// Whether this execution made a class: a value that it carried may be of a former one.
fn is_class_of(instance: &Bound<'_, LiveModule>, class: &Bound<'_, PyType>) -> bool {
    let Some(dict) = static_lookup::of_class(class) else { return false };
    let module = dict.get_item(intern!(class.py(), "__module__")).ok().flatten();
    let named = module.is_some_and(|module| {
        module.extract::<&str>().is_ok_and(|name| name == instance.get().name.as_str())
    });
    if !named {
        return false;
    }
    let functions: Vec<_> = dict.values().iter().filter(static_lookup::is_function).collect();
    match functions.is_empty() {
        true => items(&instance.get().namespace(class.py())).iter().any(|(_, v)| v.is(class)),
        false => functions.iter().all(|function| is_code_of(instance, function)),
    }
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

/// The same, except for values that newer code has set since this attempt was left behind.
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
        // The same plain value once more, `json.limit = 5`, cannot be told from none. A former wrapper
        // is no value that new code sets.
        let is_set_again = || {
            let wraps = |value| previous.is_some_and(|of| leads_to_code_of(of, value, WRAPPERS));
            older.is_some() && !set.as_ref().is_some_and(wraps)
        };
        if !same(entry.value.as_ref(), set.as_ref()) || is_set_again() {
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
