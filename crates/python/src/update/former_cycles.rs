//! How do former executions leave memory, without a collection of the whole heap?
//!
//! The namespace of a module and its functions refer to each other, so that only the cycle collector
//! frees them. It looks at old objects when those that are new among them have become a quarter of all
//! (`long_lived_pending` in CPython's `gc.c`), which is after dozens of updates. Instead, all that a
//! former execution leads to moves to the youngest generation, and only that one is collected. An
//! object that something else refers to stays, as in any collection.

use pyo3::types::{PyDict, PyModule, PyString, PyType};
use pyo3::{ffi, intern, prelude::*};
use std::collections::{HashMap, HashSet};
use std::{thread, time::Duration, time::Instant};

use crate::cpython::address_map::{ByAddress, Pointer};
use crate::cpython::{log::complain, referents, static_lookup};
use crate::state::{generation::Generation, live_module::LiveModule, runtime::Runtime};
use crate::update::lingering;

/// The most objects that are moved for one collection, some milliseconds' work. If there are more,
/// the executions wait for a full collection.
const MOST: usize = 60_000;
/// How long a collection in another thread is waited for, and how often it is asked about.
const PATIENCE: Duration = Duration::from_secs(1);
const TURN: Duration = Duration::from_millis(1);
/// How often an execution is tried to be collected, an update apart: its last frame, or the error that
/// it raised, may still be there at first.
pub const ATTEMPTS: u8 = 3;

/// Collects the executions that no generation has any more.
pub fn collect(py: Python<'_>, runtime: &Runtime) {
    if let Err(error) = try_to_collect(py, runtime) {
        let _ = complain(py, "former code could not be collected", error);
    }
}

fn try_to_collect(py: Python<'_>, runtime: &Runtime) -> PyResult<()> {
    // All objects are of one generation if there is no GIL.
    if cfg!(Py_GIL_DISABLED) {
        return Ok(());
    }
    let gc = py.import(intern!(py, "gc"))?;
    let modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?.cast_into()?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if !gc.call_method0(intern!(py, "isenabled"))?.is_truthy()? || Instant::now() > deadline {
            return Ok(());
        }
        if collect_youngest(&gc)? {
            break;
        }
        // Polls until `deadline`: another thread collects, and the collector has no event for its end.
        py.detach(|| thread::sleep(TURN));
    }
    if make_former_young(py, runtime, modules) {
        collect_youngest(&gc)?;
    }
    Ok(())
}

/// Collects the youngest generation. False: another thread collects, and runs Python code meanwhile.
///
/// What that one has found to be unreachable must not be moved then: it would be taken for used. Up
/// to this function's return nothing else can begin a collection.
fn collect_youngest(gc: &Bound<'_, PyModule>) -> PyResult<bool> {
    let py = gc.py();
    let collections = || {
        let stats = gc.call_method0(intern!(py, "get_stats"))?;
        stats.get_item(0)?.get_item(intern!(py, "collections"))?.extract::<u64>()
    };
    let before = collections()?;
    // It does nothing, and raises nothing, during a collection.
    gc.call_method1(intern!(py, "collect"), (0,))?;
    Ok(collections()? > before)
}

/// Moves what former executions lead to into the youngest generation, and says whether there are any.
///
/// Runs no Python code and keeps the GIL: a collection in another thread would take the references
/// that are held here for use.
fn make_former_young<'py>(py: Python<'py>, runtime: &Runtime, modules: Bound<'py, PyDict>) -> bool {
    let former = due(py, runtime);
    let are_any = !former.is_empty();
    let mut walk = Walk {
        namespaces: former.iter().map(|one| address(&one.get().namespace(py))).collect(),
        modules,
        objects: Vec::new(),
        seen: ByAddress::default(),
    };
    for instance in former {
        walk.add(instance.get().module.bind(py).clone().into_any());
        walk.add(instance.into_any());
    }
    walk.make_young(py);
    are_any
}

/// The former executions that have not been tried too often, each attempt counted.
fn due<'py>(py: Python<'py>, runtime: &Runtime) -> Vec<Bound<'py, LiveModule>> {
    let before = std::mem::take(&mut runtime.records.lock().collected);
    let (mut tried, mut former) = (HashMap::new(), lingering::lingering(py, runtime));
    former.extend(lingering::given_up(py, runtime));
    former.retain(|instance| {
        let number = instance.get().started();
        let times = before.get(&number).map_or(1, |times| times.saturating_add(1));
        tried.insert(number, times);
        times <= ATTEMPTS
    });
    runtime.records.lock().collected = tried;
    former
}

fn address(object: &Bound<'_, PyAny>) -> usize {
    object.as_ptr() as usize
}

/// Finds what executions lead to.
struct Walk<'py> {
    /// The addresses of their namespaces.
    namespaces: HashSet<usize>,
    /// `sys.modules`.
    modules: Bound<'py, PyDict>,
    /// What was found, in this order.
    objects: Vec<Bound<'py, PyAny>>,
    /// The addresses of these.
    seen: ByAddress<()>,
}

impl<'py> Walk<'py> {
    fn add(&mut self, object: Bound<'py, PyAny>) {
        if self.seen.insert(address(&object), ()).is_none() {
            self.objects.push(object);
        }
    }

    /// Moves all that is found into the youngest generation.
    fn make_young(&mut self, py: Python<'py>) {
        let (mut at, mut found) = (0, Vec::<Pointer>::new());
        while at < self.objects.len() {
            let object = self.objects[at].as_ptr();
            at += 1;
            // SAFETY: attached, a live object. It leaves one list of the collector and enters another;
            // no code runs.
            unsafe {
                if ffi::PyObject_GC_IsTracked(object) == 0 {
                    continue;
                }
                ffi::PyObject_GC_UnTrack(object.cast());
                ffi::PyObject_GC_Track(object.cast());
            }
            referents::visit(py, object, &mut found);
            for referent in found.drain(..) {
                if self.objects.len() == MOST || self.seen.contains_key(&(referent as usize)) {
                    continue;
                }
                // SAFETY: attached; a live object refers to it.
                let referent = unsafe { Bound::from_borrowed_ptr(py, referent) };
                if self.is_theirs(&referent) {
                    self.add(referent);
                }
            }
        }
    }

    /// Whether it may belong to one of the executions: not what another module holds by its name.
    fn is_theirs(&self, object: &Bound<'py, PyAny>) -> bool {
        // SAFETY: attached, a live object; asking runs no code.
        let tracked = unsafe { ffi::PyObject_GC_IsTracked(object.as_ptr()) } != 0;
        if !tracked || object.is_instance_of::<PyModule>() {
            return false;
        }
        if let Ok(dict) = object.cast_exact::<PyDict>() {
            return self.namespaces.contains(&address(object)) || !is_namespace(dict);
        }
        if let Ok(class) = object.cast::<PyType>() {
            return !self.is_found_by_name(class);
        }
        !object.is_exact_instance_of::<LiveModule>() && !object.is_exact_instance_of::<Generation>()
    }

    fn is_found_by_name(&self, class: &Bound<'py, PyType>) -> bool {
        let py = class.py();
        let module = static_lookup::of_class(class)
            .and_then(|dict| dict.get_item(intern!(py, "__module__")).ok().flatten())
            .filter(|name| name.is_exact_instance_of::<PyString>())
            .and_then(|name| self.modules.get_item(name).ok().flatten());
        let Some(Ok(module)) = module.map(Bound::cast_into::<PyModule>) else { return false };
        // SAFETY: attached; a class that is tracked was made at run time, and has a name.
        let name = unsafe {
            let class = class.as_ptr().cast::<ffi::PyHeapTypeObject>();
            Bound::from_borrowed_ptr(py, (*class).ht_name)
        };
        module.dict().get_item(name).ok().flatten().is_some_and(|found| found.is(class))
    }
}

fn is_namespace(dict: &Bound<'_, PyDict>) -> bool {
    let has = |name| dict.contains(name).unwrap_or(true);
    has(intern!(dict.py(), "__name__")) && has(intern!(dict.py(), "__spec__"))
}
