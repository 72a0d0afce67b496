//! What is a lazy import that has not been used yet? (PEP 810, from Python 3.15 on)
//!
//! `lazy import x` binds such an object; its first use by name replaces it. From Rust it is only ever
//! looked at: no function here resolves one.

use pyo3::exceptions::PyAttributeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use crate::cpython::snapshot::referents;

/// What a lazy object refers to.
pub struct LazyParts<'py> {
    /// What stands for `builtins` when it is resolved.
    pub builtins: Bound<'py, PyDict>,
    /// The absolute name of the module, `shop.prices`.
    pub from: String,
    /// The name that is taken of it (`from shop.prices import total`).
    pub taken: Option<String>,
    /// An attribute of another lazy object: that name, and `import shop.prices as p`.
    pub of: Option<(String, Bound<'py, PyAny>)>,
}

impl LazyParts<'_> {
    /// Whether it is for `from MODULE import NAME`.
    pub fn takes(&self, module: &str, name: &str) -> bool {
        self.from == module && self.taken.as_deref() == Some(name)
    }
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
        let builtins = builtins.clone();
        return Some(LazyParts { builtins, from: name, taken: None, of: None });
    }
    let parent = parts(&first)?;
    // The names of a `from` are with the lazy object of the module; `import a.b as c` has none.
    let takes = parent.of.is_none()
        && referents(&first).ok()?.iter().any(|one| one.is_instance_of::<PyTuple>());
    Some(LazyParts { taken: takes.then(|| name.clone()), of: Some((name, first)), ..parent })
}

/// What the interpreter reads of a namespace when it makes a lazy object, with other `builtins`.
pub fn with_builtins<'py>(
    py: Python<'py>,
    globals: &Bound<'py, PyAny>,
    builtins: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let made = PyDict::new(py);
    for name in ["__name__", "__package__", "__spec__", "__path__", "__file__"] {
        if let Ok(value) = globals.get_item(name) {
            made.set_item(name, value)?;
        }
    }
    made.set_item(intern!(py, "__builtins__"), builtins)?;
    Ok(made.into_any())
}
