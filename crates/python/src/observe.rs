//! Which modules does running a module's code change?
//!
//! A handler put into a registry, a route on an application, a model on a base:
//! the module that does it *affects* the other. It is found by observation: when
//! module-level code imports something and uses it, a bounded fingerprint of the
//! imported module's state (and of what that imports) is taken then and there,
//! and compared when the code has ended. A plain helper, decorator or base class
//! leaves no trace. What is recorded here the engine's plan follows.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};

use pyo3::prelude::*;
use pyo3::types::{
    PyDict, PyFrozenSet, PyList, PyMappingProxy, PyModule, PySet, PyString, PyTuple, PyType,
};
use pyo3::{ffi, intern};
use transfuse_engine::{EdgeKind, Target};

use crate::generation::Generation;
use crate::instance::Instance;
use crate::patches::{self, Before};

/// How many objects one fingerprint looks at, and how far from the namespace it goes.
const OBJECTS: usize = 4000;
const DEPTH: u8 = 4;
/// How many modules beyond the imported one are looked at (calls through a third module).
const REACH: usize = 24;

/// A module whose source is being executed by this thread.
struct Running {
    instance: Py<Instance>,
    /// Fingerprints taken so far: of whom, and what they were.
    before: Vec<(Py<Instance>, u64)>,
    /// What stood on foreign modules that it may set attributes of.
    foreign: Vec<Before>,
}

thread_local! {
    /// Innermost last. Entries live as long as the execution; the collector does not see them,
    /// which is right, because the executing frames hold the same objects.
    static RUNNING: RefCell<Vec<Running>> = const { RefCell::new(Vec::new()) };
}

/// Whether this thread is executing a live module's source.
pub fn is_loading() -> bool {
    RUNNING.with_borrow(|running| !running.is_empty())
}

/// The module whose source this thread is executing, the innermost one.
pub fn innermost(py: Python<'_>) -> Option<Bound<'_, Instance>> {
    RUNNING.with_borrow(|running| running.last().map(|last| last.instance.bind(py).clone()))
}

/// The execution of one module, while it lasts.
pub struct Observation;

impl Observation {
    /// The module's code is about to run.
    pub fn begin(instance: &Bound<'_, Instance>) -> Self {
        let running = Running {
            instance: instance.clone().unbind(),
            before: Vec::new(),
            foreign: Vec::new(),
        };
        RUNNING.with_borrow_mut(|stack| stack.push(running));
        Observation
    }

    /// The module's code has ended: whose state is another than it was? Returns what stood on
    /// foreign modules before.
    pub fn end(self, py: Python<'_>, instance: &Bound<'_, Instance>) -> Vec<Before> {
        let Some(ended) = RUNNING.with_borrow_mut(Vec::pop) else { return Vec::new() };
        for (other, before) in ended.before {
            let other = other.bind(py);
            let now = fingerprint(py, other);
            if now == before {
                continue;
            }
            instance.get().add_edge(Target::Module(other.get().name.clone()), EdgeKind::Affects);
            // The executions around this one must not be taken for the cause.
            RUNNING.with_borrow_mut(|stack| {
                for outer in stack.iter_mut() {
                    for (whom, seen) in &mut outer.before {
                        if whom.is(other) && *seen == before {
                            *seen = now;
                        }
                    }
                }
            });
        }
        ended.foreign
    }
}

/// Module-level code of `caller` imported something foreign that it may set attributes of.
pub fn imported_foreign(caller: &Bound<'_, Instance>, module: &Bound<'_, PyModule>) {
    if caller.get().is_ready() {
        return;
    }
    RUNNING.with_borrow_mut(|stack| {
        if let Some(running) = stack.last_mut().filter(|running| running.instance.is(caller)) {
            let more = patches::before(caller, module, &running.foreign);
            running.foreign.extend(more);
        }
    });
}

/// Module-level code of `caller` imported `imported` and uses it: remember how that looks now.
pub fn imported(
    py: Python<'_>,
    generation: &Bound<'_, Generation>,
    caller: &Bound<'_, Instance>,
    imported: &Bound<'_, Instance>,
) {
    let running = RUNNING
        .with_borrow(|stack| stack.last().is_some_and(|running| running.instance.is(caller)));
    if !running {
        return;
    }
    for other in reach(py, generation, imported) {
        let known = RUNNING.with_borrow(|stack| {
            stack.last().is_some_and(|running| running.before.iter().any(|(who, _)| who.is(&other)))
        });
        if known || other.is(caller) || !other.get().is_ready() {
            continue;
        }
        let before = fingerprint(py, &other);
        RUNNING.with_borrow_mut(|stack| {
            if let Some(running) = stack.last_mut() {
                running.before.push((other.unbind(), before));
            }
        });
    }
}

/// The module and what it imports at module level, nearest first.
fn reach<'py>(
    py: Python<'py>,
    generation: &Bound<'py, Generation>,
    from: &Bound<'py, Instance>,
) -> Vec<Bound<'py, Instance>> {
    let mut found = vec![from.clone()];
    let mut next = 0;
    while next < found.len() && found.len() <= REACH {
        let edges = found[next].get().edges();
        next += 1;
        for edge in edges {
            if let (Target::Module(name), EdgeKind::ModuleLevel) = (&edge.to, edge.kind)
                && let Some(other) = generation.get().find(py, name.as_str())
                && !found.iter().any(|known| known.is(&other))
            {
                found.push(other);
            }
        }
    }
    found
}

/// A number that differs when the state of a module's namespace does: sizes and identities of what
/// it holds, to a bounded depth, function attributes and closure cells included.
pub fn fingerprint(py: Python<'_>, instance: &Bound<'_, Instance>) -> u64 {
    let mut walk = Walk {
        own: instance.get().name.as_str().to_owned(),
        hash: 0xcbf2_9ce4_8422_2325,
        seen: HashSet::new(),
        waiting: VecDeque::new(),
    };
    for (key, value) in instance.get().namespace(py).iter() {
        let special = key.extract::<&str>().is_ok_and(|name| name.starts_with("__"));
        // Submodules come and go on a package by being imported; that is no effect.
        if special || value.is_instance_of::<PyModule>() {
            continue;
        }
        walk.add(key.as_ptr() as u64);
        walk.visit(value, 0);
    }
    while let Some((object, depth)) = walk.waiting.pop_front() {
        walk.open(py, &object, depth);
        if walk.seen.len() > OBJECTS {
            break;
        }
    }
    walk.hash
}

struct Walk<'py> {
    own: String,
    hash: u64,
    seen: HashSet<usize>,
    waiting: VecDeque<(Bound<'py, PyAny>, u8)>,
}

impl<'py> Walk<'py> {
    fn add(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }

    /// Notes an object's identity and puts it in line, unless it is a leaf.
    fn visit(&mut self, object: Bound<'py, PyAny>, depth: u8) {
        self.add(object.as_ptr() as u64);
        // SAFETY: attached, a live object.
        let leaf = unsafe { ffi::PyObject_IS_GC(object.as_ptr()) } == 0
            || object.is_exact_instance_of::<PyString>()
            || object.is_instance_of::<PyModule>();
        if !leaf && depth < DEPTH && self.seen.insert(object.as_ptr() as usize) {
            self.waiting.push_back((object, depth + 1));
        }
    }

    /// Looks into one object.
    fn open(&mut self, py: Python<'py>, object: &Bound<'py, PyAny>, depth: u8) {
        if let Ok(dict) = object.cast::<PyDict>() {
            self.add(dict.len() as u64);
            for (key, value) in dict.iter() {
                self.visit(key, depth);
                self.visit(value, depth);
            }
        } else if let Ok(list) = object.cast::<PyList>() {
            self.add(list.len() as u64);
            list.iter().for_each(|item| self.visit(item, depth));
        } else if let Ok(tuple) = object.cast::<PyTuple>() {
            tuple.iter().for_each(|item| self.visit(item, depth));
        } else if let Ok(set) = object.cast::<PySet>() {
            self.add(set.len() as u64);
            set.iter().for_each(|item| self.visit(item, depth));
        } else if let Ok(set) = object.cast::<PyFrozenSet>() {
            self.add(set.len() as u64);
        } else if let Ok(proxy) = object.cast::<PyMappingProxy>() {
            self.add(proxy.len().unwrap_or(0) as u64);
        } else if let Ok(class) = object.cast::<PyType>() {
            self.open_class(py, class, depth);
        } else {
            self.open_other(py, object, depth);
        }
    }

    /// A class of the module itself: what its own dict holds. Others are known by identity.
    fn open_class(&mut self, py: Python<'py>, class: &Bound<'py, PyType>, depth: u8) {
        let theirs = class.getattr(intern!(py, "__module__")).ok();
        let ours = theirs.is_some_and(|m| m.extract::<&str>().is_ok_and(|m| m == self.own));
        if !ours && depth > 1 {
            return;
        }
        let Ok(namespace) = class.getattr(intern!(py, "__dict__")) else { return };
        let Ok(items) = namespace.call_method0(intern!(py, "items")) else { return };
        let Ok(items) = items.try_iter() else { return };
        for item in items.flatten() {
            let Ok((key, value)) = item.extract::<(Bound<'py, PyAny>, Bound<'py, PyAny>)>() else {
                continue;
            };
            // The interpreter keeps caches and weak lists of its own in some of these; `abc` does.
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
    }

    /// Functions show attributes, closures and defaults; any other object its instance dict, and
    /// a length if it is a container of a type of its own.
    fn open_other(&mut self, py: Python<'py>, object: &Bound<'py, PyAny>, depth: u8) {
        // Loggers fill caches of their own when they are used, and belong to nobody.
        let theirs = object.get_type().module();
        if theirs.is_ok_and(|name| name.to_str().is_ok_and(|name| name.starts_with("logging"))) {
            return;
        }
        // SAFETY: attached, a live object.
        let function = unsafe { ffi::PyFunction_Check(object.as_ptr()) } != 0;
        if function {
            if let Ok(closure) = object.getattr(intern!(py, "__closure__"))
                && let Ok(cells) = closure.cast::<PyTuple>()
            {
                for cell in cells.iter() {
                    if let Ok(content) = cell.getattr(intern!(py, "cell_contents")) {
                        self.visit(content, depth);
                    }
                }
            }
            // Made on first access, so that asking does not change the answer next time.
            if let Ok(attributes) = object.getattr(intern!(py, "__dict__"))
                && let Ok(attributes) = attributes.cast::<PyDict>()
            {
                self.open_plain(attributes, depth);
            }
            return;
        }
        // SAFETY: attached, a live object; the result is a new reference or null.
        let attributes = unsafe {
            let made = ffi::PyObject_GenericGetDict(object.as_ptr(), std::ptr::null_mut());
            Bound::from_owned_ptr_or_opt(py, made)
        };
        match attributes.as_ref().and_then(|found| found.cast::<PyDict>().ok()) {
            Some(attributes) => self.open_plain(attributes, depth),
            None => drop(PyErr::take(py)),
        }
        // Builtin containers without a dict (deque, defaultdict's kin, weak sets by their data).
        // SAFETY: attached, a live object; slots are read only.
        let builtin = unsafe {
            let kind = ffi::Py_TYPE(object.as_ptr());
            (*kind).tp_flags & ffi::Py_TPFLAGS_HEAPTYPE == 0
        };
        if builtin {
            match object.len() {
                Ok(len) => self.add(len as u64),
                Err(_) => drop(PyErr::take(py)),
            }
        }
        self.open_slots(py, object, depth);
    }

    fn open_plain(&mut self, attributes: &Bound<'py, PyDict>, depth: u8) {
        self.add(attributes.len() as u64);
        for (key, value) in attributes.iter() {
            self.add(key.as_ptr() as u64);
            self.visit(value, depth);
        }
    }

    fn open_slots(&mut self, py: Python<'py>, object: &Bound<'py, PyAny>, depth: u8) {
        let Ok(slots) = object.get_type().getattr(intern!(py, "__slots__")) else { return };
        let Ok(slots) = slots.cast_into::<PyTuple>() else { return };
        for slot in slots.iter() {
            if let Ok(name) = slot.cast::<PyString>()
                && let Ok(Some(value)) = object.getattr_opt(name)
            {
                self.visit(value, depth);
            }
        }
    }
}
