//! Has a module registered something with another, or has a fact about the other been stored there?
//!
//! What a container has come to hold is an effect of the code that was running, unless it is a memo:
//! something that was computed about what was there before, and lies where such things lie. A memo
//! never leads to an object that the running module made: a function, a class, an instance of one of
//! its classes. The places are an `lru_cache`, an attribute that a descriptor of that name computes
//! (`functools.cached_property`), and special names of classes and functions (`__signature__`,
//! `__pydantic_core_schema__`). In doubt it is an effect.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType, PyWeakref, PyWeakrefMethods};
use pyo3::{ffi, intern};

use crate::code::plain_values::{is_plain, worth};
use crate::cpython::address_map::{ByAddress, Pointer};
use crate::cpython::{opaque_state, static_lookup};
use crate::effects::container::{Kind, is_leaf, is_special, kind_of, read};
use crate::effects::enumerations;
use crate::effects::place::{Place, is_foreign};
use crate::effects::state_snapshot::{Difference, StateSnapshot};
use crate::state::caller;
use crate::state::live_module::LiveModule;

/// How many new objects are looked at to find one that a module made; beyond it one is assumed.
const OBJECTS: usize = 100_000;

/// Whether `module`, whose code was running, has changed what the container's owner is for.
pub fn is_effect(
    py: Python<'_>,
    state: &StateSnapshot,
    used: &[bool],
    difference: &Difference<'_>,
    module: &Bound<'_, LiveModule>,
) -> PyResult<bool> {
    if difference.hidden {
        return Ok(true);
    }
    let keyed = matches!(difference.kind, Kind::Namespace | Kind::Dict | Kind::Class);
    let (added, removed) = compare(py, keyed, &difference.before, &difference.now);
    match difference.kind {
        Kind::Cache => {
            let may_change = module.get().with_name_usage(|outline| outline.changes_containers());
            let added = added.iter().any(|(_, value)| is_container(py, *value));
            return Ok(added && may_change.unwrap_or(true));
        }
        Kind::Function => return Ok(is_filled(py, &added) || !removed.is_empty()),
        _ => {}
    }
    if added.is_empty() && removed.is_empty() {
        // The same in another order.
        return Ok(difference.kind == Kind::List);
    }
    let (holder, added, removed) = match attributes_of(py, difference, &added, &removed)? {
        Some((holder, added, removed)) => (Some(holder), added, removed),
        None => (None, added, removed),
    };
    if added.is_empty() && removed.is_empty() {
        return Ok(false);
    }
    Judge { py, state, used, difference, module, holder, removed: &removed }.any(&added)
}

/// The facts for judging the entries of one difference.
struct Judge<'a, 'py> {
    py: Python<'py>,
    state: &'a StateSnapshot,
    used: &'a [bool],
    difference: &'a Difference<'py>,
    module: &'a Bound<'py, LiveModule>,
    /// Whose attributes the entries are, if they are attributes.
    holder: Option<Bound<'py, PyAny>>,
    removed: &'a [Entry],
}

impl Judge<'_, '_> {
    /// Whether any entry that was added or removed is no memo.
    fn any(&self, added: &[Entry]) -> PyResult<bool> {
        for entry in added {
            if !self.at_memo(*entry)? || leads_to(self.py, self.state, entry.1, self.module)? {
                return Ok(true);
            }
        }
        for (removed, _) in self.removed {
            let replaced = added.iter().any(|(key, _)| !key.is_null() && key == removed);
            if !replaced && !self.at_memo((*removed, std::ptr::null_mut()))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an entry is where memos are kept, and says nothing that the module's code does.
    fn at_memo(&self, entry: Entry) -> PyResult<bool> {
        let (py, (key, value), place) = (self.py, entry, self.difference.place);
        if enumerations::keeps(py, self.difference, self.holder.as_ref(), key)? {
            return Ok(true);
        }
        if let Some(holder) = &self.holder
            && is_computed(py, holder, key)?
        {
            return Ok(true);
        }
        if matches!(place, Place::Definition | Place::Special) {
            return Ok(!self.told(entry) || self.is_of_the_library(value));
        }
        if self.difference.kind == Kind::Class {
            return Ok(is_special(py, key) && !self.told(entry));
        }
        let Some(holder) = &self.holder else {
            // Computed once more, in a place that foreign code made for it.
            return Ok(place == Place::Part && is_recomputed(py, key, value, self.removed));
        };
        let special = static_lookup::is_function(holder) && is_special(py, key);
        let part = place == Place::Part && is_foreign(py, &holder.get_type());
        Ok((special || part) && !self.told(entry))
    }

    /// Whether a value in a class is a function of the library that has the metaclass: it has noted how to do
    /// something, such as how to set a field.
    fn is_of_the_library(&self, value: Pointer) -> bool {
        if value.is_null() {
            return false;
        }
        // SAFETY: attached, a live object.
        let value = unsafe { Bound::from_borrowed_ptr(self.py, value) };
        let class = self.difference.parent.as_ref().and_then(|parent| parent.cast::<PyType>().ok());
        let Some(class) = class.filter(|_| static_lookup::is_function(&value)) else {
            return false;
        };
        let library = |object: &Bound<'_, PyAny>| -> Option<String> {
            let name: String =
                object.getattr(intern!(self.py, "__module__")).ok()?.extract().ok()?;
            name.split('.').next().map(str::to_owned)
        };
        let metaclass = library(class.get_type().as_any());
        metaclass.is_some()
            && metaclass == library(&value)
            && is_foreign(self.py, &class.get_type())
    }

    /// Whether live code that was running may have set the name, or chosen its value.
    fn told(&self, (key, value): Entry) -> bool {
        // If only the owner's code sets the attribute, the library has cached how to set it.
        let own = (self.difference.place == Place::Special).then_some(&self.difference.owner);
        is_set_by(self.py, (self.state, self.used, own), self.module, key)
            || is_constant(self.py, value, self.module, &self.difference.owner)
    }
}

/// Whether an entry takes the place of one of the same type, which is no text, number or the like.
fn is_recomputed(py: Python<'_>, key: Pointer, value: Pointer, removed: &[Entry]) -> bool {
    // SAFETY: attached, live objects.
    let type_of = |object: Pointer| unsafe { ffi::Py_TYPE(object) };
    !value.is_null()
        && !is_leaf(py, value)
        && removed.iter().any(|(there, before)| {
            *there == key && !key.is_null() && std::ptr::eq(type_of(*before), type_of(value))
        })
}

/// Whether live code that was running may have set the attribute of that name: that of `module`, or of
/// the modules in `used` but one.
fn is_set_by(
    py: Python<'_>,
    (state, used, but): (&StateSnapshot, &[bool], Option<&Bound<'_, LiveModule>>),
    module: &Bound<'_, LiveModule>,
    key: Pointer,
) -> bool {
    if key.is_null() {
        return false;
    }
    // SAFETY: attached, a live object.
    let key = unsafe { Bound::from_borrowed_ptr(py, key) };
    let Ok(name) = key.extract::<&str>() else { return true };
    let own = module.get().with_name_usage(|outline| {
        outline.sets_anywhere.contains(name) || outline.constants.contains(&worth(py, key.as_ptr()))
    });
    own != Some(false) || state.is_set_by(py, used, but, name)
}

/// Whether a value is a constant of the module's code, and not of the code of the one that has it now.
fn is_constant(
    py: Python<'_>,
    value: Pointer,
    module: &Bound<'_, LiveModule>,
    owner: &Bound<'_, LiveModule>,
) -> bool {
    if value.is_null() || !is_plain(py, value) {
        return false;
    }
    let worth = worth(py, value);
    let has = |whose: &Bound<'_, LiveModule>| {
        whose.get().with_name_usage(|outline| outline.constants.contains(&worth))
    };
    has(module) != Some(false) && has(owner) != Some(true)
}

/// An object and the key or name it is under (null where there is none).
type Entry = (Pointer, Pointer);

/// The entries that only one of two lists of contents has, of each. Text and numbers
/// are equal where their values are.
fn compare(
    py: Python<'_>,
    keyed: bool,
    before: &[Pointer],
    now: &[Pointer],
) -> (Vec<Entry>, Vec<Entry>) {
    let entries = |contents: &[Pointer]| -> Vec<Entry> {
        match keyed {
            true => contents.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect(),
            false => contents.iter().map(|value| (std::ptr::null_mut(), *value)).collect(),
        }
    };
    let mut counts: HashMap<(u64, u64), i64> = HashMap::new();
    let same = |(key, value): &Entry| (worth(py, *key), worth(py, *value));
    let (before, now) = (entries(before), entries(now));
    for entry in &before {
        *counts.entry(same(entry)).or_default() += 1;
    }
    let mut added = Vec::new();
    for entry in &now {
        let left = counts.entry(same(entry)).or_default();
        *left -= 1;
        if *left < 0 {
            added.push(*entry);
        }
    }
    let mut removed = Vec::new();
    for entry in &before {
        let left = counts.entry(same(entry)).or_default();
        if *left > 0 {
            *left -= 1;
            removed.push(*entry);
        }
    }
    (added, removed)
}

/// Whether a function has come to hold something: an attribute dict that was made and is empty is
/// nothing.
fn is_filled(py: Python<'_>, added: &[Entry]) -> bool {
    added.iter().any(|(_, value)| {
        // SAFETY: attached, a live object.
        let value = unsafe { Bound::from_borrowed_ptr(py, *value) };
        value.cast_exact::<PyDict>().map_or(true, |dict| !dict.is_empty())
    })
}

type Attributes<'py> = (Bound<'py, PyAny>, Vec<Entry>, Vec<Entry>);

/// Whose attributes a container's entries are, with the names they are under: of an instance, or of
/// the one that its dict was made for.
fn attributes_of<'py>(
    py: Python<'py>,
    difference: &Difference<'py>,
    added: &[Entry],
    removed: &[Entry],
) -> PyResult<Option<Attributes<'py>>> {
    match difference.kind {
        Kind::Dict => {
            let Some(parent) = &difference.parent else { return Ok(None) };
            let own = static_lookup::attributes(parent);
            let is_own = own.is_some_and(|own| own.is(&difference.object));
            Ok(is_own.then(|| (parent.clone(), added.to_vec(), removed.to_vec())))
        }
        Kind::Other => {
            let object = &difference.object;
            // From here on there is a dict, and its entries are judged by themselves.
            let Some(own) = static_lookup::attributes(object) else {
                return Ok(Some((object.clone(), added.to_vec(), removed.to_vec())));
            };
            let mut names: ByAddress<Pointer> = ByAddress::default();
            let mut values = Vec::new();
            for (key, value) in crate::cpython::snapshot::items(&own) {
                names.insert(value.as_ptr() as usize, key.as_ptr());
                values.push(value.as_ptr());
            }
            // The dict in place of the values that it took over.
            let mut now: Vec<Pointer> =
                difference.now.iter().filter(|each| **each != own.as_ptr()).copied().collect();
            if now.len() < difference.now.len() && !difference.before.contains(&own.as_ptr()) {
                now.extend(values);
            }
            let (added, removed) = compare(py, false, &difference.before, &now);
            let named = |(_, value): Entry| {
                let name = names.get(&(value as usize)).copied();
                (name.unwrap_or(std::ptr::null_mut()), value)
            };
            let added = added.into_iter().map(named).collect();
            // A removed entry may have had any name; a value that was replaced is judged by the one
            // in its place.
            let removed = if removed.len() <= difference.before.len() && own_grew(&now, difference)
            {
                Vec::new()
            } else {
                removed
            };
            Ok(Some((object.clone(), added, removed)))
        }
        _ => Ok(None),
    }
}

/// Whether an instance holds at least as many values as before.
fn own_grew(now: &[Pointer], difference: &Difference<'_>) -> bool {
    now.len() >= difference.before.len()
}

/// Whether a descriptor of that name computes the attribute: `cached_property` and its like.
fn is_computed(py: Python<'_>, holder: &Bound<'_, PyAny>, key: Pointer) -> PyResult<bool> {
    if key.is_null() {
        return Ok(false);
    }
    // SAFETY: attached, a live object.
    let name = unsafe { Bound::from_borrowed_ptr(py, key) };
    for class in holder.get_type().mro().iter() {
        let Some(dict) = static_lookup::of_class(class.cast::<PyType>()?) else { continue };
        let Some(found) = dict.get_item(&name)? else { continue };
        // SAFETY: attached, a live object.
        let (gets, sets) = unsafe {
            let kind = ffi::Py_TYPE(found.as_ptr());
            ((*kind).tp_descr_get.is_some(), (*kind).tp_descr_set.is_some())
        };
        return Ok(gets && !sets && !static_lookup::is_function(&found));
    }
    Ok(false)
}

/// Whether it is one of Python's own containers that can be changed.
fn is_container(py: Python<'_>, value: Pointer) -> bool {
    // SAFETY: attached, a live object.
    let value = unsafe { Bound::from_borrowed_ptr(py, value) };
    value.is_instance_of::<pyo3::types::PyList>()
        || value.is_instance_of::<PyDict>()
        || value.is_instance_of::<pyo3::types::PySet>()
        || value.get_type().name().is_ok_and(|name| name == "deque")
        || opaque_state::kind(&value).is_some()
}

/// Whether something that was not there before leads to an object that the module made.
fn leads_to(
    py: Python<'_>,
    state: &StateSnapshot,
    from: Pointer,
    module: &Bound<'_, LiveModule>,
) -> PyResult<bool> {
    let own = module.get().name.as_str();
    let mut met: ByAddress<()> = ByAddress::default();
    let mut waiting = vec![from];
    let mut inside = Vec::new();
    while let Some(next) = waiting.pop() {
        if next.is_null() || met.insert(next as usize, ()).is_some() {
            continue;
        }
        if met.len() > OBJECTS {
            return Ok(true);
        }
        // SAFETY: attached, a live object.
        let object = unsafe { Bound::from_borrowed_ptr(py, next) };
        if is_made_by(py, &object, module)? {
            return Ok(true);
        }
        if state.has_met(next) {
            continue;
        }
        if let Ok(weak) = object.cast::<PyWeakref>() {
            let there = weak.upgrade();
            if let Some(there) = there
                && is_made_by(py, &there, module)?
            {
                return Ok(true);
            }
            continue;
        }
        if is_leaf(py, next) {
            continue;
        }
        if let Some(kind) = kind_of(py, &object, own)? {
            inside.clear();
            read(py, next, kind, &mut inside);
            waiting.extend_from_slice(&inside);
        }
    }
    Ok(false)
}

/// Whether it is the module, one of its functions or classes, or an instance of such a class.
fn is_made_by(
    py: Python<'_>,
    object: &Bound<'_, PyAny>,
    module: &Bound<'_, LiveModule>,
) -> PyResult<bool> {
    if object.is(module.get().module.bind(py)) {
        return Ok(true);
    }
    if static_lookup::is_function(object) {
        let globals = object.getattr(intern!(py, "__globals__"))?;
        return Ok(caller::module_of_globals(py, &globals).is_some_and(|owner| owner.is(module)));
    }
    let class = match object.cast::<PyType>() {
        Ok(class) => class.clone(),
        Err(_) => object.get_type(),
    };
    let Some(dict) = static_lookup::of_class(&class) else { return Ok(false) };
    let of = dict.get_item(intern!(py, "__module__"))?;
    let of = of.and_then(|of| of.cast_into::<PyString>().ok());
    Ok(of.is_some_and(|of| of.to_str().is_ok_and(|of| of == module.get().name.as_str())))
}
