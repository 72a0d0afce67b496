//! Which of the objects that executions reach lead back to objects that they made?
//!
//! A registry holds a function by itself, or in wrappers: tuples, closures, bound methods. Only as far as
//! that an entry is looked into (`registrations/entries.py`), so there is a limit here, too.

use pyo3::types::{PyDict, PyType};
use pyo3::{ffi, intern, prelude::*};

/// How many wrappers may lie between an object and the container that it is in.
const WRAPPERS: usize = 5;

/// The kind of an object that an execution made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Theirs {
    /// The namespace of a module. Functions refer to it, which the execution made as well.
    Namespace,
    Object,
}

/// The wrappers and containers that lead to objects that executions made.
pub struct Leading<'py> {
    /// By index: how many wrappers lie between an object and the nearest of these; none if it leads to
    /// none.
    pub wrappers: Vec<Option<usize>>,
    /// The containers among them.
    pub containers: Vec<Bound<'py, PyAny>>,
}

impl<'py> Leading<'py> {
    /// Goes up from `theirs`, by index in `objects`, along `references`: the index of the object that
    /// one leads to, and of the one that has it.
    pub fn to(
        py: Python<'py>,
        theirs: &[(usize, Theirs)],
        objects: &[Bound<'py, PyAny>],
        references: &[(u32, u32)],
    ) -> PyResult<Self> {
        let deque = py.import(intern!(py, "collections"))?.getattr("deque")?.cast_into()?;
        let holders = Holders::of(references, objects.len());
        let (mut wrappers, mut containers) = (vec![None; objects.len()], Vec::new());
        theirs.iter().for_each(|(index, _)| wrappers[*index] = Some(0));
        let ends = theirs.iter().filter(|(_, kind)| *kind == Theirs::Object);
        let mut level: Vec<usize> = ends.map(|(index, _)| *index).collect();
        for count in 1..=WRAPPERS {
            let mut beyond = Vec::new();
            while let Some(index) = level.pop() {
                for holder in holders.holders(index) {
                    let holder = *holder as usize;
                    let object = &objects[holder];
                    if wrappers[holder].is_some() || object.is_instance_of::<PyType>() {
                        continue;
                    }
                    wrappers[holder] = Some(count);
                    if is_container(object, &deque) {
                        containers.push(object.clone());
                        // It may be the attributes of a wrapper.
                        level.extend(object.is_instance_of::<PyDict>().then_some(holder));
                    } else {
                        beyond.push(holder);
                    }
                }
            }
            level = beyond;
        }
        Ok(Leading { wrappers, containers })
    }
}

fn is_container(object: &Bound<'_, PyAny>, deque: &Bound<'_, PyType>) -> bool {
    let pointer = object.as_ptr();
    // SAFETY: attached, live objects.
    unsafe {
        ffi::PyDict_Check(pointer) != 0
            || ffi::PyList_Check(pointer) != 0
            || ffi::PySet_Check(pointer) != 0
            || ffi::PyObject_TypeCheck(pointer, deque.as_type_ptr()) != 0
    }
}

/// The references to each object.
struct Holders {
    /// By index: where the places of an object's holders begin. One more than there are objects.
    begins: Vec<u32>,
    /// Indexes of the objects that refer to one.
    places: Vec<u32>,
}

impl Holders {
    /// Sorts references by the object that they lead to, in linear time.
    fn of(references: &[(u32, u32)], objects: usize) -> Holders {
        let mut begins = vec![0_u32; objects + 1];
        for (to, _) in references {
            begins[*to as usize + 1] += 1;
        }
        for at in 0..objects {
            begins[at + 1] += begins[at];
        }
        let (mut next, mut places) = (begins.clone(), vec![0_u32; references.len()]);
        for (to, from) in references {
            let at = &mut next[*to as usize];
            places[*at as usize] = *from;
            *at += 1;
        }
        Holders { begins, places }
    }

    fn holders(&self, index: usize) -> &[u32] {
        &self.places[self.begins[index] as usize..self.begins[index + 1] as usize]
    }
}
