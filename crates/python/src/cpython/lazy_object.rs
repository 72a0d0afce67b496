//! What is a lazy import that has not been used yet? (PEP 810, from Python 3.15 on)
//!
//! `lazy import x` binds such an object; its first use by name replaces it. From Rust it is only ever
//! looked at: no function here resolves one.

use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyType};

use crate::cpython::snapshot::referents;

/// What a lazy object refers to.
pub struct LazyParts<'py> {
    /// What stands for `builtins` when it is resolved.
    pub builtins: Bound<'py, PyDict>,
    /// The absolute name of the module, `shop.prices`.
    pub from: String,
    /// What is taken of it (`from shop.prices import total`), and the lazy object of the module.
    pub attribute: Option<(String, Bound<'py, PyAny>)>,
}

/// The type of lazy objects; none before Python 3.15.
fn lazy_type(py: Python<'_>) -> Option<&Bound<'_, PyType>> {
    static TYPE: PyOnceLock<Option<Py<PyType>>> = PyOnceLock::new();
    let known = TYPE.get_or_try_init(py, || match py.import("types")?.getattr("LazyImportType") {
        Ok(kind) => Ok(Some(kind.cast_into::<PyType>()?.unbind())),
        Err(error) if error.is_instance_of::<PyAttributeError>(py) => Ok(None),
        Err(error) => Err(error),
    });
    known.ok()?.as_ref().map(|kind| kind.bind(py))
}

/// Whether this Python has lazy imports.
pub fn are_known(py: Python<'_>) -> bool {
    lazy_type(py).is_some()
}

/// Whether the value is a lazy import that has not been used yet.
pub fn is_lazy(value: &Bound<'_, PyAny>) -> bool {
    lazy_type(value.py()).is_some_and(|kind| value.get_type().is(kind))
}

/// What it refers to, read from what the cycle collector sees of it.
pub fn parts<'py>(value: &Bound<'py, PyAny>) -> Option<LazyParts<'py>> {
    if !is_lazy(value) {
        return None;
    }
    let seen = referents(value).ok()?;
    let mut seen = seen.iter();
    let first = seen.next()?;
    let name: String = seen.next()?.cast_into::<PyString>().ok()?.extract().ok()?;
    if let Ok(builtins) = first.cast::<PyDict>() {
        return Some(LazyParts { builtins: builtins.clone(), from: name, attribute: None });
    }
    let parent = parts(&first)?;
    Some(LazyParts { attribute: Some((name, first)), ..parent })
}
