//! Which objects that are no code did the execution of a module make?
//!
//! A function and a class say which module they belong to, and an instance says it by its class. An
//! instance of another module's class does not, nor does a list: these belong to the module that binds
//! them, directly or in the containers of the language. Excepted are values that its import statements
//! bind, values that a module which it imports has too, and those that are kept with their class, as the
//! members of an enumeration are. Objects are looked at while they are in use: none is asked.

use std::ffi::CStr;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyModule, PySet, PyTuple, PyType};
use transfuse_engine::Target;

use crate::cpython::address_map::{ByAddress, Pointer};
use crate::cpython::{snapshot, static_lookup};
use crate::effects::container::{Kind, is_leaf, is_special, kind_of, read};
use crate::state::live_module::LiveModule;
use crate::state::runtime;

/// How many objects in the containers of one module are looked at.
const OBJECTS: usize = 10_000;

/// Types whose constructor returns what it has made before.
const INTERNED: [&[u8]; 2] = [b"re.Pattern", b"zoneinfo.ZoneInfo"];

/// Address of an object -> the index of the module that made it.
#[derive(Default)]
pub struct MadeObjects(ByAddress<usize>);

impl MadeObjects {
    /// The objects that these modules of the current generation made.
    pub fn of(py: Python<'_>, modules: &[Bound<'_, LiveModule>]) -> Self {
        let mut found = MadeObjects::default();
        let mut order: Vec<usize> = (0..modules.len()).collect();
        // Imports start after their importers: of two that have an object, the one imported made it.
        order.sort_by_key(|at| std::cmp::Reverse(modules[*at].get().started()));
        for at in order {
            found.add(py, at, &modules[at]);
        }
        found
    }

    /// The index of the module that made an object, as far as that is known.
    pub fn maker(&self, object: Pointer) -> Option<usize> {
        self.0.get(&(object as usize)).copied()
    }

    fn add(&mut self, py: Python<'_>, at: usize, module: &Bound<'_, LiveModule>) {
        let own = module.get().name.as_str();
        let taken = imported_values(py, module.get());
        let mut waiting: Vec<Bound<'_, PyAny>> = Vec::new();
        for (key, value) in snapshot::items(&module.get().namespace(py)) {
            let name: &str = key.extract().unwrap_or_default();
            let assigned = module.get().with_name_usage(|usage| usage.assigned.contains(name));
            if assigned == Some(true) && !is_special(py, key.as_ptr()) {
                waiting.push(value);
            }
        }
        let mut met: ByAddress<()> = ByAddress::default();
        let mut contents: Vec<Pointer> = Vec::new();
        while let Some(object) = waiting.pop() {
            let address = object.as_ptr() as usize;
            if is_leaf(py, object.as_ptr())
                || taken.contains_key(&address)
                || met.len() > OBJECTS
                || met.insert(address, ()).is_some()
            {
                continue;
            }
            let Some(kind) = kind_of(py, &object, own).ok().flatten() else { continue };
            if matches!(kind, Kind::Function | Kind::Class) {
                continue;
            }
            contents.clear();
            read(py, object.as_ptr(), kind, &mut contents);
            let plain = is_plain_container(&object);
            let is_known = || is_interned(&object) || is_kept_with_class(py, &object);
            if kind != Kind::Fixed && (plain || !is_known()) {
                self.0.entry(address).or_insert(at);
            }
            if plain || kind == Kind::Fixed {
                // SAFETY: attached; the container that is alive holds them.
                let held = contents
                    .iter()
                    .filter(|each| !each.is_null())
                    .map(|each| unsafe { Bound::from_borrowed_ptr(py, *each) });
                waiting.extend(held);
            }
        }
    }
}

/// The values of the live modules that a module imports, by address.
fn imported_values(py: Python<'_>, module: &LiveModule) -> ByAddress<()> {
    let mut values = ByAddress::default();
    let Some(runtime) = runtime::in_force() else { return values };
    let current = runtime.current(py);
    for edge in module.edges() {
        if let (true, Target::Module(name)) = (edge.kind.is_import(), &edge.to)
            && let Some(imported) = current.get().find(py, name.as_str())
        {
            let namespace = imported.get().namespace(py);
            let held = snapshot::items(&namespace).into_iter();
            values.extend(held.map(|(_, value)| (value.as_ptr() as usize, ())));
        }
    }
    values
}

/// Whether it is a container of the language, or a bound method, which holds its instance.
fn is_plain_container(object: &Bound<'_, PyAny>) -> bool {
    static METHOD: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    let method = static_lookup::types(object.py(), &METHOD, &[("types", "MethodType")]);
    method.is_ok_and(|method| static_lookup::is_a(object, method))
        || object.is_exact_instance_of::<PyDict>()
        || object.is_exact_instance_of::<PyList>()
        || object.is_exact_instance_of::<PySet>()
        || object.is_exact_instance_of::<PyTuple>()
}

/// Whether it is of a type that has one object for equal values, which modules share unawares.
fn is_interned(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: attached; a live type has a name.
    let name = unsafe { CStr::from_ptr((*object.get_type().as_type_ptr()).tp_name) };
    INTERNED.contains(&name.to_bytes())
}

/// Whether the class of an instance, or the module of the class, has the instance under a name.
fn is_kept_with_class(py: Python<'_>, object: &Bound<'_, PyAny>) -> bool {
    let class = object.get_type();
    let holds = |names: &Bound<'_, PyDict>| {
        snapshot::items(names).iter().any(|(_, value)| value.is(object))
    };
    let of_class = static_lookup::of_class(&class);
    if of_class.as_ref().is_some_and(holds) {
        return true;
    }
    module_of(py, &class, of_class.as_ref()).is_some_and(|names| holds(&names))
}

/// The namespace of the module that a class names as its own.
fn module_of<'py>(
    py: Python<'py>,
    class: &Bound<'py, PyType>,
    of_class: Option<&Bound<'py, PyDict>>,
) -> Option<Bound<'py, PyDict>> {
    let name = of_class?.get_item(intern!(py, "__module__")).ok()??;
    if let Some(owner) = crate::effects::ownership::code_of(py, class.as_any()) {
        return Some(owner.get().namespace(py));
    }
    let modules = runtime::in_force()?.sys_modules.bind(py);
    let module = modules.get_item(name).ok()??;
    Some(module.cast_into::<PyModule>().ok()?.dict())
}
