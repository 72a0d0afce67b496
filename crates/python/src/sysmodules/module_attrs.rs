//! Which attributes does a module have before its first line runs?
//!
//! The attributes that the import system gives a module: its spec, its loader
//! (our own, which tells whose code it is), its file and its search path.

use pyo3::{intern, prelude::*, types::PyModule};

use crate::{state::live_module::LiveModule, sysmodules::spec};

/// Sets these attributes. Returns the spec.
pub fn init_module_attrs<'py>(
    py: Python<'py>,
    instance: &Bound<'py, LiveModule>,
    module: &Bound<'py, PyModule>,
    package: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let of = instance.get();
    let name = of.name.as_str();
    let spec = spec::spec(py, name, instance.as_any(), of.file.as_deref(), package.clone())?;
    let inside = match (package.is_some(), name.rsplit_once('.')) {
        (true, _) => name,
        (false, Some((parent, _))) => parent,
        (false, None) => "",
    };
    let namespace = module.dict();
    namespace.set_item(intern!(py, "__package__"), inside)?;
    namespace.set_item(intern!(py, "__loader__"), instance)?;
    namespace.set_item(intern!(py, "__spec__"), &spec)?;
    let is_namespace = package.is_some() && of.file.is_none();
    if let Some(package) = package {
        namespace.set_item(intern!(py, "__path__"), package)?;
    }
    if is_namespace {
        // So it is from 3.7 on, though the documentation says that it is not set.
        namespace.set_item(intern!(py, "__file__"), py.None())?;
    }
    if let Some(file) = &of.file {
        namespace.set_item(intern!(py, "__file__"), file)?;
        if py.version_info() < (3, 15) {
            namespace.set_item(intern!(py, "__cached__"), spec.getattr(intern!(py, "cached"))?)?;
        }
    }
    let builtins = py.import(intern!(py, "builtins"))?.dict();
    namespace.set_item(intern!(py, "__builtins__"), builtins)?;
    Ok(spec)
}
