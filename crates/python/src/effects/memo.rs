//! Has a module registered something with another, or has a fact about the other been stored there?
//!
//! What a container has come to hold is an effect of the code that was running, unless it is a memo:
//! something that was computed about what was there before, and lies where such things lie. A memo
//! never leads to an object that the running module made: a function, a class, an instance of one of
//! its classes. The places are an `lru_cache`, an attribute that a descriptor of that name computes
//! (`functools.cached_property`), and special names of classes and functions (`__signature__`,
//! `__pydantic_core_schema__`). In doubt it is an effect.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType, PyWeakref, PyWeakrefMethods};
use pyo3::{ffi, intern};

use crate::code::plain_values::{is_plain, worth};
use crate::cpython::address_map::{ByAddress, Pointer};
use crate::cpython::{opaque_state, static_lookup};
use crate::effects::container::{Kind, is_leaf, is_special, kind_of, read};
use crate::effects::differing_entries::{Entry, attributes_of, entries};
use crate::effects::enumerations;
use crate::effects::place::{Place, is_foreign};
use crate::effects::state_snapshot::{Difference, StateSnapshot};
use crate::state::caller;
use crate::state::live_module::LiveModule;

/// How many new objects are looked at to find one that a module made; beyond it one is assumed.
const OBJECTS: usize = 100_000;

/// What a difference says of the module whose code was running.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The owner is as it was.
    Memo,
    /// The owner has changed. Nothing shows who did it.
    Change,
    /// The owner holds an object that the module made.
    Registration,
}

/// Whether `module`, whose code was running, has changed what the container's owner is for. `asks_who`: it
/// matters whether the module did it.
pub fn verdict(
    py: Python<'_>,
    state: &StateSnapshot,
    used: &[bool],
    difference: &Difference<'_>,
    module: &Bound<'_, LiveModule>,
    asks_who: bool,
) -> PyResult<Verdict> {
    let change = |is_change: bool| if is_change { Verdict::Change } else { Verdict::Memo };
    if difference.hidden {
        return Ok(Verdict::Change);
    }
    let (added, removed) = entries(py, difference);
    match difference.kind {
        Kind::Cache => {
            let may_change = module.get().with_name_usage(|outline| outline.changes_containers());
            let added = added.iter().any(|(_, value)| is_container(py, *value));
            return Ok(change(added && may_change.unwrap_or(true)));
        }
        Kind::Function => return Ok(change(is_filled(py, &added) || !removed.is_empty())),
        _ => {}
    }
    if added.is_empty() && removed.is_empty() {
        // The same in another order.
        return Ok(change(difference.kind == Kind::List));
    }
    let (holder, added, removed) = match attributes_of(py, difference, &added, &removed)? {
        Some((holder, added, removed)) => (Some(holder), added, removed),
        None => (None, added, removed),
    };
    if added.is_empty() && removed.is_empty() {
        return Ok(Verdict::Memo);
    }
    Judge { py, state, used, difference, module, asks_who, holder, removed: &removed }.any(&added)
}

/// The facts for judging the entries of one difference.
struct Judge<'a, 'py> {
    py: Python<'py>,
    state: &'a StateSnapshot,
    used: &'a [bool],
    difference: &'a Difference<'py>,
    module: &'a Bound<'py, LiveModule>,
    asks_who: bool,
    /// Whose attributes the entries are, if they are attributes.
    holder: Option<Bound<'py, PyAny>>,
    removed: &'a [Entry],
}

impl Judge<'_, '_> {
    /// Whether any entry that was added or removed is no memo.
    fn any(&self, added: &[Entry]) -> PyResult<Verdict> {
        let mut found = Verdict::Memo;
        for entry in added {
            if !self.at_memo(*entry)? {
                found = Verdict::Change;
            }
            if (found == Verdict::Memo || self.asks_who)
                && leads_to(self.py, self.state, entry.1, self.module)?
            {
                return Ok(Verdict::Registration);
            }
            if found == Verdict::Change && !self.asks_who {
                return Ok(found);
            }
        }
        for (removed, _) in self.removed {
            let replaced = added.iter().any(|(key, _)| !key.is_null() && key == removed);
            if !replaced && !self.at_memo((*removed, std::ptr::null_mut()))? {
                return Ok(Verdict::Change);
            }
        }
        Ok(found)
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

/// Whether a function has come to hold something: an attribute dict that was made and is empty is
/// nothing.
fn is_filled(py: Python<'_>, added: &[Entry]) -> bool {
    added.iter().any(|(_, value)| {
        // SAFETY: attached, a live object.
        let value = unsafe { Bound::from_borrowed_ptr(py, *value) };
        value.cast_exact::<PyDict>().map_or(true, |dict| !dict.is_empty())
    })
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
