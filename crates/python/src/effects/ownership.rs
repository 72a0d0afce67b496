//! Which live module does a piece of code belong to?
//!
//! Code is a module object, a function, a class, or a wrapper of a function. Data belongs to no
//! module; only the modules that have it under a name are known.

use std::collections::HashSet;

use pyo3::{ffi, intern, prelude::*, types::PyModule, types::PyType};
use transfuse_engine::{ModuleName, Target};

use crate::cpython::{snapshot, static_lookup};
use crate::state::{caller, generation::Generation, live_module::LiveModule};

/// The instance that a live module, class or function belongs to; none for data and foreign code.
pub fn code_of<'py>(py: Python<'py>, value: &Bound<'py, PyAny>) -> Option<Bound<'py, LiveModule>> {
    if let Ok(module) = value.cast_exact::<PyModule>() {
        return caller::module_of_globals(py, &module.dict());
    }
    if static_lookup::is_function(value) {
        return caller::module_of_globals(py, &value.getattr(intern!(py, "__globals__")).ok()?);
    }
    if let Ok(class) = value.cast::<PyType>() {
        let name = static_lookup::of_class(class)?.get_item(intern!(py, "__module__")).ok()??;
        return class_owner(py, class, name.extract().ok()?);
    }
    // A wrapper that has `__wrapped__` (`functools.wraps`, `lru_cache`) is code too.
    let wrapped = static_lookup::own(value, intern!(py, "__wrapped__"))?;
    static_lookup::is_function(&wrapped)
        .then(|| caller::module_of_globals(py, &wrapped.getattr(intern!(py, "__globals__")).ok()?))
        .flatten()
}

/// The instance whose execution made a class: the one its methods were compiled in, else the one
/// of its module's name that answers here.
pub fn class_owner<'py>(
    py: Python<'py>,
    class: &Bound<'py, PyType>,
    module: &str,
) -> Option<Bound<'py, LiveModule>> {
    let runtime = crate::state::runtime::in_force()?;
    if !runtime.facades.bind(py).contains(module).unwrap_or(false) {
        return None;
    }
    for value in static_lookup::of_class(class)?.values() {
        if static_lookup::is_function(&value)
            && let Ok(globals) = value.getattr(intern!(py, "__globals__"))
            && let Some(owner) = caller::module_of_globals(py, &globals)
            && owner.get().name.as_str() == module
        {
            return Some(owner);
        }
    }
    runtime.current(py).get().find(py, module)
}

/// The modules that a module took a value from, under whatever name.
pub fn origins(
    current: &Bound<'_, Generation>,
    module: &Bound<'_, LiveModule>,
    value: &Bound<'_, PyAny>,
) -> HashSet<ModuleName> {
    let py = current.py();
    let mut found = HashSet::new();
    if let Ok(value) = value.cast::<PyModule>() {
        let of = caller::module_of_globals(py, &value.dict());
        found.extend(of.map(|of| of.get().name.clone()));
        return found;
    }
    // SAFETY: attached, a live object. Numbers and text have no origin.
    if unsafe { ffi::PyObject_IS_GC(value.as_ptr()) } == 0 {
        return found;
    }
    let mut waiting = vec![module.clone()];
    while let Some(module) = waiting.pop() {
        for edge in module.get().edges() {
            if let (Target::Module(from), true) = (edge.to, edge.kind.is_import())
                && let Some(origin) = current.get().find(py, from.as_str())
                && snapshot::items(&origin.get().namespace(py))
                    .iter()
                    .any(|(_, there)| there.is(value))
                && found.insert(from)
            {
                waiting.push(origin);
            }
        }
    }
    found
}
