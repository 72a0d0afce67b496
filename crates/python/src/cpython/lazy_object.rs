//! How is a lazy import represented that has not been used yet? (PEP 810, from Python 3.15 on)
//!
//! `lazy import x` binds such an object; its first use by name replaces it. From Rust it is only ever
//! looked at: no function here resolves one.

use std::cell::Cell;

use pyo3::exceptions::PyAttributeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyModule, PySet, PyString, PyTuple, PyType};

use crate::cpython::snapshot::referents;

/// The objects to which a lazy object refers.
pub struct LazyParts<'py> {
    /// The dict in place of `builtins` when it is resolved.
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

thread_local! {
    static WITHDRAWING: Cell<bool> = const { Cell::new(false) };
}

/// Makes the interpreter forget that a lazy import names a submodule: a package that lacks such an
/// attribute would have it loaded, by the import of whichever module declared it last. The interpreter
/// notes that by name, and forgets it once any module of that name has got the attribute.
pub fn withdraw_submodule(py: Python<'_>, package: &str, submodule: &str) -> PyResult<()> {
    let stand_in = PyModule::new(py, package)?;
    // With a `__getattr__` there, it asks for the submodule by its name, and not by the declaration.
    stand_in.dict().set_item(intern!(py, "__getattr__"), py.None())?;
    WITHDRAWING.set(true);
    let _ = stand_in.getattr_opt(submodule);
    WITHDRAWING.set(false);
    Ok(())
}

/// Whether the interpreter asks for a submodule because it is being withdrawn.
pub fn is_withdrawing() -> bool {
    WITHDRAWING.get()
}

/// Takes a module that is loaded out of `sys.lazy_modules`, as the interpreter's own import does.
pub fn discard_pending(py: Python<'_>, name: &str) {
    if are_known(py)
        && let Ok(names) = py.import(intern!(py, "sys")).and_then(|sys| sys.getattr("lazy_modules"))
        && let Ok(names) = names.cast::<PySet>()
    {
        let _ = names.discard(name);
    }
}

/// Whether this Python has lazy imports.
pub fn are_known(py: Python<'_>) -> bool {
    lazy_type(py).is_some()
}

/// Whether the value is a lazy import that has not been used yet.
pub fn is_lazy(value: &Bound<'_, PyAny>) -> bool {
    lazy_type(value.py()).is_some_and(|kind| value.get_type().is(kind))
}

/// The parts of a lazy object, as the cycle collector sees them.
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

/// The namespace for the interpreter when it makes a lazy object, with other `builtins`.
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
