//! Which class of the standard library does a loader of ours stand for?
//!
//! Other code asks: `pkg_resources` finds the files of a package by the class of its loader, and
//! instrumentation takes the place of a `SourceFileLoader`. So `__class__` says that class, and methods
//! that ours does not have are those of the class.

use pyo3::types::{PyFunction, PyString};
use pyo3::{exceptions::PyAttributeError, intern, prelude::*};

use crate::cpython::extra_attributes::ExtraAttributes;

/// An attribute of a loader: one that other code has set, its own, or one of the class.
pub fn attribute<'py>(
    loader: &Bound<'py, PyAny>,
    attributes: &ExtraAttributes,
    file: Option<&String>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = loader.py();
    if name == "__class__" && attributes.own(py, "__class__")?.is_none() {
        return class(py, file);
    }
    let error = match attributes.get(loader, name) {
        Err(error) if error.is_instance_of::<PyAttributeError>(py) => error,
        found => return found,
    };
    let method = class(py, file)?.getattr_opt(name)?;
    match method.filter(|method| method.is_exact_instance_of::<PyFunction>()) {
        Some(method) => method.call_method1(intern!(py, "__get__"), (loader,)),
        None => Err(error),
    }
}

/// The class that Python has for a module of a file, or for a namespace package.
fn class<'py>(py: Python<'py>, file: Option<&String>) -> PyResult<Bound<'py, PyAny>> {
    let machinery = py.import(intern!(py, "importlib._bootstrap_external"))?;
    match file {
        Some(_) => machinery.getattr(intern!(py, "SourceFileLoader")),
        None => {
            let public = machinery.getattr_opt(intern!(py, "NamespaceLoader"))?;
            // Before Python 3.11 it has another name.
            public.map_or_else(|| machinery.getattr(intern!(py, "_NamespaceLoader")), Ok)
        }
    }
}
