//! Has a module kept something of another that only a function of it imported?
//!
//! A deferred import is resolved afresh at each call, so an update need not
//! follow it, unless the importer's namespace holds on to something of the
//! imported module: a lazily filled `_impl`, a cached class. A bounded walk
//! through the namespace finds out; in doubt (the bound is reached) it has not. It
//! looks at the objects of other modules while they are in use: none is asked.

use std::collections::{HashSet, VecDeque};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyModule, PySet, PyTuple, PyType};

use crate::cpython::snapshot::{items, referents};
use crate::cpython::static_lookup;
use crate::effects::ownership::code_of;
use crate::state::live_module::LiveModule;

/// How many objects the walk looks at.
const OBJECTS: usize = 2000;

/// Whether `holder`'s namespace holds `of`'s module, or a function, class or instance of it.
pub fn retains(py: Python<'_>, holder: &Bound<'_, LiveModule>, of: &Bound<'_, LiveModule>) -> bool {
    let mut seen = HashSet::new();
    let mut waiting = VecDeque::new();
    for (key, value) in items(&holder.get().namespace(py)) {
        let bound =
            key.extract::<&str>().is_ok_and(|key| is_bound_submodule(holder.get(), key, of.get()));
        if !bound || !value.is(of.get().module.bind(py)) {
            waiting.push_back(value);
        }
    }
    while let Some(object) = waiting.pop_front() {
        if seen.len() > OBJECTS {
            return false;
        }
        // SAFETY: attached, a live object.
        let leaf = unsafe { ffi::PyObject_IS_GC(object.as_ptr()) } == 0;
        if leaf || !seen.insert(object.as_ptr() as usize) {
            continue;
        }
        if belongs(py, &object, of) {
            return true;
        }
        if let Ok(dict) = object.cast::<PyDict>() {
            waiting.extend(dict.values().iter());
        } else if let Ok(list) = object.cast::<PyList>() {
            waiting.extend(list.iter());
        } else if let Ok(tuple) = object.cast::<PyTuple>() {
            waiting.extend(tuple.iter());
        } else if let Ok(set) = object.cast::<PySet>() {
            waiting.extend(referents(set).iter().flatten());
        } else if !object.is_instance_of::<PyModule>() && !object.is_instance_of::<PyType>() {
            let attributes = static_lookup::attributes(&object);
            waiting.extend(attributes.iter().flat_map(|attributes| attributes.values()));
        }
    }
    false
}

/// Whether an object is the module, its code, or an instance of one of its classes.
fn belongs(py: Python<'_>, object: &Bound<'_, PyAny>, of: &Bound<'_, LiveModule>) -> bool {
    let owner = code_of(py, object).or_else(|| code_of(py, object.get_type().as_any()));
    owner.is_some_and(|owner| owner.is(of))
}

/// Whether a value in a package's namespace is a submodule that was bound there by importing it.
pub fn is_bound_submodule(parent: &LiveModule, key: &str, child: &LiveModule) -> bool {
    child.name.tail() == key && child.name.parent().as_ref() == Some(&parent.name)
}
