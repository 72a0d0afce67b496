//! Do containers that executions lead to hold objects of other executions as well?
//!
//! If nothing outside holds new objects in a way that is not known, then a container with an entry of
//! former code and one of new code is among those that the new code leads to. They are looked into as far
//! as an entry is (`registrations/entries.py`), which costs little beside a search of the heap.

use std::collections::HashSet;

use pyo3::types::{PyDict, PyList, PyWeakrefMethods, PyWeakrefReference};
use pyo3::{ffi, prelude::*};

use crate::api::references_outside::is_namespace;
use crate::cpython::address_map::{ByAddress, Pointer};
use crate::cpython::referents;

/// How many objects may lie between a container and an object that it leads to.
const LEVELS: usize = 5;

/// Those of `containers` that lead to an object of executions, whose namespaces and classes have these
/// ids.
#[pyfunction]
pub fn leading_to<'py>(
    containers: &Bound<'py, PyList>,
    names: HashSet<usize>,
    classes: HashSet<usize>,
) -> PyResult<Bound<'py, PyList>> {
    let py = containers.py();
    let mut look = Look {
        py,
        names: names.into_iter().map(|name| (name, ())).collect(),
        classes: classes.into_iter().map(|class| (class, ())).collect(),
        known: ByAddress::default(),
        seen: ByAddress::default(),
        waiting: Vec::new(),
    };
    let found = PyList::empty(py);
    for container in containers.iter() {
        if look.leads(container.as_ptr()) {
            found.append(container)?;
            // The look ended at the first object of theirs, so nothing is known of the others.
            look.seen.clear();
        } else {
            look.known.extend(look.seen.drain());
        }
    }
    Ok(found)
}

struct Look<'py> {
    py: Python<'py>,
    names: ByAddress<()>,
    classes: ByAddress<()>,
    /// Address of an object that leads to nothing of theirs -> how many levels below it were looked into.
    /// Several containers lead to most objects of an application.
    known: ByAddress<usize>,
    /// The same for what the current container leads to, until something of theirs is found there.
    seen: ByAddress<usize>,
    /// The objects to look into, with the levels below them. Empty in between.
    waiting: Vec<(Pointer, usize)>,
}

impl Look<'_> {
    fn leads(&mut self, container: Pointer) -> bool {
        let mut inside = Vec::new();
        self.waiting.push((container, LEVELS + 1));
        while let Some((object, levels)) = self.waiting.pop() {
            referents::visit(self.py, object, &mut inside);
            // SAFETY: attached; a container leads to it, and no code of the program runs here.
            let bound = unsafe { Bound::from_borrowed_ptr(self.py, object) };
            let target = bound.cast::<PyWeakrefReference>().ok().and_then(|weak| weak.upgrade());
            inside.extend(target.map(|target| target.as_ptr()));
            for each in inside.drain(..) {
                if self.is_theirs(each) {
                    self.waiting.clear();
                    return true;
                }
                let below = levels - 1;
                let levels_of = |map: &ByAddress<usize>| map.get(&(each as usize)).copied();
                let known = levels_of(&self.known).max(levels_of(&self.seen)).unwrap_or(0);
                if below > known && is_looked_into(self.py, each, object == container) {
                    self.seen.insert(each as usize, below);
                    self.waiting.push((each, below));
                }
            }
        }
        false
    }

    fn is_theirs(&self, object: Pointer) -> bool {
        // SAFETY: attached, a live object.
        let (kind, is_function) =
            unsafe { (ffi::Py_TYPE(object) as usize, ffi::PyFunction_Check(object) != 0) };
        if is_function {
            // SAFETY: attached, and the object is a function. The result is borrowed.
            let globals = unsafe { ffi::PyFunction_GetGlobals(object) };
            return self.names.contains_key(&(globals as usize));
        }
        self.classes.contains_key(&(object as usize)) || self.classes.contains_key(&kind)
    }
}

/// Whether an entry is looked into beyond an object: not into another container, but a dict may be the
/// attributes of an object.
fn is_looked_into(py: Python<'_>, object: Pointer, in_container: bool) -> bool {
    // SAFETY: attached, a live object.
    let bound = unsafe { Bound::from_borrowed_ptr(py, object) };
    if bound.cast_exact::<PyDict>().is_ok_and(|dict| is_namespace(dict).unwrap_or(true)) {
        return false;
    }
    // SAFETY: attached, a live object.
    unsafe {
        ffi::PyObject_GC_IsTracked(object) != 0
            && ffi::PyType_Check(object) == 0
            && ffi::PyModule_Check(object) == 0
            && ffi::PyList_Check(object) == 0
            && ffi::PyAnySet_Check(object) == 0
            && !(in_container && ffi::PyDict_Check(object) != 0)
    }
}
