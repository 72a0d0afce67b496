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

use crate::api::foreign_holders::{ForeignHolders, of_patches};
use crate::api::leading::{Leading, Theirs};
use crate::cpython::address_map::{ByAddress, Pointer};
use crate::cpython::referents;

/// The most objects that references are followed from, less than a tenth of a second's work. Those of others count
/// as held from outside.
const MOST: usize = 200_000;

/// The objects of executions that are held from outside, and the starting points of a search for the
/// holders.
#[pyclass(frozen, module = "transfuse._core")]
pub struct HeldOutside {
    /// The objects that the executions made and that are held from outside. A namespace stands for
    /// functions that only others hold; a weak reference to such an object is one of them.
    #[pyo3(get)]
    objects: Py<PyList>,
    /// The ids of all objects that only the executions hold.
    #[pyo3(get)]
    inside: HashSet<usize>,
    /// Objects that have references which are not accounted for: made by the executions, or wrappers
    /// that lead to such objects. A container that is not followed leads to objects of the executions through these.
    #[pyo3(get)]
    edge: Py<PyList>,
    /// Parallel to `edge`: how many wrappers lie between one and the nearest that they made.
    #[pyo3(get)]
    wrappers: Vec<usize>,
    /// The containers that are followed and lead to objects that the executions made.
    #[pyo3(get)]
    containers: Py<PyList>,
    /// Whether modules or classes of foreign code have attributes that lead to them.
    #[pyo3(get)]
    attributes: bool,
    /// Address of an object that references were followed to -> its index.
    index: ByAddress<usize>,
    /// These objects. They stay alive, so that the addresses mean them.
    all: Vec<Py<PyAny>>,
}

#[pymethods]
impl HeldOutside {
    /// Whether references were followed from all objects that they lead to.
    #[getter]
    fn complete(&self) -> bool {
        self.all.len() <= MOST
    }

    /// Whether references were followed from the object of this id.
    fn follows(&self, id: usize) -> bool {
        self.index.get(&id).is_some_and(|index| *index < MOST)
    }

    /// How many objects references were followed to.
    fn __len__(&self) -> usize {
        self.all.len()
    }
}

/// Which objects of executions are held from outside?
///
/// `seeds` are objects whose references are known: the modules, for one. `names` and `classes` are the
/// ids of the namespaces and classes that the executions made. `passes_by` says of a type whether
/// references from its instances do not count. `beside` is an earlier answer, whose own references do not
/// count either. `holders` are foreign modules, classes and caches that may hold them without being
/// registries.
#[pyfunction]
#[pyo3(signature = (seeds, names, classes, passes_by, beside=None, holders=None))]
pub fn held_outside<'py>(
    seeds: &Bound<'py, PyList>,
    names: HashSet<usize>,
    classes: HashSet<usize>,
    passes_by: Bound<'py, PyAny>,
    beside: Option<Bound<'py, HeldOutside>>,
    holders: Option<Bound<'py, PyList>>,
) -> PyResult<HeldOutside> {
    let py = seeds.py();
    let getweakrefs = py.import(intern!(py, "weakref"))?.getattr(intern!(py, "getweakrefs"))?;
    let mut count = Count {
        py,
        made: Made {
            names: names.into_iter().map(|name| (name, ())).collect(),
            classes: classes.into_iter().map(|class| (class, ())).collect(),
            passes_by,
            known: ByAddress::default(),
        },
        getweakrefs,
        objects: Vec::new(),
        accounted: Vec::new(),
        index: ByAddress::default(),
        weak: ByAddress::default(),
        is_made: Vec::new(),
        references: Vec::new(),
        beside,
    };
    for seed in seeds.iter() {
        count.index_of(seed)?;
    }
    let seeds = count.objects.len();
    count.follow()?;
    let attributes = count.account_for(seeds, holders)?;
    count.outside(seeds, attributes)
}

/// Recognizes what the executions made.
struct Made<'py> {
    names: ByAddress<()>,
    classes: ByAddress<()>,
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
            return Ok(self.names.contains_key(&(globals as usize)));
        }
        Ok(self.classes.contains_key(&(object.as_ptr() as usize))
            || self.classes.contains_key(&(kind.as_ptr() as usize)) && !self.is_passed_by(&kind)?)
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
            return Ok(self.classes.contains_key(&address));
        }
        if let Ok(dict) = object.cast_exact::<PyDict>()
            && (self.names.contains_key(&address) || is_namespace(dict)?)
        {
            return Ok(self.names.contains_key(&address));
        }
        Ok(!self.is_passed_by(&object.get_type())?)
    }
}

pub(super) fn is_namespace(dict: &Bound<'_, PyDict>) -> PyResult<bool> {
    let py = dict.py();
    // Most dicts are small.
    Ok(dict.len() > 2
        && dict.contains(intern!(py, "__spec__"))?
        && dict.contains(intern!(py, "__name__"))?)
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
    weak: ByAddress<()>,
    /// An earlier answer, which has one reference to each of its objects.
    beside: Option<Bound<'py, HeldOutside>>,
    /// Parallel to the objects: whether the executions made it.
    is_made: Vec<bool>,
    /// The references that were followed: the index of the object that one leads to, and of the one
    /// that has it.
    references: Vec<(u32, u32)>,
}

impl<'py> Count<'py> {
    /// Counts the references of all that the seeds lead to.
    fn follow(&mut self) -> PyResult<()> {
        let (mut at, mut found) = (0, Vec::<Pointer>::new());
        while at < self.objects.len().min(MOST) {
            referents::visit(self.py, self.objects[at].as_ptr(), &mut found);
            for referent in found.drain(..) {
                // SAFETY: attached; a live object refers to it.
                if unsafe { ffi::PyObject_GC_IsTracked(referent) } == 0 {
                    continue;
                }
                if let Some(index) = self.index.get(&(referent as usize)) {
                    self.accounted[*index] += 1;
                    self.references.push((*index as u32, at as u32));
                    continue;
                }
                // SAFETY: attached; a live object refers to it.
                let referent = unsafe { Bound::from_borrowed_ptr(self.py, referent) };
                if self.made.is_followed(&referent)? {
                    let index = self.index_of(referent)?;
                    self.accounted[index] += 1;
                    self.references.push((index as u32, at as u32));
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
        let is_made = self.made.made(&object)?;
        self.is_made.push(is_made);
        if is_made {
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
            // A proxy, which hands on all that it is asked, is in no registry.
            if reference.cast::<PyWeakrefReference>().is_err() {
                continue;
            }
            let callback = reference.getattr(intern!(self.py, "__callback__"))?;
            if is_of_abc(&callback)? {
                continue;
            }
            let is_new = self.weak.insert(reference.as_ptr() as usize, ()).is_none();
            let index = self.index_of(reference)?;
            if is_new && callback.is_none() {
                // Each base lists its subclasses, unseen by the collector.
                self.accounted[index] += bases;
            }
        }
        Ok(())
    }

    /// Accounts for the references that foreign holders have, and says whether some are attributes.
    fn account_for(&mut self, seeds: usize, holders: Option<Bound<'py, PyList>>) -> PyResult<bool> {
        let unaccounted = self.unaccounted(seeds);
        let Some(holders) = holders.filter(|_| !unaccounted.is_empty()) else { return Ok(false) };
        let ours = of_patches(&self.objects[..seeds]);
        // A container that a foreign module has is a registry, and what leads to one is its part.
        let wanted = unaccounted.iter().filter_map(|index| {
            let address = self.objects[*index].as_ptr() as usize;
            let is_theirs = self.is_made[*index] || self.made.names.contains_key(&address);
            is_theirs.then_some(address)
        });
        let mut foreign =
            ForeignHolders::new(self.py, &self.made.names, &self.index, ours, wanted)?;
        foreign.look_into_patches();
        holders.iter().for_each(|holder| foreign.look_into(&holder));
        let attributes = foreign.are_attributes;
        for (address, references) in foreign.found {
            self.accounted[self.index[&address]] += references;
        }
        Ok(attributes)
    }

    /// The objects of the executions that are held from outside, and where to search for the holders.
    fn outside(self, seeds: usize, attributes: bool) -> PyResult<HeldOutside> {
        let unaccounted = self.unaccounted(seeds);
        let mut pending = unaccounted.clone();
        let mut seen = vec![false; self.objects.len()];
        unaccounted.iter().for_each(|index| seen[*index] = true);
        let (found, mut referents) = (PyList::empty(self.py), Vec::<Pointer>::new());
        while let Some(index) = pending.pop() {
            let object = &self.objects[index];
            let address = object.as_ptr() as usize;
            if self.made.names.contains_key(&address) {
                // Its values are held by it, which is known.
                found.append(object)?;
                continue;
            }
            if self.is_theirs(index) {
                found.append(object)?;
            }
            referents::visit(self.py, object.as_ptr(), &mut referents);
            let target = object.cast::<PyWeakrefReference>().ok().and_then(|weak| weak.upgrade());
            referents.extend(target.map(|target| target.as_ptr()));
            for referent in referents.drain(..) {
                if let Some(index) = self.index.get(&(referent as usize))
                    && !self.made.names.contains_key(&(referent as usize))
                    && !std::mem::replace(&mut seen[*index], true)
                {
                    pending.push(*index);
                }
            }
        }
        let followed = self.objects.iter().take(MOST).enumerate();
        let inside = followed.filter(|(index, _)| !seen[*index]);
        let inside = inside.map(|(_, object)| object.as_ptr() as usize).collect();
        let (mut edge, mut wrappers) = (PyList::empty(self.py), Vec::new());
        let mut containers = PyList::empty(self.py);
        if !found.is_empty() {
            let leading = self.leading()?;
            containers = PyList::new(self.py, leading.containers)?;
            let at_edge = unaccounted.iter().filter_map(|index| {
                leading.wrappers[*index].map(|wrappers| (&self.objects[*index], wrappers))
            });
            let (objects, counts): (Vec<_>, Vec<_>) = at_edge.unzip();
            (edge, wrappers) = (PyList::new(self.py, objects)?, counts);
        }
        Ok(HeldOutside {
            objects: found.unbind(),
            inside,
            edge: edge.unbind(),
            wrappers,
            containers: containers.unbind(),
            attributes,
            index: self.index,
            all: self.objects.into_iter().map(Bound::unbind).collect(),
        })
    }

    /// Whether the executions made an object, or it is a weak reference to one that they made.
    fn is_theirs(&self, index: usize) -> bool {
        self.is_made[index] || self.weak.contains_key(&(self.objects[index].as_ptr() as usize))
    }

    /// Which of the objects lead to what the executions made?
    fn leading(&self) -> PyResult<Leading<'py>> {
        let mut theirs = Vec::new();
        for (index, object) in self.objects.iter().enumerate() {
            if self.made.names.contains_key(&(object.as_ptr() as usize)) {
                theirs.push((index, Theirs::Namespace));
            } else if self.is_theirs(index) {
                theirs.push((index, Theirs::Object));
            }
        }
        Leading::to(self.py, &theirs, &self.objects, &self.references)
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
            let address = self.objects[*index].as_ptr() as usize;
            let is_there =
                |beside: &Bound<'_, HeldOutside>| beside.get().index.contains_key(&address);
            let beside = self.beside.as_ref().is_some_and(is_there);
            count - 1 - isize::from(beside) > self.accounted[*index]
        };
        all.filter(is_unaccounted).collect()
    }
}
