//! Which state is a module in, as one number?
//!
//! A bounded walk over the objects in its namespace, breadth first: the identity of each object,
//! and for text and numbers the value, because a number that has been replaced twice may stand
//! where the first one stood. Containers, instances, functions (closures and attributes), bound
//! methods, partials and slots are looked into; caches that fill themselves, classes of other
//! modules and the interpreter's own caches are not. `cpython/opaque_state.rs` reads the state that
//! C code hides. Of a cache the values that it had before are looked into, but new entries are no
//! change. No code of the program runs meanwhile.

use std::collections::{HashSet, VecDeque};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PyMappingProxy, PyModule, PySet,
    PyString, PyTuple, PyType,
};
use pyo3::{ffi, intern};
use xxhash_rust::xxh3::Xxh3;

use crate::cpython::snapshot::{items, referents};
use crate::cpython::{lazy_object, opaque_state, static_lookup};
use crate::state::live_module::LiveModule;

/// How many objects one fingerprint looks into, and how far from the namespace it goes. Objects
/// that a module's names hold directly come first.
const OBJECTS: usize = 10_000;
const DEPTH: u8 = 12;

/// How many values of caches one fingerprint looks into, and how many objects of each.
const CACHED: usize = 64;
const OF_CACHED: usize = 500;

/// The state of a module at one moment.
pub struct Fingerprint {
    /// A number that differs when the state of the module's namespace does.
    hash: u64,
    /// The values in its caches, and the same number for each. Held as long as the code runs that
    /// may change them.
    cached: Vec<(Py<PyAny>, u64)>,
}

impl Fingerprint {
    /// Whether the state is another `now`.
    pub fn differs(&self, py: Python<'_>, now: &Self, module: &Bound<'_, LiveModule>) -> bool {
        let name = module.get().name.as_str();
        self.hash != now.hash
            || self.cached.iter().any(|(value, hash)| of_value(py, name, value.bind(py)) != *hash)
    }

    /// Whether a cache holds a list, dict or the like now that it did not hold.
    pub fn has_more_cached(&self, py: Python<'_>, now: &Self) -> bool {
        now.cached.iter().any(|(value, _)| {
            !self.cached.iter().any(|(before, _)| before.is(value)) && is_container(value.bind(py))
        })
    }

    /// The same once more.
    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        let cached = self.cached.iter().map(|(value, hash)| (value.clone_ref(py), *hash));
        Fingerprint { hash: self.hash, cached: cached.collect() }
    }

    /// Whether it is of the same moment, as far as that can be told.
    pub fn is_like(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

/// The state of a module.
pub fn fingerprint(py: Python<'_>, instance: &Bound<'_, LiveModule>) -> Fingerprint {
    let mut walk = FingerprintWalk::new(instance.get().name.as_str(), OBJECTS);
    for (key, value) in items(&instance.get().namespace(py)) {
        // Nor is it one that a lazy import is used for the first time.
        let lazy = |name| lazy_object::is_lazy(&value) || instance.get().lazy.is_used(name);
        let special = key.extract::<&str>().is_ok_and(|name| name.starts_with("__") || lazy(name));
        // Submodules come and go on a package by being imported; that is no effect.
        if special || value.is_instance_of::<PyModule>() {
            continue;
        }
        walk.add(key.as_ptr() as u64);
        walk.visit(value, 0);
    }
    walk.go(py);
    let mut cached = Vec::new();
    for cache in std::mem::take(&mut walk.caches) {
        for value in cached_by(&cache).unwrap_or_default() {
            if cached.len() < CACHED && !is_leaf(&value) {
                let hash = of_value(py, walk.own, &value);
                cached.push((value.unbind(), hash));
            }
        }
    }
    Fingerprint { hash: walk.hash.digest(), cached }
}

/// The state of one value that a cache of that module holds.
fn of_value(py: Python<'_>, module: &str, value: &Bound<'_, PyAny>) -> u64 {
    let mut walk = FingerprintWalk::new(module, OF_CACHED);
    walk.visit(value.clone(), 0);
    walk.go(py);
    walk.hash.digest()
}

/// The values that an `lru_cache` holds (and, where it has a limit, their keys).
pub fn cached_by<'py>(cache: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let mut values = Vec::new();
    for each in referents(cache)?.iter() {
        if let Ok(dict) = each.cast_exact::<PyDict>() {
            values.extend(dict.values().iter());
        // SAFETY: attached, a live object.
        } else if unsafe { ffi::PyFunction_Check(each.as_ptr()) } == 0
            && !each.is_instance_of::<PyType>()
        {
            values.push(each);
        }
    }
    Ok(values)
}

/// Whether it is one of Python's own containers that can be changed.
fn is_container(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyList>()
        || value.is_instance_of::<PyDict>()
        || value.is_instance_of::<PySet>()
        || value.get_type().name().is_ok_and(|name| name == "deque")
        || opaque_state::kind(value).is_some()
}

/// Whether there is nothing to be looked into.
fn is_leaf(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: attached, a live object.
    let seen = unsafe { ffi::PyObject_IS_GC(object.as_ptr()) } != 0;
    (!seen && opaque_state::kind(object).is_none()) || object.is_instance_of::<PyModule>()
}

/// The type of the objects that `functools.lru_cache` makes.
pub fn cache_type<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyType>> {
    static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    TYPE.import(py, "functools", "_lru_cache_wrapper")
}

/// Types whose objects change by being used, and which are no registries.
fn self_filling<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyTuple>> {
    static TYPES: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    let known = [
        ("logging", "Logger"),
        ("logging", "Handler"),
        ("logging", "Manager"),
        ("_thread", "_local"),
    ];
    static_lookup::types(py, &TYPES, &known)
}

struct FingerprintWalk<'a, 'py> {
    /// The module's name, `shop.registry`.
    own: &'a str,
    hash: Xxh3,
    /// Addresses of the objects in line and of those that were looked into.
    seen: HashSet<usize>,
    /// How many these may be.
    objects: usize,
    waiting: VecDeque<(Bound<'py, PyAny>, u8)>,
    /// The caches that were met.
    caches: Vec<Bound<'py, PyAny>>,
}

impl<'a, 'py> FingerprintWalk<'a, 'py> {
    fn new(own: &'a str, objects: usize) -> Self {
        FingerprintWalk {
            own,
            hash: Xxh3::new(),
            seen: HashSet::new(),
            objects,
            waiting: VecDeque::new(),
            caches: Vec::new(),
        }
    }

    fn go(&mut self, py: Python<'py>) {
        while let Some((object, depth)) = self.waiting.pop_front() {
            // An object that cannot be looked into counts by its identity.
            let _ = self.open(py, &object, depth);
        }
    }

    fn add(&mut self, number: u64) {
        self.hash.update(&number.to_ne_bytes());
    }

    /// Notes an object and puts it in line, unless it is a leaf.
    fn visit(&mut self, object: Bound<'py, PyAny>, depth: u8) {
        if let Some(value) = plain_value(&object) {
            self.add(value);
            return;
        }
        self.add(object.as_ptr() as u64);
        if !is_leaf(&object)
            && depth < DEPTH
            && self.seen.len() < self.objects
            && self.seen.insert(object.as_ptr() as usize)
        {
            self.waiting.push_back((object, depth + 1));
        }
    }

    /// Looks into one object.
    fn open(&mut self, py: Python<'py>, object: &Bound<'py, PyAny>, depth: u8) -> PyResult<()> {
        if let Some(kind) = opaque_state::kind(object) {
            self.add(opaque_state::state(py, object, kind).unwrap_or_default());
        }
        if let Ok(dict) = object.cast_exact::<PyDict>() {
            self.open_dict(dict, depth);
        } else if let Ok(list) = object.cast_exact::<PyList>() {
            self.add(list.len() as u64);
            list.iter().for_each(|item| self.visit(item, depth));
        } else if let Ok(tuple) = object.cast_exact::<PyTuple>() {
            tuple.iter().for_each(|item| self.visit(item, depth));
        } else if let Ok(set) = object.cast_exact::<PySet>() {
            self.add(set.len() as u64);
            referents(set)?.iter().for_each(|item| self.visit(item, depth));
        } else if object.cast_exact::<PyFrozenSet>().is_ok() {
            // Holds hashable objects, and never changes.
        } else if let Ok(proxy) = object.cast::<PyMappingProxy>() {
            self.add(proxy.len()? as u64);
        } else if let Ok(class) = object.cast::<PyType>() {
            self.open_class(py, class, depth)?;
        // SAFETY: attached, a live object.
        } else if unsafe { ffi::PyFunction_Check(object.as_ptr()) } != 0 {
            self.open_function(py, object, depth)?;
        } else if object.get_type().is(cache_type(py)?) {
            self.caches.push(object.clone());
            // Holds the wrapped function, and attributes that were set on the cache.
            if let Some(own) = static_lookup::attributes(object) {
                self.open_dict(&own, depth);
            }
        } else if !static_lookup::is_a(object, self_filling(py)?) {
            self.open_other(object, depth)?;
        }
        Ok(())
    }

    fn open_dict(&mut self, dict: &Bound<'py, PyDict>, depth: u8) {
        self.add(dict.len() as u64);
        for (key, value) in items(dict) {
            self.visit(key, depth);
            self.visit(value, depth);
        }
    }

    /// Looks into the dict of a class, unless the class is another module's.
    fn open_class(
        &mut self,
        py: Python<'py>,
        class: &Bound<'py, PyType>,
        depth: u8,
    ) -> PyResult<()> {
        if self.is_anothers(py, class)? {
            return Ok(());
        }
        // Not as its metaclass would answer for it.
        let Some(dict) = static_lookup::of_class(class) else { return Ok(()) };
        for (key, value) in items(&dict) {
            // The interpreter keeps caches and weak lists of its own in some of these.
            let name = key.extract::<&str>().unwrap_or("");
            if matches!(
                name,
                "__weakref__"
                    | "__dict__"
                    | "_abc_impl"
                    | "__annotations__"
                    | "__annotations_cache__"
            ) {
                continue;
            }
            self.add(key.as_ptr() as u64);
            self.visit(value, depth);
        }
        Ok(())
    }

    /// Whether the module that a class names as its own is another, and has it. (A class that a
    /// function of another module made, as `declarative_base()` does, belongs to the caller.)
    fn is_anothers(&self, py: Python<'py>, class: &Bound<'py, PyType>) -> PyResult<bool> {
        // A built-in class belongs to the interpreter.
        let Some(dict) = static_lookup::of_class(class) else { return Ok(true) };
        let Some(of) = dict.get_item(intern!(py, "__module__"))? else { return Ok(false) };
        let Ok(of) = of.cast::<PyString>() else { return Ok(false) };
        if of.to_str()? == self.own {
            return Ok(false);
        }
        let name = class.qualname()?;
        let name = name.to_str()?.split('.').next().unwrap_or("");
        let modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?;
        let module = modules.cast::<PyDict>()?.get_item(of)?;
        let Some(module) = module else { return Ok(false) };
        match module.cast::<PyModule>() {
            // A live module's names are those of several generations.
            Ok(module) if crate::sysmodules::facade::is_facade(module) => {
                Ok(!class.qualname()?.to_str()?.contains("<locals>"))
            }
            Ok(module) => Ok(module.dict().contains(name)?),
            Err(_) => Ok(false),
        }
    }

    fn open_function(
        &mut self,
        py: Python<'py>,
        function: &Bound<'py, PyAny>,
        depth: u8,
    ) -> PyResult<()> {
        if let Ok(cells) = function.getattr(intern!(py, "__closure__"))?.cast::<PyTuple>() {
            for cell in cells.iter() {
                if let Ok(content) = cell.getattr(intern!(py, "cell_contents")) {
                    self.visit(content, depth);
                }
            }
        }
        if let Ok(defaults) = function.getattr(intern!(py, "__defaults__"))?.cast::<PyTuple>() {
            defaults.iter().for_each(|default| self.visit(default, depth));
        }
        // Made on first access, so that asking does not change the answer next time.
        let attributes = function.getattr(intern!(py, "__dict__"))?;
        self.open_dict(attributes.cast::<PyDict>()?, depth);
        Ok(())
    }

    /// Any other object: the objects that the collector sees in it, attributes and slots included.
    fn open_other(&mut self, object: &Bound<'py, PyAny>, depth: u8) -> PyResult<()> {
        // Has the dict made where there may be one: from then on it is seen as that.
        let _ = static_lookup::attributes(object);
        let held = referents(object)?;
        self.add(held.len() as u64);
        held.iter().for_each(|each| self.visit(each, depth));
        Ok(())
    }
}

/// The hash of text, of a number or of bytes: equal for equal values, also where the object is
/// another.
fn plain_value(object: &Bound<'_, PyAny>) -> Option<u64> {
    let plain = object.is_exact_instance_of::<PyString>()
        || object.is_exact_instance_of::<PyInt>()
        || object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyBytes>()
        || object.is_exact_instance_of::<PyBool>();
    plain.then(|| object.hash().map_or(0, |hash| hash as u64))
}
