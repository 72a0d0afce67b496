//! What does importing by a call do: `importlib.import_module`, `transfuse.import_module`?
//!
//! The same as a statement in the code that called, which is found on the stack,
//! beyond the frames of `importlib` and of Transfuse itself.

use pyo3::{intern, prelude::*, types::PyString};
use transfuse_engine::ModuleName;

use crate::effects::dependencies::{record_import, record_import_through};
use crate::effects::{foreign_lookups, observation};
use crate::state::{
    caller, execution_stack, live_module::LiveModule, pending_submodules, runtime, scope::Scope,
};
use crate::sysmodules::{entry, facade::of_instance};
use crate::{cpython::exceptions, hooks::submodule_imports, loading::load};

/// `importlib._bootstrap._gcd_import` while Transfuse is installed.
#[pyfunction]
#[pyo3(name = "_gcd_import", signature = (name, package=None, level=0))]
pub fn gcd_import<'py>(
    py: Python<'py>,
    name: &Bound<'py, PyString>,
    package: Option<&Bound<'py, PyAny>>,
    level: i32,
) -> PyResult<Bound<'py, PyAny>> {
    let runtime = runtime::required()?;
    let original = || runtime.original_gcd_import.bind(py).call1((name, package, level));
    let absolute = if level > 0 {
        let inside = package.map(|p| p.extract::<&str>()).transpose()?.unwrap_or("");
        let dots = usize::try_from(level).unwrap_or(0);
        match ModuleName::resolve_relative(inside, dots, name.to_str()?) {
            Ok(absolute) => PyString::new(py, absolute.as_str()),
            Err(_) => return original(),
        }
    } else {
        name.clone()
    };
    let caller = caller::beyond_importlib(py);
    let scope = caller::scope_of(py, runtime, caller.as_ref());
    if runtime.has_foreign(py, &absolute)? {
        return original();
    }
    let Ok(absolute_text) = absolute.to_str() else { return original() };
    let Ok(dotted) = ModuleName::new(absolute_text) else { return original() };
    let Some(found) = load::load_live(&scope, caller.as_ref(), &dotted)? else {
        entry::not_ours(py, runtime, dotted.as_str())?;
        return original();
    };
    submodule_imports::imported(&scope, &found)?;
    match &caller {
        Some(caller) => {
            record_import(py, runtime, caller, &found);
            if caller.get().is_ready() && caller::imports_unnamed(py) {
                record_import_through(&scope, &found);
            }
        }
        None => {
            record_import_through(&scope, &found);
            foreign_lookups::imported(&scope, &found);
        }
    }
    record_call(&scope, caller.as_ref(), &found)?;
    match caller {
        Some(_) => Ok(found.get().value(py)),
        None => of_instance(py, runtime, &found),
    }
}

/// A call imported `found`: observes the changes by the module that is being executed.
fn record_call<'py>(
    scope: &Scope<'py>,
    caller: Option<&Bound<'py, LiveModule>>,
    found: &Bound<'py, LiveModule>,
) -> PyResult<()> {
    observation::imported_through(scope, caller, found)?;
    match caller.filter(|caller| !caller.get().is_ready()) {
        Some(caller) => observation::imported_within(scope, caller, found),
        None => Ok(()),
    }
}

/// The same for a call of Transfuse's own, which records no dependency when a function makes it.
fn record_own_call<'py>(
    scope: &Scope<'py>,
    caller: Option<&Bound<'py, LiveModule>>,
    found: &Bound<'py, LiveModule>,
) -> PyResult<()> {
    if !execution_stack::is_executing() {
        return Ok(());
    }
    if let Some(caller) = caller.filter(|caller| !caller.get().is_ready()) {
        record_import(scope.py, scope.runtime, caller, found);
    }
    record_call(scope, caller, found)
}

/// Return a module of the caller's generation, loading it if need be.
///
/// Args:
///     name: a dotted name (``"shop.prices"``), or a file: a path object, or a string that has a
///         separator in it or ends in ``.py``. Two files of one name in two directories are two
///         modules.
///
/// Raises:
///     ImportError: there is no such module.
///     BaseException: whatever the module raises while it is loaded.
#[pyfunction]
pub fn import_module<'py>(
    py: Python<'py>,
    name: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    if let Ok(name) = name.cast_exact::<PyString>()
        && let Some(runtime) = runtime::in_force()
    {
        let caller = caller::beyond_importlib(py);
        let scope = caller::scope_of(py, runtime, caller.as_ref());
        if let Some(found) = scope.get(name)
            && found.get().is_ready()
            && entry::is_as_seen(py, runtime, name, &found)
            && !pending_submodules::any()
        {
            record_own_call(&scope, caller.as_ref(), &found)?;
            return Ok(found.get().value(py));
        }
    }
    // The other cases (paths, installing first) begin in Python.
    py.import(intern!(py, "transfuse.process.imports"))?
        .call_method1(intern!(py, "import_slowly"), (name,))
}

/// The same for a dotted name that may have to be loaded first.
#[pyfunction]
pub fn import_name<'py>(
    py: Python<'py>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    let runtime = runtime::required()?;
    let caller = caller::beyond_importlib(py);
    let scope = caller::scope_of(py, runtime, caller.as_ref());
    // No file has a name without a UTF-8 form (a lone surrogate).
    let Some(dotted) = name.to_str().ok().and_then(|name| ModuleName::new(name).ok()) else {
        return Err(exceptions::not_found(py, &name.to_string_lossy(), None));
    };
    match load::load_live(&scope, None, &dotted)? {
        Some(found) => {
            record_own_call(&scope, caller.as_ref(), &found)?;
            submodule_imports::imported(&scope, &found)?;
            Ok(found.get().value(py))
        }
        None => {
            entry::not_ours(py, runtime, dotted.as_str())?;
            runtime.original_gcd_import.bind(py).call1((name,))
        }
    }
}
