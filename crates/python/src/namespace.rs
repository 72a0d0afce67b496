//! What does a module's namespace start with, and what is run in it?
//!
//! The policies `overlay` and `fresh`, preserved names and `__migrate__`, as
//! DESIGN section 6 defines them: data is carried, code is not. The old
//! namespace is only ever read.

use std::collections::HashSet;

use pyo3::exceptions::PyException;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCode, PyDict, PyFrozenSet, PyMappingProxy, PyModule, PyType};
use transfuse_engine::{ModuleName, Policy};

use crate::asker;
use crate::awaited;
use crate::engine::Engine;
use crate::generation::Generation;
use crate::instance::Instance;
use crate::kinds;
use crate::outline;
use crate::precompiled;
use crate::snapshot::items;
use crate::submodules;

/// What a module (or, where it is silent, the settings) wants done with its namespace.
pub struct Wish {
    /// What becomes of the old namespace.
    pub policy: Policy,
    /// Names to carry.
    pub preserve: Vec<String>,
}

/// Reads the special variables of a source before it runs. What the module says itself wins.
pub fn wish(
    py: Python<'_>,
    engine: &Engine,
    name: &ModuleName,
    text: &[u8],
    file: &str,
) -> PyResult<Wish> {
    let (mut policy, mut preserve) = engine.settings().configured(name);
    let mentioned = |word: &[u8]| memchr::memmem::find(text, word).is_some();
    if mentioned(b"__reload__") || mentioned(b"__preserve__") {
        let said = py
            .import(intern!(py, "transfuse.source.compiler"))?
            .call_method1(intern!(py, "special_variables"), (PyBytes::new(py, text), file))?;
        if !said.is_none() {
            let reload: Option<String> = said.get_item("reload")?.extract()?;
            if let Some(reload) = reload {
                policy = reload.parse().map_err(|e| crate::errors::from_engine(&e))?;
            }
            let listed: Option<Vec<String>> = said.get_item("preserve")?.extract()?;
            preserve = listed.unwrap_or(preserve);
        }
    }
    Ok(Wish { policy, preserve })
}

/// Executes a module's source in its new namespace, over the previous instance if there is one.
pub fn run(
    py: Python<'_>,
    engine: &Engine,
    generation: &Bound<'_, Generation>,
    instance: &Bound<'_, Instance>,
    previous: Option<&Bound<'_, Instance>>,
    text: &[u8],
    file: &str,
) -> PyResult<()> {
    let namespace = instance.get().namespace(py);
    let mut carried = Vec::new();
    if let Some(previous) = previous {
        let old = previous.get().namespace(py);
        for name in &instance.get().preserve() {
            if let Some(value) = old.get_item(name)? {
                namespace.set_item(name, &value)?;
                carried.push((name.clone(), value));
            }
        }
    }
    let code = if carried.is_empty() {
        precompiled::code(py, file, text)?
    } else {
        // Not what the source says, so never written to a precompiled file.
        let names = PyFrozenSet::new(py, carried.iter().map(|(name, _)| name))?;
        py.import(intern!(py, "transfuse.source.compiler"))?
            .call_method1(intern!(py, "compile_carrying"), (PyBytes::new(py, text), file, names))?
            .cast_into::<PyCode>()?
    };
    let mut outline = outline::outline(py, &code)?;
    outline.defined.extend(carried.iter().map(|(name, _)| name.clone()));
    submodules_of(py, engine, generation, instance.get(), previous)?;
    if let Some(previous) = previous
        && matches!(instance.get().policy(), Policy::Overlay | Policy::Patch)
    {
        overlay(py, engine, generation, instance.get(), previous.get(), &outline.defined)?;
    }
    instance.get().set_outline(outline);
    evaluate(py, &code, &namespace)?;
    awaited::ended(py, generation, instance)?;
    for (name, value) in carried {
        namespace.set_item(name, value)?;
    }
    if let Some(previous) = previous
        && let Some(migrate) = namespace.get_item(intern!(py, "__migrate__"))?
    {
        let old = previous.get().namespace(py);
        migrate.call1((PyMappingProxy::new(py, old.as_mapping()),))?;
    }
    Ok(())
}

fn evaluate(
    py: Python<'_>,
    code: &Bound<'_, PyCode>,
    namespace: &Bound<'_, PyDict>,
) -> PyResult<()> {
    // SAFETY: attached; three live objects; null means an exception is set.
    unsafe {
        let result = ffi::PyEval_EvalCode(code.as_ptr(), namespace.as_ptr(), namespace.as_ptr());
        Bound::from_owned_ptr_or_err(py, result)?;
    }
    Ok(())
}

/// Copies the old namespace into the new one: data as it is, code only as its counterpart.
fn overlay(
    py: Python<'_>,
    engine: &Engine,
    generation: &Bound<'_, Generation>,
    instance: &Instance,
    previous: &Instance,
    defined: &HashSet<String>,
) -> PyResult<()> {
    let namespace = instance.namespace(py);
    let keep_deleted = engine.settings().keep_deleted;
    // A snapshot: the old namespace is in use, and threads bind names in it.
    for (key, value) in items(&previous.namespace(py)) {
        let Ok(name) = key.extract::<&str>() else { continue };
        if is_special(name) || namespace.contains(&key)? {
            continue;
        }
        if instance.awaited.has(name) && code_of(py, &value).is_some() {
            // The old source may have called a function so; the new one may mean the submodule.
            continue;
        }
        let dropped = !keep_deleted
            && !defined.contains(name)
            && previous.with_outline(|o| o.defined.contains(name)).unwrap_or(false);
        if dropped {
            continue;
        }
        match code_of(py, &value) {
            None => namespace.set_item(key, value)?,
            Some(owner) => {
                if keep_deleted && !defined.contains(name) {
                    namespace.set_item(key, value)?;
                } else if let Some(counterpart) = counterpart(py, generation, &owner, &value)? {
                    namespace.set_item(key, counterpart)?;
                }
            }
        }
    }
    Ok(())
}

/// A package that is made anew still has the submodules that are loaded and are not: at once where
/// no code of its own says what they are called, else when they are imported.
pub fn submodules_of(
    py: Python<'_>,
    engine: &Engine,
    generation: &Bound<'_, Generation>,
    instance: &Instance,
    previous: Option<&Bound<'_, Instance>>,
) -> PyResult<()> {
    if !instance.package {
        return Ok(());
    }
    let failed = engine.book.lock().unwrap().failed.contains(&instance.name);
    let loaded = failed.then(|| generation.get().children(py, &instance.name));
    let before = previous.map(|previous| submodules::names(py, generation.get(), previous.get()));
    let ready = |tail: &str| {
        let name = instance.name.join(tail);
        generation.get().find(py, name.as_str()).filter(|child| child.get().is_ready())
    };
    let namespace = instance.namespace(py);
    let mut later = Vec::new();
    for tail in before.into_iter().flatten() {
        match ready(&tail) {
            Some(_) if instance.file.is_some() => later.push(tail),
            Some(child) if !namespace.contains(&tail)? => {
                namespace.set_item(tail, child.get().value(py))?;
            }
            _ => {}
        }
    }
    for tail in loaded.into_iter().flatten() {
        if let Some(child) = ready(&tail)
            && !later.contains(&tail)
            && !namespace.contains(&tail)?
        {
            namespace.set_item(tail, child.get().value(py))?;
        }
    }
    awaited::begin(instance, later);
    Ok(())
}

/// Names that the import system or the special variables own; each execution sets its own.
fn is_special(name: &str) -> bool {
    name.len() > 4 && name.starts_with("__") && name.ends_with("__")
}

/// The instance that a live module, class or function belongs to; none for data and foreign code.
pub fn code_of<'py>(py: Python<'py>, value: &Bound<'py, PyAny>) -> Option<Bound<'py, Instance>> {
    if let Ok(module) = value.cast_exact::<PyModule>() {
        return asker::of_globals(py, &module.dict());
    }
    if kinds::is_function(value) {
        return asker::of_globals(py, &value.getattr(intern!(py, "__globals__")).ok()?);
    }
    if let Ok(class) = value.cast::<PyType>() {
        let name = kinds::of_class(class)?.get_item(intern!(py, "__module__")).ok()??;
        return class_owner(py, class, name.extract().ok()?);
    }
    // What wraps a function and says so (`functools.wraps`, `lru_cache`) is code too.
    let wrapped = kinds::own(value, intern!(py, "__wrapped__"))?;
    kinds::is_function(&wrapped)
        .then(|| asker::of_globals(py, &wrapped.getattr(intern!(py, "__globals__")).ok()?))
        .flatten()
}

/// The instance whose execution made a class: the one its methods were compiled in, else the one
/// of its module's name that answers here.
fn class_owner<'py>(
    py: Python<'py>,
    class: &Bound<'py, PyType>,
    module: &str,
) -> Option<Bound<'py, Instance>> {
    let engine = crate::engine::in_force()?;
    if !engine.facades.bind(py).contains(module).unwrap_or(false) {
        return None;
    }
    for value in kinds::of_class(class)?.values() {
        if kinds::is_function(&value)
            && let Ok(globals) = value.getattr(intern!(py, "__globals__"))
            && let Some(owner) = asker::of_globals(py, &globals)
            && owner.get().name.as_str() == module
        {
            return Some(owner);
        }
    }
    engine.current(py).get().find(py, module)
}

/// What stands for a piece of live code in a generation: itself, if its instance is part of it;
/// else what has its qualified name there, if that is loaded.
fn counterpart<'py>(
    py: Python<'py>,
    generation: &Bound<'py, Generation>,
    owner: &Bound<'py, Instance>,
    value: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    if generation.get().holds(py, owner) {
        return Ok(Some(value.clone()));
    }
    let Some(now) = generation.get().find(py, owner.get().name.as_str()) else { return Ok(None) };
    if !now.get().is_ready() {
        return Ok(None);
    }
    if value.is(owner.get().module.bind(py)) {
        return Ok(Some(now.get().value(py)));
    }
    let Some(qualified) = qualified_name(py, value) else { return Ok(None) };
    let mut found = now.get().module.bind(py).clone().into_any();
    for part in qualified.split('.') {
        // A module or class may answer for itself, and fail: then there is nothing that stands for it.
        match found.getattr_opt(part) {
            Ok(Some(next)) => found = next,
            Ok(None) => return Ok(None),
            Err(error) if error.is_instance_of::<PyException>(py) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(found))
}

/// Where a class or function says that it was defined. What wraps one need not say that, and may say
/// anything.
fn qualified_name(py: Python<'_>, value: &Bound<'_, PyAny>) -> Option<String> {
    let name = intern!(py, "__qualname__");
    let said = match value.is_instance_of::<PyType>() || kinds::is_function(value) {
        true => value.getattr(name).ok(),
        false => kinds::own(value, name),
    };
    said?.extract().ok()
}
