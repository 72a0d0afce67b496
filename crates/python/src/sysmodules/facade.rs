//! The data of a facade: for which module does it stand, and where is it kept?
//!
//! A facade stands in `sys.modules` under the name of a live module. How it answers is
//! `hooks/facade_type.rs`.

use pyo3::types::{PyDict, PyModule, PyString, PyType};
use pyo3::{exceptions::PyAttributeError, ffi, intern, prelude::*, sync::PyOnceLock};
use transfuse_engine::ModuleName;

use crate::cpython::exceptions;
use crate::state::{
    caller, generation::Generation, live_module::LiveModule, runtime, runtime::Runtime,
};

/// Where a facade keeps the instance it stands for once Transfuse is no longer installed.
pub const LEFT: &str = "__transfuse_left__";

/// Where a facade that was removed from `sys.modules` keeps its instances: number of a generation
/// -> instance.
pub const DETACHED: &str = "__transfuse_detached__";

/// The type of facades, made by `hooks/facade_type.rs` when Transfuse is installed.
pub static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();

pub fn is_facade(object: &Bound<'_, PyAny>) -> bool {
    TYPE.get(object.py()).is_some_and(|kind| object.get_type().is(kind.bind(object.py())))
}

/// The facade of that name, made if need be.
pub fn of<'py>(
    py: Python<'py>,
    runtime: &Runtime,
    name: &ModuleName,
) -> PyResult<Bound<'py, PyAny>> {
    let facades = runtime.facades.bind(py);
    let name = PyString::intern(py, name.as_str());
    if let Some(known) = facades.get_item(&name)? {
        return Ok(known);
    }
    let kind =
        TYPE.get(py).ok_or_else(|| exceptions::misuse("the type of facades is not made yet"))?;
    let made = kind.bind(py).call1((&name,))?;
    // Two threads may come here at once: the first one's facade is the facade.
    facades.call_method1(intern!(py, "setdefault"), (name, made))
}

/// The name a facade stands for.
pub fn name_of(facade: &Bound<'_, PyAny>) -> PyResult<ModuleName> {
    let py = facade.py();
    let own = own_dict(facade);
    let name = own
        .get_item(intern!(py, "__name__"))?
        .ok_or_else(|| PyAttributeError::new_err("facade without a name"))?;
    ModuleName::new(name.extract()?)
        .map_err(|error| crate::cpython::exceptions::from_engine(&error))
}

pub fn own_dict<'py>(facade: &Bound<'py, PyAny>) -> Bound<'py, PyDict> {
    // SAFETY: a facade is a module, so this is its own dict, borrowed.
    unsafe {
        Bound::from_borrowed_ptr(facade.py(), ffi::PyModule_GetDict(facade.as_ptr()))
            .cast_into_unchecked()
    }
}

/// In this generation the facade stands for this instance, whatever has the name now.
pub fn detach(
    facade: &Bound<'_, PyAny>,
    generation: &Bound<'_, Generation>,
    instance: &Bound<'_, LiveModule>,
) -> PyResult<()> {
    let own = own_dict(facade);
    let key = intern!(facade.py(), DETACHED);
    let detached = match own.get_item(key)? {
        Some(detached) => detached.cast_into::<PyDict>()?,
        None => PyDict::new(facade.py()),
    };
    detached.set_item(generation.get().id.0, instance)?;
    own.set_item(key, detached)
}

/// In this generation the facade stands for the instance of its name; returns its former instance.
pub fn attach<'py>(
    facade: &Bound<'py, PyAny>,
    generation: &Bound<'_, Generation>,
) -> PyResult<Option<Bound<'py, LiveModule>>> {
    let Some(detached) = own_dict(facade).get_item(intern!(facade.py(), DETACHED))? else {
        return Ok(None);
    };
    let before = detached.call_method1("pop", (generation.get().id.0, facade.py().None()))?;
    Ok(before.cast_into::<LiveModule>().ok())
}

/// Whether the object is a facade of that name.
pub fn stood_for(object: &Bound<'_, PyAny>, name: &Bound<'_, PyString>) -> PyResult<bool> {
    Ok(is_facade(object)
        && own_dict(object).get_item(intern!(object.py(), "__name__"))?.is_some_and(|own| {
            own.extract::<&str>().is_ok_and(|own| name.to_str().is_ok_and(|name| own == name))
        }))
}

/// The object that foreign code gets for a value: the facade, where the value is a live module.
pub fn of_value<'py>(value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    if let Ok(module) = value.cast_exact::<PyModule>()
        && let Some(instance) = caller::module_of_globals(py, &module.dict())
        && instance.get().module.is(module)
        && !has_failed(py, &instance)
        && let Some(runtime) = runtime::in_force()
    {
        return match instance.get().seen.get(py) {
            Some(facade) if is_facade(&facade) => Ok(facade),
            _ => of(py, runtime, &instance.get().name),
        };
    }
    Ok(value)
}

/// Whether its execution has ended with an error. No generation has such a module, and asking for
/// its name would execute another.
pub fn has_failed(py: Python<'_>, instance: &Bound<'_, LiveModule>) -> bool {
    let of = instance.get();
    !of.is_ready() && of.home(py).is_none_or(|home| !home.get().holds(py, instance))
}

pub fn of_instance<'py>(
    py: Python<'py>,
    runtime: &Runtime,
    instance: &Bound<'py, LiveModule>,
) -> PyResult<Bound<'py, PyAny>> {
    match instance.get().replacement(py) {
        Some(other) => Ok(other),
        None => of(py, runtime, &instance.get().name),
    }
}
