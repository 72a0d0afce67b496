//! Whose objects does a module hold, wherever it keeps them?
//!
//! A deferred import is resolved afresh at each call, so an update need not follow it, unless the
//! importer holds on to something of the imported module. The places where a function can keep a
//! value are too many to list, so this walks as the garbage collector does: from the namespace
//! through whatever its objects refer to, caches, closures, slots and suspended generators included.
//! It ends at the parts of other modules. Plain values belong to no module: what the code may have
//! kept of these is `effects/kept_values.rs`'s. It looks at objects while they are in use, and runs
//! no code of the program.

use std::collections::HashSet;
use std::ffi::CStr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyFunction, PyModule, PyType};
use transfuse_engine::ModuleName;

use crate::cpython::address_map::{ByAddress, Pointer};
use crate::cpython::{snapshot, static_lookup};
use crate::effects::ownership::code_of;
use crate::state::caller;
use crate::state::live_module::LiveModule;

/// How many objects the walk looks at.
const OBJECTS: usize = 4_000_000;

/// The modules whose objects a module holds.
pub struct Holdings {
    owners: HashSet<ModuleName>,
    /// Whether there was more than the walk looks at, so that it may hold objects of any module.
    incomplete: bool,
}

impl Holdings {
    pub fn of(holder: &Bound<'_, LiveModule>) -> Self {
        let mut walk = Walk::new(holder);
        walk.run();
        Holdings { owners: walk.owners, incomplete: walk.incomplete }
    }

    /// The modules that it holds objects of, and that `counts` accepts.
    pub fn any(&self, counts: impl Fn(&ModuleName) -> bool) -> bool {
        self.incomplete || self.owners.iter().any(counts)
    }
}

/// What the objects of a type are to the walk.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    /// Data, or part of the holder: the walk goes on.
    Open,
    /// Transfuse's own objects, which lead to everything.
    Closed,
}

struct Walk<'a, 'py> {
    holder: &'a Bound<'py, LiveModule>,
    owners: HashSet<ModuleName>,
    incomplete: bool,
    /// Objects that have been met.
    seen: ByAddress<()>,
    /// By the address of a type.
    sides: ByAddress<Side>,
    waiting: Vec<Bound<'py, PyAny>>,
}

impl<'a, 'py> Walk<'a, 'py> {
    fn new(holder: &'a Bound<'py, LiveModule>) -> Self {
        Walk {
            holder,
            owners: HashSet::new(),
            incomplete: false,
            seen: ByAddress::default(),
            sides: ByAddress::default(),
            waiting: Vec::new(),
        }
    }

    fn run(&mut self) {
        let holder = self.holder.get();
        let py = self.holder.py();
        let namespace = holder.namespace(py);
        self.seen.insert(namespace.as_ptr() as usize, ());
        for (key, value) in snapshot::items(&namespace) {
            let child = || caller::module_of_globals(py, &value.cast::<PyModule>().ok()?.dict());
            let bound = key.extract::<&str>().is_ok_and(|key| {
                child().is_some_and(|child| is_bound_submodule(holder, key, child.get()))
            });
            if !bound {
                self.meet(value);
            }
        }
        while let Some(object) = self.waiting.pop() {
            if self.seen.len() > OBJECTS {
                self.incomplete = true;
                return;
            }
            self.look_into(&object);
        }
    }

    fn meet(&mut self, object: Bound<'py, PyAny>) {
        let kind = object.get_type();
        let known = self.sides.get(&(kind.as_ptr() as usize)).copied();
        let side = known.unwrap_or_else(|| self.side(&kind));
        // SAFETY: attached, a live object.
        let leaf = unsafe { ffi::PyObject_IS_GC(object.as_ptr()) } == 0;
        if side == Side::Open && !leaf && self.seen.insert(object.as_ptr() as usize, ()).is_none() {
            self.waiting.push(object);
        }
    }

    /// Meets a type for the first time: an object of it is an object of its module.
    fn side(&mut self, kind: &Bound<'py, PyType>) -> Side {
        self.note(kind.as_any());
        // SAFETY: attached; a live type has a name.
        let name = unsafe { CStr::from_ptr((*kind.as_type_ptr()).tp_name) };
        let ours = name.to_bytes().starts_with(b"transfuse.");
        let side = if ours { Side::Closed } else { Side::Open };
        self.sides.insert(kind.as_ptr() as usize, side);
        side
    }

    /// Notes the module that a piece of code belongs to; true if that is another than the holder.
    fn note(&mut self, code: &Bound<'py, PyAny>) -> bool {
        let Some(owner) = code_of(self.holder.py(), code) else { return false };
        if owner.get().name == self.holder.get().name {
            return false;
        }
        if !self.owners.contains(&owner.get().name) {
            self.owners.insert(owner.get().name.clone());
        }
        true
    }

    fn look_into(&mut self, object: &Bound<'py, PyAny>) {
        let py = object.py();
        if object.is_instance_of::<PyModule>() {
            self.note(object);
        } else if object.is_exact_instance_of::<PyFunction>() {
            if !self.note(object) {
                self.look_into_function(object);
            }
        } else if let Ok(class) = object.cast::<PyType>() {
            let own = code_of(py, class.as_any())
                .is_some_and(|owner| owner.get().name == self.holder.get().name);
            if own {
                self.traverse(object);
            } else {
                self.note(object);
            }
        } else {
            self.traverse(object);
        }
    }

    /// The parts of a function, without its globals.
    fn look_into_function(&mut self, function: &Bound<'py, PyAny>) {
        let parts = ["__closure__", "__defaults__", "__kwdefaults__"];
        for part in parts {
            if let Ok(part) = function.getattr(part) {
                self.meet(part);
            }
        }
        if let Some(attributes) = static_lookup::attributes(function) {
            self.meet(attributes.into_any());
        }
    }

    /// What the collector sees in an object.
    #[cfg(not(Py_GIL_DISABLED))]
    fn traverse(&mut self, object: &Bound<'py, PyAny>) {
        use std::ffi::{c_int, c_void};

        extern "C" fn visit(referent: *mut ffi::PyObject, found: *mut c_void) -> c_int {
            // SAFETY: `found` is what is passed below, and nothing else uses it meanwhile.
            unsafe { &mut *found.cast::<Vec<Pointer>>() }.push(referent);
            0
        }
        let mut found: Vec<Pointer> = Vec::new();
        // SAFETY: attached, and the object is alive. A traverse function runs no Python code.
        unsafe {
            if let Some(traverse) = (*ffi::Py_TYPE(object.as_ptr())).tp_traverse {
                traverse(object.as_ptr(), visit, std::ptr::from_mut(&mut found).cast());
            }
        }
        for referent in found {
            // SAFETY: attached; the object that is alive refers to it.
            self.meet(unsafe { Bound::from_borrowed_ptr(object.py(), referent) });
        }
    }

    /// Without the GIL an object may only be traversed while all threads stand still, which the
    /// function of the collector sees to.
    #[cfg(Py_GIL_DISABLED)]
    fn traverse(&mut self, object: &Bound<'py, PyAny>) {
        for referent in snapshot::referents(object).iter().flatten() {
            self.meet(referent);
        }
    }
}

/// Whether a value in a package's namespace is a submodule that was bound there by importing it.
pub fn is_bound_submodule(parent: &LiveModule, key: &str, child: &LiveModule) -> bool {
    child.name.tail() == key && child.name.parent().as_ref() == Some(&parent.name)
}
