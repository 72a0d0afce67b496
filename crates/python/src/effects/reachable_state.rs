//! Which modules' state could using a value change?
//!
//! Asked only where new source uses a value that no module used before, so there is no observation
//! yet. The names in a function's code show what it could do: it changes nothing of its module's
//! unless it binds a global or reaches data that can be changed, and so on through the functions
//! that it calls. Text, numbers, plain helpers and plain bases change nothing; in doubt a value can
//! be changed.

use std::{cell::OnceCell, collections::HashSet};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyBytes, PyCode, PyDict, PyFloat, PyFrozenSet, PyInt, PyModule, PyString, PyTuple,
    PyType,
};
use pyo3::{ffi, intern};
use transfuse_engine::{ModuleName, Target};

use crate::cpython::{opaque_state, static_lookup};
use crate::effects::container::{cache_type, cached_by};
use crate::effects::subclasses::ListedBases;
use crate::state::caller;
use crate::state::generation::Generation;
use crate::state::live_module::LiveModule;
use crate::state::scope::Scope;

/// How many values one question looks at; beyond it the module itself is assumed to change.
const VALUES: usize = 2000;

/// The modules that module-level code could change by using `attribute` of `imported` (the whole of
/// it, where the attribute is not one of its names).
pub fn mutable_state_reachable<'py>(
    scope: &Scope<'py>,
    imported: &Bound<'py, LiveModule>,
    attribute: &str,
) -> Vec<ModuleName> {
    let py = scope.py;
    let mut question = Reachability::new(&scope.generation);
    match imported.get().namespace(py).get_item(attribute) {
        Ok(Some(value)) => question.ask(value, attribute, imported),
        _ => question.add(imported),
    }
    question.answer(py)
}

/// Those that code could change which mentions these names, by using those of them that `imported`
/// has.
pub fn mutable_state_reachable_by<'py>(
    scope: &Scope<'py>,
    imported: &Bound<'py, LiveModule>,
    names: &[String],
) -> Vec<ModuleName> {
    let py = scope.py;
    let mut question = Reachability::new(&scope.generation);
    let mut modules = vec![imported.clone()];
    let mut next = 0;
    while let Some(module) = modules.get(next).cloned() {
        next += 1;
        for name in names {
            let inner = live_attribute(scope, &module, name);
            let value = module.get().namespace(py).get_item(name).ok().flatten();
            let Some(value) = value.or_else(|| Some(inner.as_ref()?.get().value(py))) else {
                continue;
            };
            match inner {
                // Look for the names in it, too.
                Some(inner) if !modules.iter().any(|known| known.is(&inner)) => modules.push(inner),
                Some(_) => {}
                None if name == "__dict__" => question.add(&module),
                None if name.starts_with("__") => {}
                None => question.ask(value, name, &module),
            }
        }
    }
    question.answer(py)
}

/// A value to be looked at: under which name which module holds it.
struct Held<'py> {
    value: Bound<'py, PyAny>,
    name: String,
    holder: Bound<'py, LiveModule>,
}

struct Reachability<'a, 'py> {
    generation: &'a Bound<'py, Generation>,
    found: Vec<ModuleName>,
    /// Addresses of the values in line and of those that were looked at.
    seen: HashSet<usize>,
    waiting: Vec<Held<'py>>,
    /// The classes that live code asks for their subclasses.
    listed: OnceCell<ListedBases>,
}

impl<'a, 'py> Reachability<'a, 'py> {
    fn new(generation: &'a Bound<'py, Generation>) -> Self {
        Reachability {
            generation,
            found: Vec::new(),
            seen: HashSet::new(),
            waiting: Vec::new(),
            listed: OnceCell::new(),
        }
    }

    fn answer(mut self, py: Python<'py>) -> Vec<ModuleName> {
        while let Some(next) = self.waiting.pop() {
            if self.seen.len() > VALUES || self.look(py, &next).is_err() {
                self.add(&next.holder);
            }
        }
        self.found
    }

    fn add(&mut self, instance: &Bound<'py, LiveModule>) {
        if !self.found.contains(&instance.get().name) {
            self.found.push(instance.get().name.clone());
        }
    }

    fn ask(&mut self, value: Bound<'py, PyAny>, name: &str, holder: &Bound<'py, LiveModule>) {
        if !is_unchanging(&value) && self.seen.insert(value.as_ptr() as usize) {
            self.waiting.push(Held { value, name: name.to_owned(), holder: holder.clone() });
        }
    }

    fn look(&mut self, py: Python<'py>, held: &Held<'py>) -> PyResult<()> {
        let Held { value, name, holder } = held;
        // SAFETY: attached, a live object.
        if unsafe { ffi::PyFunction_Check(value.as_ptr()) } != 0 {
            return self.look_at_function(py, value);
        }
        if let Ok(module) = value.cast::<PyModule>() {
            if let Some(owner) = caller::module_of_globals(py, &module.dict()) {
                self.add(&owner);
            }
            return Ok(());
        }
        if let Ok(class) = value.cast::<PyType>() {
            return self.look_at_class(py, class);
        }
        if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            tuple.iter().for_each(|item| self.ask(item, name, holder));
            return Ok(());
        }
        if value.get_type().is(cache_type(py)?) {
            for value in cached_by(value)? {
                self.ask(value, name, holder);
            }
        }
        if let Some(inner) = wrapped(py, value) {
            for value in inner {
                self.ask(value, name, holder);
            }
            return Ok(());
        }
        // Data that can be changed, and whatever its own methods reach.
        self.add(holder);
        for origin in self.origins(py, value, name, holder) {
            self.add(&origin);
        }
        self.ask(value.get_type().into_any(), name, holder);
        Ok(())
    }

    /// The modules from which the holder of a value took it.
    fn origins(
        &self,
        py: Python<'py>,
        value: &Bound<'py, PyAny>,
        name: &str,
        holder: &Bound<'py, LiveModule>,
    ) -> Vec<Bound<'py, LiveModule>> {
        let mut origins = Vec::new();
        for edge in holder.get().edges() {
            if let (Target::Module(from), true) = (&edge.to, edge.kind.is_import())
                && let Some(from) = self.generation.get().find(py, from.as_str())
                && let Ok(Some(there)) = from.get().namespace(py).get_item(name)
                && there.is(value)
            {
                origins.push(from);
            }
        }
        origins
    }

    fn look_at_function(&mut self, py: Python<'py>, function: &Bound<'py, PyAny>) -> PyResult<()> {
        let globals = function.getattr(intern!(py, "__globals__"))?;
        let Some(owner) = caller::module_of_globals(py, &globals) else { return Ok(()) };
        let globals = globals.cast_into::<PyDict>()?;
        let mut codes = vec![function.getattr(intern!(py, "__code__"))?.cast_into::<PyCode>()?];
        while let Some(code) = codes.pop() {
            let names: Vec<String> = code.getattr(intern!(py, "co_names"))?.extract()?;
            if binds_globals(py, &code)? {
                self.add(&owner);
            }
            for name in &names {
                match globals.get_item(name)? {
                    Some(value) => match live_module(py, &value) {
                        Some(module) => self.ask_for_names(py, &module, &names)?,
                        None => self.ask(value, name, &owner),
                    },
                    // A function may import the module that it changes.
                    None => {
                        if let Some(module) = self.generation.get().find(py, name) {
                            self.ask_for_names(py, &module, &names)?;
                        }
                    }
                }
            }
            let constants = code.getattr(intern!(py, "co_consts"))?.cast_into::<PyTuple>()?;
            codes.extend(constants.iter().filter_map(|c| c.cast_into::<PyCode>().ok()));
        }
        let name = function.getattr(intern!(py, "__name__"))?.extract::<String>()?;
        if let Ok(cells) = function.getattr(intern!(py, "__closure__"))?.cast::<PyTuple>() {
            for cell in cells.iter() {
                if let Ok(content) = cell.getattr(intern!(py, "cell_contents")) {
                    self.ask(content, &name, &owner);
                }
            }
        }
        if let Ok(defaults) = function.getattr(intern!(py, "__defaults__"))?.cast::<PyTuple>() {
            defaults.iter().for_each(|value| self.ask(value, &name, &owner));
        }
        let attributes = function.getattr(intern!(py, "__dict__"))?.cast_into::<PyDict>()?;
        attributes.values().iter().for_each(|value| self.ask(value, &name, &owner));
        Ok(())
    }

    /// Of a module that code uses: those of its names that the code mentions.
    fn ask_for_names(
        &mut self,
        py: Python<'py>,
        module: &Bound<'py, LiveModule>,
        names: &[String],
    ) -> PyResult<()> {
        for name in names {
            if let Some(value) = module.get().namespace(py).get_item(name)? {
                self.ask(value, name, module);
            }
        }
        Ok(())
    }

    /// Making a subclass or an instance, or using the attributes of the class.
    fn look_at_class(&mut self, py: Python<'py>, class: &Bound<'py, PyType>) -> PyResult<()> {
        let Some(owner) = crate::effects::ownership::code_of(py, class.as_any()) else {
            return Ok(());
        };
        let name = class.name()?.to_string();
        let listed = self.listed.get_or_init(|| ListedBases::of(py, self.generation.get()));
        if !listed.is_empty() && listed.lists(class) {
            self.add(&owner);
        }
        let kind = class.get_type();
        if kind.name()?.to_str()?.starts_with("Enum") {
            return Ok(());
        }
        if !is_plain_metaclass(&kind)? {
            match crate::effects::ownership::code_of(py, kind.as_any()) {
                Some(_) => self.ask(kind.into_any(), &name, &owner),
                None => self.add(&owner),
            }
        }
        for base in class.mro().iter() {
            let base = base.cast_into::<PyType>()?;
            let namespace = base.getattr(intern!(py, "__dict__"))?;
            let live = crate::effects::ownership::code_of(py, base.as_any());
            let Some(of) = live else {
                let noted = namespace.contains(intern!(py, "__init_subclass__"))?;
                if noted && !base.is(py.get_type::<PyAny>()) && !is_generic(&base)? {
                    self.add(&owner);
                }
                continue;
            };
            for item in namespace.call_method0(intern!(py, "items"))?.try_iter()? {
                let (key, value) = item?.extract::<(String, Bound<'py, PyAny>)>()?;
                // A special name holds code, or a value of the interpreter's.
                let special = key.starts_with("__") && key.ends_with("__");
                // SAFETY: attached, a live object.
                let code = unsafe { ffi::PyFunction_Check(value.as_ptr()) } != 0
                    || wrapped(py, &value).is_some();
                if code || !special {
                    self.ask(value, &key, &of);
                }
            }
        }
        Ok(())
    }
}

/// Whether it is a value that no use of it can change.
fn is_unchanging(value: &Bound<'_, PyAny>) -> bool {
    // SAFETY: attached, a live object. An object that the collector does not follow holds no
    // others.
    value.is_none()
        || (unsafe { ffi::PyObject_IS_GC(value.as_ptr()) } == 0
            && opaque_state::kind(value).is_none())
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyBytes>()
        || value.is_exact_instance_of::<PyFrozenSet>()
}

/// The objects that a wrapper of code wraps, bound values included; none if it is no wrapper.
fn wrapped<'py>(py: Python<'py>, value: &Bound<'py, PyAny>) -> Option<Vec<Bound<'py, PyAny>>> {
    static KINDS: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    let known = [
        ("builtins", "staticmethod"),
        ("builtins", "classmethod"),
        ("builtins", "property"),
        ("types", "MethodType"),
        ("functools", "partial"),
        ("functools", "_lru_cache_wrapper"),
    ];
    let kinds = static_lookup::types(py, &KINDS, &known).ok()?;
    if !static_lookup::is_a(value, kinds) {
        return None;
    }
    let parts = ["__func__", "fget", "fset", "__self__", "func", "args", "__wrapped__"];
    let found = parts.iter().filter_map(|part| value.getattr_opt(*part).ok().flatten());
    Some(found.filter(|part| !part.is(value)).collect())
}

/// The live module that an attribute of a module is, if it is one: also a submodule that
/// generations disagree on, which is not in the namespace (`loading/submodules.rs`).
pub fn live_attribute<'py>(
    scope: &Scope<'py>,
    module: &Bound<'py, LiveModule>,
    name: &str,
) -> Option<Bound<'py, LiveModule>> {
    let py = scope.py;
    match module.get().namespace(py).get_item(name).ok()? {
        Some(value) => live_module(py, &value),
        None if module.get().package && !name.is_empty() => {
            scope.find(module.get().name.join(name).as_str())
        }
        None => None,
    }
}

fn live_module<'py>(py: Python<'py>, value: &Bound<'py, PyAny>) -> Option<Bound<'py, LiveModule>> {
    caller::module_of_globals(py, &value.cast::<PyModule>().ok()?.dict())
}

fn is_plain_metaclass(kind: &Bound<'_, PyType>) -> PyResult<bool> {
    let name = kind.name()?;
    Ok(matches!(name.to_str()?, "type" | "ABCMeta" | "_ProtocolMeta"))
}

/// `Generic` and `Protocol` note nothing of their subclasses.
fn is_generic(base: &Bound<'_, PyType>) -> PyResult<bool> {
    Ok(base.module()?.to_str()? == "typing")
}

/// Whether the code of a function binds a global of its module.
fn binds_globals(py: Python<'_>, code: &Bound<'_, PyCode>) -> PyResult<bool> {
    static STORE: PyOnceLock<u8> = PyOnceLock::new();
    let store = STORE.get_or_try_init(py, || {
        py.import("opcode")?.getattr("opmap")?.get_item("STORE_GLOBAL")?.extract::<u8>()
    })?;
    let bytes = code.getattr(intern!(py, "co_code"))?.cast_into::<PyBytes>()?;
    Ok(bytes.as_bytes().chunks_exact(2).any(|unit| unit[0] == *store))
}
