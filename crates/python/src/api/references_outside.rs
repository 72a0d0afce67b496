//! Which objects of executions are held from outside? A count, without a search of the heap.
//!
//! As in the cycle collector: of the references to each object those are subtracted that the
//! namespaces of the executions, and all that only these lead to, account for. References that remain
//! are held elsewhere. The GIL is held throughout: a count is of one moment.

use std::collections::HashSet;

use pyo3::types::{
    PyCFunction, PyDict, PyFunction, PyList, PyType, PyWeakrefMethods, PyWeakrefReference,
};
use pyo3::{ffi, intern, prelude::*};

use crate::cpython::address_map::{ByAddress, Pointer};
use crate::cpython::referents;

/// The most objects that references are followed from, a few milliseconds' work. Those of others count
/// as held from outside.
const MOST: usize = 40_000;

/// The objects that executions made and that are held from outside, and the ids of all objects that
/// only the executions hold. A namespace stands for functions that only others hold; a weak reference
/// to such an object is one of them.
///
/// `seeds` are objects whose references are known: the modules, for one. `names` and `classes` are the
/// ids of the namespaces and classes that the executions made. `passes_by` says of a type whether
/// references from its instances do not count.
#[pyfunction]
pub fn held_outside<'py>(
    seeds: &Bound<'py, PyList>,
    names: HashSet<usize>,
    classes: HashSet<usize>,
    passes_by: Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyList>, HashSet<usize>)> {
    let py = seeds.py();
    let getweakrefs = py.import(intern!(py, "weakref"))?.getattr(intern!(py, "getweakrefs"))?;
    let mut count = Count {
        py,
        made: Made { names, classes, passes_by, known: ByAddress::default() },
        getweakrefs,
        objects: Vec::new(),
        accounted: Vec::new(),
        index: ByAddress::default(),
        weak: HashSet::new(),
    };
    for seed in seeds.iter() {
        count.index_of(seed)?;
    }
    let seeds = count.objects.len();
    count.follow()?;
    count.outside(seeds)
}

/// Recognizes what the executions made.
struct Made<'py> {
    names: HashSet<usize>,
    classes: HashSet<usize>,
    passes_by: Bound<'py, PyAny>,
    /// Address of a type -> what `passes_by` says.
    known: ByAddress<bool>,
}

impl<'py> Made<'py> {
    fn is_passed_by(&mut self, kind: &Bound<'py, PyType>) -> PyResult<bool> {
        let address = kind.as_ptr() as usize;
        if let Some(known) = self.known.get(&address) {
            return Ok(*known);
        }
        let passed_by = self.passes_by.call1((kind,))?.is_truthy()?;
        self.known.insert(address, passed_by);
        Ok(passed_by)
    }

    /// Whether they made it: a function, a class, or an instance of one.
    fn made(&mut self, object: &Bound<'py, PyAny>) -> PyResult<bool> {
        let kind = object.get_type();
        if object.is_exact_instance_of::<PyFunction>() {
            // SAFETY: attached, and the object is a function. The result is borrowed.
            let globals = unsafe { ffi::PyFunction_GetGlobals(object.as_ptr()) };
            return Ok(self.names.contains(&(globals as usize)));
        }
        Ok(self.classes.contains(&(object.as_ptr() as usize))
            || self.classes.contains(&(kind.as_ptr() as usize)) && !self.is_passed_by(&kind)?)
    }

    fn is_followed(&mut self, object: &Bound<'py, PyAny>) -> PyResult<bool> {
        let address = object.as_ptr() as usize;
        // SAFETY: attached, a live object; asking runs no code.
        let (tracked, is_type) = unsafe {
            (ffi::PyObject_GC_IsTracked(object.as_ptr()), ffi::PyType_Check(object.as_ptr()))
        };
        if tracked == 0 {
            return Ok(false);
        }
        if is_type != 0 {
            return Ok(self.classes.contains(&address));
        }
        if let Ok(dict) = object.cast_exact::<PyDict>()
            && (self.names.contains(&address) || is_namespace(dict)?)
        {
            return Ok(self.names.contains(&address));
        }
        Ok(!self.is_passed_by(&object.get_type())?)
    }
}

fn is_namespace(dict: &Bound<'_, PyDict>) -> PyResult<bool> {
    let py = dict.py();
    Ok(dict.contains(intern!(py, "__name__"))? && dict.contains(intern!(py, "__spec__"))?)
}

/// Whether a weak reference with this callback is in a cache of an abstract base class, or among the
/// classes that were registered with it.
fn is_of_abc(callback: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(callback.is_exact_instance_of::<PyCFunction>()
        && callback.getattr(intern!(callback.py(), "__name__"))?.eq("_destroy")?)
}

struct Count<'py> {
    py: Python<'py>,
    made: Made<'py>,
    getweakrefs: Bound<'py, PyAny>,
    objects: Vec<Bound<'py, PyAny>>,
    /// Parallel to the objects: the references that are accounted for.
    accounted: Vec<isize>,
    /// Address of an object -> its index.
    index: ByAddress<usize>,
    /// Addresses of the weak references to objects of the executions.
    weak: HashSet<usize>,
}

impl<'py> Count<'py> {
    /// Counts the references of all that the seeds lead to.
    fn follow(&mut self) -> PyResult<()> {
        let (mut at, mut found) = (0, Vec::<Pointer>::new());
        while at < self.objects.len().min(MOST) {
            referents::visit(self.py, self.objects[at].as_ptr(), &mut found);
            for referent in found.drain(..) {
                if let Some(index) = self.index.get(&(referent as usize)) {
                    self.accounted[*index] += 1;
                    continue;
                }
                // SAFETY: attached; a live object refers to it.
                let referent = unsafe { Bound::from_borrowed_ptr(self.py, referent) };
                if self.made.is_followed(&referent)? {
                    let index = self.index_of(referent)?;
                    self.accounted[index] += 1;
                }
            }
            at += 1;
        }
        Ok(())
    }

    fn index_of(&mut self, object: Bound<'py, PyAny>) -> PyResult<usize> {
        let address = object.as_ptr() as usize;
        if let Some(index) = self.index.get(&address) {
            return Ok(*index);
        }
        let index = self.objects.len();
        self.index.insert(address, index);
        self.objects.push(object.clone());
        self.accounted.push(0);
        if self.made.made(&object)? {
            self.add_weak_references(&object)?;
        }
        Ok(index)
    }

    fn add_weak_references(&mut self, object: &Bound<'py, PyAny>) -> PyResult<()> {
        let bases = match object.cast::<PyType>() {
            Ok(class) => class.bases().len().cast_signed(),
            Err(_) => 0,
        };
        for reference in self.getweakrefs.call1((object,))?.try_iter()? {
            let reference = reference?;
            let callback = reference.getattr(intern!(self.py, "__callback__"))?;
            if is_of_abc(&callback)? {
                continue;
            }
            let is_new = self.weak.insert(reference.as_ptr() as usize);
            let index = self.index_of(reference)?;
            if is_new && callback.is_none() {
                // Each base lists its subclasses, unseen by the collector.
                self.accounted[index] += bases;
            }
        }
        Ok(())
    }

    /// The objects of the executions that are held from outside, and the ids of others.
    fn outside(mut self, seeds: usize) -> PyResult<(Bound<'py, PyList>, HashSet<usize>)> {
        let mut pending = self.unaccounted(seeds);
        let mut seen: HashSet<usize> = pending.iter().copied().collect();
        let (found, mut referents) = (PyList::empty(self.py), Vec::<Pointer>::new());
        while let Some(index) = pending.pop() {
            let object = self.objects[index].clone();
            let address = object.as_ptr() as usize;
            if self.made.names.contains(&address) {
                // Its values are held by it, which is known.
                found.append(&object)?;
                continue;
            }
            if self.weak.contains(&address) || self.made.made(&object)? {
                found.append(&object)?;
            }
            referents::visit(self.py, object.as_ptr(), &mut referents);
            let target = object.cast::<PyWeakrefReference>().ok().and_then(|weak| weak.upgrade());
            referents.extend(target.map(|target| target.as_ptr()));
            for referent in referents.drain(..) {
                if let Some(index) = self.index.get(&(referent as usize))
                    && !self.made.names.contains(&(referent as usize))
                    && seen.insert(*index)
                {
                    pending.push(*index);
                }
            }
        }
        let followed = self.objects.iter().take(MOST).enumerate();
        let inside = followed.filter(|(index, _)| !seen.contains(index));
        Ok((found, inside.map(|(_, object)| object.as_ptr() as usize).collect()))
    }

    fn unaccounted(&self, seeds: usize) -> Vec<usize> {
        let all = seeds..self.objects.len();
        if cfg!(Py_GIL_DISABLED) {
            // References to functions and classes are not counted there while they live.
            return all.collect();
        }
        // One reference is that of the list at hand.
        let is_unaccounted = |index: &usize| {
            // SAFETY: attached, a live object.
            let count = unsafe { ffi::Py_REFCNT(self.objects[*index].as_ptr()) };
            count - 1 > self.accounted[*index]
        };
        all.filter(is_unaccounted).collect()
    }
}
