//! What does the first use of `lazy from x import y` take, and where does `x` have it from?
//!
//! Whether the name can be bound to it for good is decided in `hooks/first_use.rs`.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyType};
use transfuse_engine::{ModuleName, Target};

use crate::cpython::{lazy_object, static_lookup};
use crate::state::scope::Scope;
use crate::sysmodules::facade::is_facade;

/// A name that a statement takes from a module.
pub struct Taken<'py> {
    /// A module that has it as its attribute.
    pub from: Bound<'py, PyModule>,
    value: Bound<'py, PyAny>,
    pub origin: Origin,
}

/// Where the imported module has an attribute from.
#[derive(Clone, Copy)]
pub enum Origin {
    /// It is its own, or a submodule.
    Own,
    /// It is a lazy import that each generation uses anew.
    Lazy,
    /// Its `__getattr__` gave it, which may ask for the generation.
    Asked,
}

/// Looks up what a statement takes. None if there is no such name, or foreign code is to give it.
pub fn take<'py>(
    scope: &Scope<'py>,
    of: &str,
    imported: &Bound<'py, PyAny>,
    name: &str,
) -> PyResult<Option<Taken<'py>>> {
    let Some((value, origin)) = attribute(scope, of, imported, name)? else { return Ok(None) };
    let from = PyModule::new(scope.py, of)?;
    from.dict().set_item(name, &value)?;
    Ok(Some(Taken { from, value, origin }))
}

impl Taken<'_> {
    /// The other modules from which a value of a module's `__getattr__` may come: the one that defines
    /// it, or all imports of the module.
    pub fn origins(&self, scope: &Scope<'_>, of: &str) -> Vec<ModuleName> {
        if !matches!(self.origin, Origin::Asked) {
            return Vec::new();
        }
        if let Some(defined) = defined_in(&self.value).filter(|name| scope.find(name).is_some()) {
            return ModuleName::new(&defined).into_iter().collect();
        }
        let edges = scope.find(of).map_or_else(Vec::new, |module| module.get().edges());
        let modules = edges.into_iter().filter_map(|edge| match edge.to {
            Target::Module(name) => Some(name),
            Target::File(_) => None,
        });
        modules.collect()
    }
}

/// The module that a function or class is defined in.
fn defined_in(value: &Bound<'_, PyAny>) -> Option<String> {
    let name = intern!(value.py(), "__module__");
    let found = match value.cast::<PyType>() {
        Ok(class) => static_lookup::of_class(class)?.get_item(name).ok()?,
        Err(_) if static_lookup::is_function(value) => value.getattr(name).ok(),
        Err(_) => None,
    };
    found?.extract().ok()
}

/// One attribute of a live module, as the generation has it.
fn attribute<'py>(
    scope: &Scope<'py>,
    of: &str,
    value: &Bound<'py, PyAny>,
    part: &str,
) -> PyResult<Option<(Bound<'py, PyAny>, Origin)>> {
    let py = scope.py;
    let Some(module) = scope.find(of) else { return Ok(None) };
    if module.get().is_replaced() || !module.get().value(py).is(value) {
        return Ok(None);
    }
    let namespace = module.get().namespace(py);
    let child = scope.find(module.get().name.join(part).as_str());
    let child = child.map(|child| (child.get().value(py), Origin::Own));
    let own = namespace.get_item(part)?;
    match own.as_ref().map(|own| lazy_object::parts(own)) {
        // `from . import prices` in the package itself names this very submodule.
        Some(Some(parts)) if child.is_some() && parts.takes(of, part) => Ok(child),
        Some(Some(_)) => {
            let Some(found) = value.getattr_opt(part)? else { return Ok(None) };
            let now = namespace.get_item(part)?;
            let is_lazy = now.is_some_and(|now| lazy_object::is_lazy(&now));
            Ok(Some((found, if is_lazy { Origin::Lazy } else { Origin::Own })))
        }
        Some(None) => Ok(own.filter(|own| !is_facade(own)).map(|own| (own, Origin::Own)).or(child)),
        None if child.is_some() => Ok(child),
        None => Ok(value.getattr_opt(part)?.map(|found| (found, Origin::Asked))),
    }
}
