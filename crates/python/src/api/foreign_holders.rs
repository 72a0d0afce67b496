//! Which references to objects of executions have foreign holders that are no registries?
//!
//! A search for registries ends at the namespace of a module or class (a property that live code sets on
//! a foreign class), and at an `lru_cache` that was called with live code. What these hold can be counted
//! without a search of the heap: they are found from `sys.modules`, and most updates meet the same ones
//! again.

use std::collections::HashSet;
use std::time::Duration;

use pyo3::types::{PyDict, PyFunction, PyList, PyModule, PyType};
use pyo3::{ffi, intern, prelude::*};

use crate::api::referrers::{OBJECTS, Slices};
use crate::cpython::address_map::{ByAddress, Pointer};
use crate::cpython::{referents, snapshot, static_lookup};
use crate::effects::container::cache_type;
use crate::state::live_module::LiveModule;

/// How many objects may lie between a holder and what it leads to: a property, its function.
const LEVELS: usize = 5;
/// The most objects of one holder that are looked into.
const MOST: usize = 10_000;

/// Looks for references to some objects.
pub struct ForeignHolders<'a, 'py> {
    py: Python<'py>,
    /// The namespaces that executions made.
    names: &'a ByAddress<()>,
    /// Address of an object whose references are known already -> its index.
    known: &'a ByAddress<usize>,
    /// Address of an object -> the references to it that records of attributes have.
    ours: ByAddress<isize>,
    /// The type of an `lru_cache`.
    cache: Bound<'py, PyType>,
    /// Address of an object that is looked for -> the references that were found.
    pub found: ByAddress<isize>,
    /// The modules, classes and caches that have them.
    pub holders: Vec<Bound<'py, PyAny>>,
    /// Whether one of them is a module or a class.
    pub are_attributes: bool,
    /// The addresses of the holders that were looked into.
    seen: ByAddress<()>,
    /// How many objects of the holder at hand were looked into.
    looked: usize,
    /// How many references were found.
    total: isize,
}

/// The foreign modules, their classes and caches that refer to objects of executions.
///
/// `objects` are looked for, `names` are the ids of the namespaces that the executions made, and
/// `modules` their modules. Other threads run meanwhile, so this is no count.
#[pyfunction]
pub fn foreign_holders<'py>(
    objects: &Bound<'py, PyList>,
    names: HashSet<usize>,
    modules: Vec<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    let py = objects.py();
    let names = names.into_iter().map(|name| (name, ())).collect();
    let wanted = objects.iter().map(|each| each.as_ptr() as usize);
    let known = ByAddress::default();
    let mut all = ForeignHolders::new(py, &names, &known, of_patches(&modules), wanted)?;
    let all_modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?;
    let mut slices = Slices::begin(Duration::MAX);
    for (count, (_, module)) in snapshot::items(all_modules.cast()?).iter().enumerate() {
        slices.goes_on(py, count * OBJECTS)?;
        all.look_into(module);
    }
    PyList::new(py, all.holders)
}

/// The references that the records of attributes of foreign code have to their values, by address.
pub fn of_patches(modules: &[Bound<'_, PyAny>]) -> ByAddress<isize> {
    let mut ours = ByAddress::default();
    for module in modules {
        let Ok(module) = module.cast::<PyModule>() else { continue };
        let loader = module.dict().get_item(intern!(module.py(), "__loader__")).ok().flatten();
        let Some(Ok(live)) = loader.map(Bound::cast_into_exact::<LiveModule>) else { continue };
        live.get().with_patches(|patches| {
            let values = patches.iter().flat_map(|patch| [&patch.original, &patch.value]);
            for value in values.flatten() {
                *ours.entry(value.as_ptr() as usize).or_insert(0) += 1;
            }
        });
    }
    ours
}

impl<'a, 'py> ForeignHolders<'a, 'py> {
    pub fn new(
        py: Python<'py>,
        names: &'a ByAddress<()>,
        known: &'a ByAddress<usize>,
        ours: ByAddress<isize>,
        wanted: impl Iterator<Item = usize>,
    ) -> PyResult<Self> {
        let (found, seen) = (wanted.map(|one| (one, 0)).collect(), ByAddress::default());
        let cache = cache_type(py)?.clone();
        Ok(ForeignHolders {
            py,
            names,
            known,
            ours,
            cache,
            found,
            holders: Vec::new(),
            are_attributes: false,
            seen,
            looked: 0,
            total: 0,
        })
    }

    /// Looks into a module, a class or a cache, and into the classes and caches that it has.
    pub fn look_into(&mut self, holder: &Bound<'py, PyAny>) {
        let address = holder.as_ptr() as usize;
        if self.known.contains_key(&address) || self.seen.insert(address, ()).is_some() {
            return;
        }
        self.looked = 0;
        if holder.get_type().is(&self.cache) {
            self.look_into_cache(holder);
        } else if let Ok(class) = holder.cast::<PyType>() {
            if let Some(attributes) = static_lookup::of_class(class) {
                self.look_into_attributes(holder, &attributes);
            }
        } else if let Ok(module) = holder.cast::<PyModule>() {
            let names = module.dict();
            if !self.names.contains_key(&(names.as_ptr() as usize)) {
                self.look_into_attributes(holder, &names);
            }
        }
    }

    /// Looks into the values of attributes that are set when the update is published.
    pub fn look_into_patches(&mut self) {
        let values: Vec<_> = self.ours.iter().map(|(value, count)| (*value, *count)).collect();
        for (value, references) in values {
            if !self.count(value as Pointer, references) {
                // Those of the records are added there.
                self.look_through(value as Pointer, 0, LEVELS);
            }
        }
        self.are_attributes |= self.total > 0;
    }

    fn look_into_attributes(&mut self, holder: &Bound<'py, PyAny>, names: &Bound<'py, PyDict>) {
        let before = self.total;
        let mut inner = Vec::new();
        for (_, value) in names.iter() {
            if self.count(value.as_ptr(), 1) {
                continue;
            }
            let kind = value.get_type_ptr();
            if kind == self.cache.as_type_ptr() || is_class_made_at_run_time(&value) {
                inner.push(value);
            } else if self.is_wrapper(&value) {
                // One reference is that of the variable at hand.
                self.look_through(value.as_ptr(), 2, LEVELS);
            }
        }
        if self.total > before {
            self.are_attributes = true;
            self.holders.push(holder.clone());
        }
        for each in inner {
            self.look_into(&each);
        }
    }

    /// Whether an attribute is one that leads to a function of an execution: a property, or such a function.
    fn is_wrapper(&self, value: &Bound<'py, PyAny>) -> bool {
        if value.is_exact_instance_of::<PyFunction>() {
            // SAFETY: attached, and the object is a function. The result is borrowed.
            let globals = unsafe { ffi::PyFunction_GetGlobals(value.as_ptr()) };
            return self.names.contains_key(&(globals as usize));
        }
        let kinds = [
            &raw mut ffi::PyProperty_Type,
            &raw mut ffi::PyStaticMethod_Type,
            &raw mut ffi::PyClassMethod_Type,
        ];
        kinds.contains(&value.get_type_ptr())
    }

    fn look_into_cache(&mut self, cache: &Bound<'py, PyAny>) {
        let before = self.total;
        let mut entries: Vec<Pointer> = Vec::new();
        referents::visit(self.py, cache.as_ptr(), &mut entries);
        let dicts: Vec<Pointer> = entries.iter().copied().filter(|each| is_dict(*each)).collect();
        for dict in dicts {
            referents::visit(self.py, dict, &mut entries);
        }
        // A key is in the dict and in the list of entries.
        let mut references: ByAddress<isize> = ByAddress::default();
        for each in &entries {
            *references.entry(*each as usize).or_insert(0) += 1;
        }
        for (address, count) in references {
            let each = address as Pointer;
            if !self.count(each, count) {
                self.look_through(each, count, LEVELS);
            }
        }
        if self.total > before {
            self.holders.push(cache.clone());
        }
    }

    /// Goes on from an object that has these references only, unless it is a container: that may be a
    /// registry.
    fn look_through(&mut self, object: Pointer, references: isize, levels: usize) {
        self.looked += 1;
        let references = references + self.ours.get(&(object as usize)).copied().unwrap_or(0);
        // SAFETY: attached; a live object refers to it. No code runs here.
        let is_owned = unsafe {
            ffi::PyObject_GC_IsTracked(object) != 0
                && ffi::Py_REFCNT(object) == references
                && ffi::PyType_Check(object) == 0
                && ffi::PyModule_Check(object) == 0
        };
        if !is_owned || is_container(object) || levels == 0 || self.looked > MOST {
            return;
        }
        let mut inside: Vec<Pointer> = Vec::new();
        referents::visit(self.py, object, &mut inside);
        for each in inside {
            if !self.count(each, 1) {
                self.look_through(each, 1, levels - 1);
            }
        }
    }

    /// Counts references to an object. False: it is not looked for.
    fn count(&mut self, object: Pointer, references: isize) -> bool {
        let Some(count) = self.found.get_mut(&(object as usize)) else { return false };
        *count += references;
        self.total += references;
        true
    }
}

fn is_class_made_at_run_time(value: &Bound<'_, PyAny>) -> bool {
    // SAFETY: attached, a live object.
    unsafe {
        ffi::PyType_Check(value.as_ptr()) != 0
            && ffi::PyType_HasFeature(value.as_ptr().cast(), ffi::Py_TPFLAGS_HEAPTYPE) != 0
    }
}

fn is_dict(object: Pointer) -> bool {
    // SAFETY: attached, a live object.
    unsafe { ffi::PyDict_CheckExact(object) != 0 }
}

/// Whether it is a container of the language, or a deque or mapping of its own type.
fn is_container(object: Pointer) -> bool {
    // SAFETY: attached, a live object. Sequences have a length and items, as deques do.
    unsafe {
        ffi::PyDict_Check(object) != 0
            || ffi::PyList_Check(object) != 0
            || ffi::PyAnySet_Check(object) != 0
            || ffi::PyMapping_Check(object) != 0 && ffi::PyTuple_Check(object) == 0
            || ffi::PySequence_Check(object) != 0 && ffi::PyTuple_Check(object) == 0
    }
}
