//! What does one object hold that code could change, and how is that read cheaply?
//!
//! An object of a module's state is one of a few kinds of container. Its contents are a flat list of
//! pointers (for a dict the keys, too), read without running code of the program: by the C API where
//! the order and the keys matter, else by the objects that the cycle collector would visit. Objects that
//! cannot hold anything are leaves. Which module a container belongs to is `state_snapshot.rs`'s;
//! state that C code keeps to itself, `opaque_state.rs`'s.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyMappingProxy, PyModule, PyString, PyTuple, PyType};
use pyo3::{ffi, intern};

use crate::cpython::address_map::Pointer;
use crate::cpython::opaque_state::{self, Hidden};
use crate::cpython::{lazy_object, referents, static_lookup};
use crate::effects::at_work;
use crate::state::generation::Generation;
use crate::state::live_module::LiveModule;
use crate::state::{caller, lazy_imports};

/// How the contents of an object are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A live module's globals: names that are not special, values that are not modules.
    Namespace,
    /// A dict or an object of a subclass of it.
    Dict,
    /// A class: its attributes, but for those that the interpreter keeps there.
    Class,
    /// A list.
    List,
    /// A function: closure, defaults and attributes.
    Function,
    /// An `lru_cache`: the values that it has.
    Cache,
    /// Cannot be changed, but what it holds can: a tuple, a frozenset, a value that computes facts
    /// about itself when they are first asked for.
    Fixed,
    /// A context variable: its value in the context of the looking thread.
    Variable,
    /// State that only C code sees, as one number, and the objects that the collector sees.
    Opaque(Hidden),
    /// Anything else: the objects that the collector sees.
    Other,
}

/// Names in the dict of a class that the interpreter fills.
const OF_INTERPRETER: [&str; 7] = [
    "__weakref__",
    "__dict__",
    "_abc_impl",
    "__annotations__",
    "__annotations_cache__",
    // `None` is put there when it is asked for and there is none (from 3.14).
    "__annotate_func__",
    "__doc__",
];

/// Whether an object holds nothing that could change. The first test of each object that is met.
#[inline]
pub fn is_leaf(py: Python<'_>, object: Pointer) -> bool {
    // SAFETY: attached, live objects.
    unsafe {
        let kind = ffi::Py_TYPE(object);
        if std::ptr::eq(kind, &raw const ffi::PyUnicode_Type)
            || std::ptr::eq(kind, &raw const ffi::PyLong_Type)
            || std::ptr::eq(kind, &raw const ffi::PyCode_Type)
            || std::ptr::eq(object, ffi::Py_None())
        {
            return true;
        }
        if ffi::PyObject_IS_GC(object) == 0 {
            return opaque_state::kind(&Bound::from_borrowed_ptr(py, object)).is_none();
        }
        ffi::PyModule_Check(object) != 0
    }
}

/// The kind of an object that is not a leaf; none if it is not to be looked into. `own` is the module
/// whose state it is part of.
pub fn kind_of(py: Python<'_>, object: &Bound<'_, PyAny>, own: &str) -> PyResult<Option<Kind>> {
    if let Some(hidden) = opaque_state::kind(object) {
        return Ok(Some(Kind::Opaque(hidden)));
    }
    let pointer = object.as_ptr();
    // SAFETY: attached, a live object.
    let (dict, list, function, class, fixed, exact) = unsafe {
        (
            ffi::PyDict_Check(pointer) != 0,
            ffi::PyList_CheckExact(pointer) != 0,
            ffi::PyFunction_Check(pointer) != 0,
            ffi::PyType_Check(pointer) != 0,
            ffi::PyTuple_CheckExact(pointer) != 0 || ffi::PyFrozenSet_CheckExact(pointer) != 0,
            ffi::PyDict_CheckExact(pointer) != 0,
        )
    };
    if dict {
        let names = exact && is_namespace(py, object);
        return Ok((!names).then_some(Kind::Dict));
    }
    if list {
        return Ok(Some(Kind::List));
    }
    if function {
        return Ok(Some(Kind::Function));
    }
    if fixed || is_fixed_by_name(object) || static_lookup::is_a(object, value_types(py)?) {
        return Ok(Some(Kind::Fixed));
    }
    if class {
        let class = object.cast::<PyType>()?;
        return Ok((!is_anothers(py, class, own)?).then_some(Kind::Class));
    }
    if object.get_type().is(cache_type(py)?) {
        return Ok(Some(Kind::Cache));
    }
    // SAFETY: attached, a live object.
    if unsafe { ffi::PyContextVar_CheckExact(pointer) } != 0 {
        return Ok(Some(Kind::Variable));
    }
    if object.is_exact_instance_of::<PyMappingProxy>() {
        // Of a class, most of the time, which is looked into by itself.
        return Ok((!object.contains(intern!(py, "__doc__"))?).then_some(Kind::Other));
    }
    // SAFETY: attached, a live object.
    let weak = unsafe { ffi::PyWeakref_Check(pointer) != 0 };
    let ours = weak
        || at_work::is_at_work(py, object)
        || object.is_exact_instance_of::<LiveModule>()
        || object.is_exact_instance_of::<Generation>()
        || static_lookup::is_a(object, self_filling(py)?);
    Ok((!ours).then_some(Kind::Other))
}

/// Whether a dict is the namespace of some module, or `sys.modules`: other modules' state.
fn is_namespace(py: Python<'_>, dict: &Bound<'_, PyAny>) -> bool {
    let Ok(dict) = dict.cast_exact::<PyDict>() else { return false };
    if dict.len() < 4 {
        return false;
    }
    let has = |name: &Bound<'_, PyString>| dict.contains(name).unwrap_or(false);
    has(intern!(py, "__spec__")) && has(intern!(py, "__name__"))
        || crate::state::runtime::in_force().is_some_and(|runtime| runtime.sys_modules.is(dict))
}

/// Appends what an object holds, and returns a number that differs when its hidden state does.
pub fn read(py: Python<'_>, object: Pointer, kind: Kind, into: &mut Vec<Pointer>) -> u64 {
    // SAFETY: attached, a live object.
    let bound = unsafe { Bound::from_borrowed_ptr(py, object) };
    match kind {
        Kind::Namespace => each_item(&bound, |key, value| {
            if !is_special(py, key) && !is_module(value) && !is_lazy(py, &bound, key, value) {
                into.extend([key, value]);
            }
        }),
        Kind::Dict => {
            each_item(&bound, |key, value| into.extend([key, value]));
            // The attributes that a subclass adds, under no key.
            let attributes = static_lookup::present_attributes(&bound);
            into.extend(
                attributes.into_iter().flat_map(|all| [std::ptr::null_mut(), all.as_ptr()]),
            );
        }
        Kind::Class => {
            // SAFETY: attached, a live type, whose dict is its own for as long as it lives.
            let dict = unsafe { (*object.cast::<ffi::PyTypeObject>()).tp_dict };
            if dict.is_null() {
                return 0;
            }
            // SAFETY: as above.
            each_item(&unsafe { Bound::from_borrowed_ptr(py, dict) }, |key, value| {
                if !is_one_of(py, key, &OF_INTERPRETER) {
                    into.extend([key, value]);
                }
            });
        }
        Kind::Function => read_function(&bound, into),
        Kind::Cache => {
            if let Ok(values) = cached_by(&bound) {
                into.extend(values.iter().filter(|v| !is_leaf(py, v.as_ptr())).map(|v| v.as_ptr()));
            }
        }
        Kind::Opaque(hidden) => {
            referents::visit(py, object, into);
            return opaque_state::state(py, &bound, hidden).unwrap_or_default();
        }
        Kind::List => read_list(&bound, into),
        Kind::Variable => read_variable(&bound, into),
        Kind::Fixed | Kind::Other => referents::visit(py, object, into),
    }
    0
}

/// The items in their order: the collector visits them from the last to the first.
fn read_list(list: &Bound<'_, PyAny>, into: &mut Vec<Pointer>) {
    #[cfg(not(Py_GIL_DISABLED))]
    // SAFETY: attached, a list; the items are borrowed from it.
    unsafe {
        let len = ffi::PyList_GET_SIZE(list.as_ptr());
        into.extend((0..len).map(|at| ffi::PyList_GET_ITEM(list.as_ptr(), at)));
    }
    #[cfg(Py_GIL_DISABLED)]
    if let Ok(list) = list.cast::<pyo3::types::PyList>() {
        into.extend(list.iter().map(|item| item.as_ptr()));
    }
}

/// The value of a context variable, if code could change it. The context keeps it alive.
fn read_variable(variable: &Bound<'_, PyAny>, into: &mut Vec<Pointer>) {
    let mut value = std::ptr::null_mut();
    // SAFETY: attached, a context variable; the value is a new reference, or null.
    let value = unsafe {
        ffi::PyContextVar_Get(variable.as_ptr(), std::ptr::null_mut(), &raw mut value);
        Bound::from_owned_ptr_or_opt(variable.py(), value)
    };
    into.extend(value.map(|value| value.as_ptr()).filter(|value| !is_leaf(variable.py(), *value)));
}

fn read_function(function: &Bound<'_, PyAny>, into: &mut Vec<Pointer>) {
    let pointer = function.as_ptr();
    // SAFETY: attached, a function; the results are borrowed from it or null.
    let parts = unsafe {
        [
            ffi::PyFunction_GetClosure(pointer),
            ffi::PyFunction_GetDefaults(pointer),
            ffi::PyFunction_GetKwDefaults(pointer),
        ]
    };
    into.extend(parts.into_iter().filter(|part| !part.is_null()));
    // Made on first access, so that asking does not change the answer next time.
    into.extend(static_lookup::attributes(function).map(|attributes| attributes.as_ptr()));
}

/// The keys and values of a dict, or of an object of a subclass of it.
fn each_item(dict: &Bound<'_, PyAny>, mut act: impl FnMut(Pointer, Pointer)) {
    #[cfg(not(Py_GIL_DISABLED))]
    // SAFETY: attached, a dict; `act` runs no Python code, so the dict stays as it is.
    unsafe {
        let (mut at, mut key, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
        while ffi::PyDict_Next(dict.as_ptr(), &raw mut at, &raw mut key, &raw mut value) != 0 {
            act(key, value);
        }
    }
    #[cfg(Py_GIL_DISABLED)]
    if let Ok(dict) = dict.cast::<PyDict>() {
        for (key, value) in crate::cpython::snapshot::items(dict) {
            act(key.as_ptr(), value.as_ptr());
        }
    }
}

/// Whether a name holds a lazy import, used or not: the first use of one changes no state.
fn is_lazy(py: Python<'_>, namespace: &Bound<'_, PyAny>, key: Pointer, value: Pointer) -> bool {
    if !lazy_imports::are_declared() {
        return false;
    }
    // SAFETY: attached, a live object.
    let value = unsafe { Bound::from_borrowed_ptr(py, value) };
    let is_used = |name: Bound<'_, PyString>| {
        let owner = caller::module_of_globals(py, namespace);
        owner.is_some_and(|owner| name.to_str().is_ok_and(|name| owner.get().lazy.is_used(name)))
    };
    lazy_object::is_lazy(&value) || name_of(py, key).is_some_and(is_used)
}

fn is_module(object: Pointer) -> bool {
    // SAFETY: attached, a live object.
    unsafe { ffi::PyModule_Check(object) != 0 }
}

fn name_of(py: Python<'_>, key: Pointer) -> Option<Bound<'_, PyString>> {
    if key.is_null() {
        return None;
    }
    // SAFETY: attached, a live object.
    unsafe { Bound::from_borrowed_ptr(py, key) }.cast_into::<PyString>().ok()
}

/// Whether a key is a name that begins with two underscores.
pub fn is_special(py: Python<'_>, key: Pointer) -> bool {
    name_of(py, key).is_some_and(|name| name.to_str().is_ok_and(|name| name.starts_with("__")))
}

fn is_one_of(py: Python<'_>, key: Pointer, names: &[&str]) -> bool {
    name_of(py, key).is_some_and(|name| name.to_str().is_ok_and(|name| names.contains(&name)))
}

/// The values that an `lru_cache` holds (and, where it has a limit, their keys).
pub fn cached_by<'py>(cache: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let mut values = Vec::new();
    for each in crate::cpython::snapshot::referents(cache)?.iter() {
        if let Ok(dict) = each.cast_exact::<PyDict>() {
            values.extend(dict.values().iter());
        } else if !static_lookup::is_function(&each) && !each.is_instance_of::<PyType>() {
            values.push(each);
        }
    }
    Ok(values)
}

/// The type of a function with `functools.lru_cache`.
pub fn cache_type<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyType>> {
    static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    TYPE.import(py, "functools", "_lru_cache_wrapper")
}

/// Types whose objects change by being used, and are no registries.
fn self_filling<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyTuple>> {
    static TYPES: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    let known = [
        ("logging", "Logger"),
        ("logging", "Handler"),
        ("logging", "Manager"),
        ("_thread", "_local"),
    ];
    let types = TYPES.get_or_try_init(py, || {
        let found = known.iter().map(|(module, name)| py.import(*module)?.getattr(*name));
        PyTuple::new(py, found.collect::<PyResult<Vec<_>>>()?).map(Bound::unbind)
    })?;
    Ok(types.bind(py))
}

/// Types of values that never change, and keep what they compute about themselves.
fn value_types<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyTuple>> {
    static TYPES: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    let known = [
        ("fractions", "Fraction"),
        ("inspect", "Parameter"),
        ("inspect", "Signature"),
        ("ipaddress", "_IPAddressBase"),
        ("pathlib", "PurePath"),
        ("types", "GenericAlias"),
        ("types", "UnionType"),
        ("typing", "ForwardRef"),
        ("typing", "TypeAliasType"),
        ("typing", "TypeVar"),
        ("typing", "_GenericAlias"),
        ("typing", "Union"),
    ];
    let types = TYPES.get_or_try_init(py, || {
        let found =
            known.iter().filter_map(|(module, name)| py.import(*module).ok()?.getattr(*name).ok());
        let found: Vec<_> = found.filter(|found| found.is_instance_of::<PyType>()).collect();
        PyTuple::new(py, found).map(Bound::unbind)
    })?;
    Ok(types.bind(py))
}

/// Types of C whose values never change, known by their names, since nothing imports them for this. To
/// find out what one leads to takes as long as to validate with it, and each model has two.
const FIXED: [&[u8]; 2] = [
    b"pydantic_core._pydantic_core.SchemaValidator",
    b"pydantic_core._pydantic_core.SchemaSerializer",
];

fn is_fixed_by_name(object: &Bound<'_, PyAny>) -> bool {
    FIXED.contains(&opaque_state::name_of(object.get_type_ptr()))
}

/// Whether the module that a class names as its own is another, and has it. (What a function of
/// another module made, as `declarative_base()` does, belongs to the caller.)
pub fn is_anothers(py: Python<'_>, class: &Bound<'_, PyType>, own: &str) -> PyResult<bool> {
    // Built-in classes belong to the interpreter.
    let Some(dict) = static_lookup::of_class(class) else { return Ok(true) };
    let Some(of) = dict.get_item(intern!(py, "__module__"))? else { return Ok(false) };
    let Ok(of) = of.cast::<PyString>() else { return Ok(false) };
    if of.to_str()? == own {
        return Ok(false);
    }
    let name = class.qualname()?;
    let name = name.to_str()?;
    let modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?;
    let Some(module) = modules.cast::<PyDict>()?.get_item(of)? else { return Ok(false) };
    match module.cast::<PyModule>() {
        // A live module's names are those of several generations.
        Ok(module) if crate::sysmodules::facade::is_facade(module) => {
            Ok(!name.contains("<locals>"))
        }
        Ok(module) => module.dict().contains(name.split('.').next().unwrap_or("")),
        Err(_) => Ok(false),
    }
}
