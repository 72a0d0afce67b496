//! Which caches keep objects of former code as keys?
//!
//! A function with `functools.lru_cache` keeps its arguments: `urlsplit` keeps URLs, even if they are
//! objects of a class of the program. Only former code can have such an object, and would ask
//! for that entry again. From a cache without a limit the entry is taken out. One with a limit cannot
//! lose a single entry (its links refer to each other unseen), but loses some with any call, so a
//! foreign one is emptied. Live code keeps its own, which it may rely on.

use pyo3::types::{PyDict, PyFunction, PyList, PyModule, PyType};
use pyo3::{ffi, intern, prelude::*};

use crate::cpython::address_map::{ByAddress, Pointer};
use crate::cpython::{log::complain, referents, snapshot, static_lookup};
use crate::effects::container::cache_type;
use crate::effects::retention::own_classes;
use crate::state::{caller, live_module::LiveModule, runtime::Runtime};
use crate::update::{former_cycles, lingering};

/// How many objects of a key are looked at.
const MOST: usize = 40;
/// The attempts to collect before the last one.
const LAST: u8 = former_cycles::ATTEMPTS - 1;

/// Takes out the entries for objects of executions that no generation has any more, from the caches that
/// are known to hold objects of live code. To find other caches takes as long as to list the whole heap,
/// and most executions leave memory without that: it is done when they are tried to be collected for
/// the last time.
pub fn empty(py: Python<'_>, runtime: &Runtime) {
    let emptied = try_to_empty(py, &lingering::lingering(py, runtime), known).and_then(|()| {
        let former = lingering::left_by_collector(py, runtime, LAST..=LAST);
        try_to_empty(py, &former, caches)
    });
    if let Err(error) = emptied {
        let _ = complain(py, "caches may keep former code in memory", error);
    }
}

fn try_to_empty<'py>(
    py: Python<'py>,
    former: &[Bound<'py, LiveModule>],
    caches: impl FnOnce(Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>>,
) -> PyResult<()> {
    if former.is_empty() {
        return Ok(());
    }
    let mut keys = Keys::of(py, former);
    for cache in caches(py)? {
        for each in snapshot::referents(&cache)?.iter() {
            // The dict of its attributes is no cache, but has only names as keys.
            let Ok(entries) = each.cast_exact::<PyDict>() else { continue };
            let found: Vec<_> = snapshot::items(entries)
                .into_iter()
                .map(|(key, _)| key)
                .filter(|key| keys.leads_to_former(key))
                .collect();
            if !found.is_empty() {
                take_out(&cache, entries, found)?;
            }
        }
    }
    Ok(())
}

/// The functions with such a cache that a count of references has met.
fn known(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyAny>>> {
    let kind = cache_type(py)?;
    let holders = py.import(intern!(py, "transfuse.registrations.holders"))?;
    let known = holders.call_method0(intern!(py, "known"))?.cast_into::<PyList>()?;
    Ok(known.iter().filter(|each| each.get_type().is(kind)).collect())
}

/// All functions with such a cache. The list of the heap is gone when code of the program may run.
fn caches(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyAny>>> {
    let kind = cache_type(py)?;
    let heap = py.import(intern!(py, "gc"))?.call_method0(intern!(py, "get_objects"))?;
    let heap = heap.cast_into::<PyList>()?;
    Ok(heap.iter().filter(|each| each.get_type().is(kind)).collect())
}

fn take_out(
    cache: &Bound<'_, PyAny>,
    entries: &Bound<'_, PyDict>,
    keys: Vec<Bound<'_, PyAny>>,
) -> PyResult<()> {
    let py = cache.py();
    let limit = cache.call_method0(intern!(py, "cache_info"))?.getattr(intern!(py, "maxsize"))?;
    if limit.is_none() {
        for key in keys {
            // Another thread may have emptied it meanwhile.
            if entries.contains(&key)? {
                entries.del_item(&key)?;
            }
        }
    } else if !is_live(cache) {
        cache.call_method0(intern!(py, "cache_clear"))?;
    }
    Ok(())
}

fn is_live(cache: &Bound<'_, PyAny>) -> bool {
    let py = cache.py();
    let wrapped = static_lookup::own(cache, intern!(py, "__wrapped__"));
    let Some(Ok(function)) = wrapped.map(Bound::cast_into_exact::<PyFunction>) else {
        return false;
    };
    // SAFETY: attached, a function; its globals are borrowed from it.
    let globals = unsafe { ffi::PyFunction_GetGlobals(function.as_ptr()) };
    // SAFETY: attached; the function refers to them.
    let globals = unsafe { Bound::from_borrowed_ptr(py, globals) };
    globals.cast::<PyDict>().is_ok_and(|globals| caller::module_of_globals(py, globals).is_some())
}

/// Recognizes keys with objects of former executions.
struct Keys {
    /// The addresses of their namespaces.
    namespaces: ByAddress<()>,
    /// Address of a class -> whether they made it.
    classes: ByAddress<bool>,
    /// Of the key at hand: the objects to look at. Empty in between.
    waiting: Vec<Pointer>,
}

impl Keys {
    fn of(py: Python<'_>, former: &[Bound<'_, LiveModule>]) -> Self {
        let namespaces = former.iter().map(|one| one.get().namespace(py).as_ptr() as usize);
        let classes = own_classes(former).into_keys().map(|class| (class, true));
        Keys {
            namespaces: namespaces.map(|one| (one, ())).collect(),
            classes: classes.collect(),
            waiting: Vec::new(),
        }
    }

    /// Whether a key is or contains a function, a class, or an instance of a class of theirs.
    fn leads_to_former(&mut self, key: &Bound<'_, PyAny>) -> bool {
        let py = key.py();
        let (mut at, mut inside) = (0, vec![key.as_ptr()]);
        while let Some(pointer) = inside.get(at).copied() {
            // SAFETY: attached; the key leads to it, and no code of the program runs here.
            let object = unsafe { Bound::from_borrowed_ptr(py, pointer) };
            if self.is_theirs(&object) {
                return true;
            }
            if !is_end(&object) {
                referents::visit(py, pointer, &mut self.waiting);
                let new = self.waiting.drain(..).filter(|one| !inside.contains(one));
                let new: Vec<_> = new.take(MOST - inside.len()).collect();
                inside.extend(new);
            }
            at += 1;
        }
        false
    }

    fn is_theirs(&mut self, object: &Bound<'_, PyAny>) -> bool {
        if let Ok(function) = object.cast_exact::<PyFunction>() {
            // SAFETY: attached, a function; its globals are borrowed from it.
            let globals = unsafe { ffi::PyFunction_GetGlobals(function.as_ptr()) };
            return self.namespaces.contains_key(&(globals as usize));
        }
        match object.cast::<PyType>() {
            Ok(class) => self.is_class_of_theirs(class),
            Err(_) => self.is_class_of_theirs(&object.get_type()),
        }
    }

    fn is_class_of_theirs(&mut self, class: &Bound<'_, PyType>) -> bool {
        let address = class.as_ptr() as usize;
        if let Some(known) = self.classes.get(&address) {
            return *known;
        }
        let dict = static_lookup::of_class(class);
        let values = dict.iter().flat_map(snapshot::items).map(|(_, value)| value);
        let mut functions = values.filter_map(|value| value.cast_into_exact::<PyFunction>().ok());
        let is_theirs = functions.any(|function| {
            // SAFETY: attached, a function; its globals are borrowed from it.
            let globals = unsafe { ffi::PyFunction_GetGlobals(function.as_ptr()) };
            self.namespaces.contains_key(&(globals as usize))
        });
        self.classes.insert(address, is_theirs);
        is_theirs
    }
}

/// Whether an object leads to more than a key consists of.
fn is_end(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyType>()
        || object.is_instance_of::<PyModule>()
        || static_lookup::is_function(object)
}
