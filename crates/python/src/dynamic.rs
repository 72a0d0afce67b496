//! What does importing by a call do: `importlib.import_module`, `transfuse.import_module`?
//!
//! The same as a statement in the code that called, which is found on the stack,
//! beyond the frames of `importlib` and of Transfuse itself.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;
use transfuse_engine::ModuleName;

use crate::asker;
use crate::awaited;
use crate::edges::{connect, missing};
use crate::engine::{self, Engine};
use crate::errors;
use crate::generation::Generation;
use crate::hook::outward;
use crate::instance::Instance;
use crate::loading::{self, Ensured};
use crate::observe;
use crate::sharing;
use crate::standing;

/// `importlib._bootstrap._gcd_import` while Transfuse is installed.
#[pyfunction]
#[pyo3(name = "_gcd_import", signature = (name, package=None, level=0))]
pub fn gcd_import<'py>(
    py: Python<'py>,
    name: &Bound<'py, PyString>,
    package: Option<&Bound<'py, PyAny>>,
    level: i32,
) -> PyResult<Bound<'py, PyAny>> {
    let engine = engine::required()?;
    let original = || engine.original_gcd_import.bind(py).call1((name, package, level));
    let absolute = if level > 0 {
        let inside = package.map(|p| p.extract::<&str>()).transpose()?.unwrap_or("");
        match ModuleName::resolve_relative(
            inside,
            usize::try_from(level).unwrap_or(0),
            name.to_str()?,
        ) {
            Ok(absolute) => PyString::new(py, absolute.as_str()),
            Err(_) => return original(),
        }
    } else {
        name.clone()
    };
    let caller = asker::beyond_importlib(py);
    let generation = match &caller {
        Some(caller) => asker::for_live(py, engine, caller),
        None => asker::for_foreign(py, engine),
    };
    if engine.has_foreign(py, &absolute)? {
        return original();
    }
    let Ok(absolute_text) = absolute.to_str() else { return original() };
    let Ok(dotted) = ModuleName::new(absolute_text) else { return original() };
    let found = match loading::ensure(py, engine, &generation, &dotted)? {
        Ensured::Live(found) => found,
        Ensured::Foreign => {
            sharing::not_ours(py, engine, dotted.as_str())?;
            return original();
        }
        Ensured::Missing(parent) => {
            if let Some(caller) = &caller {
                missing(caller, &dotted);
            }
            if engine.has_foreign(py, &absolute)? {
                return original();
            }
            let parent = parent.as_ref().map(ModuleName::as_str);
            return Err(errors::not_found(py, dotted.as_str(), parent));
        }
    };
    awaited::imported(py, engine, &generation, &found)?;
    if let Some(caller) = &caller {
        connect(py, engine, caller, &found);
    }
    note(py, engine, &generation, caller.as_ref(), &found)?;
    match caller {
        Some(_) => Ok(found.get().value(py)),
        None => outward(py, engine, &found),
    }
}

/// A call imported `found`: what does the module change that is being executed?
fn note<'py>(
    py: Python<'py>,
    engine: &Engine,
    generation: &Bound<'py, Generation>,
    caller: Option<&Bound<'py, Instance>>,
    found: &Bound<'py, Instance>,
) -> PyResult<()> {
    observe::imported_through(py, engine, generation, caller, found)?;
    match caller.filter(|caller| !caller.get().is_ready()) {
        Some(caller) => observe::imported_within(py, engine, generation, caller, found),
        None => Ok(()),
    }
}

/// The same for a call of Transfuse's own, which leaves no dependency behind when a function makes it.
fn note_own<'py>(
    py: Python<'py>,
    engine: &Engine,
    generation: &Bound<'py, Generation>,
    caller: Option<&Bound<'py, Instance>>,
    found: &Bound<'py, Instance>,
) -> PyResult<()> {
    if !observe::is_loading() {
        return Ok(());
    }
    if let Some(caller) = caller.filter(|caller| !caller.get().is_ready()) {
        connect(py, engine, caller, found);
    }
    note(py, engine, generation, caller, found)
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
        && let Some(engine) = engine::in_force()
    {
        let caller = asker::beyond_importlib(py);
        let generation = match &caller {
            Some(caller) => asker::for_live(py, engine, caller),
            None => asker::for_foreign(py, engine),
        };
        if let Some(found) = generation.get().get(py, name)
            && found.get().is_ready()
            && standing::is_as_seen(py, engine, name, &found)
            && !awaited::any()
        {
            note_own(py, engine, &generation, caller.as_ref(), &found)?;
            return Ok(found.get().value(py));
        }
    }
    // Whatever else there is to it (paths, installing first) begins in Python.
    py.import(intern!(py, "transfuse.process.imports"))?
        .call_method1(intern!(py, "import_slowly"), (name,))
}

/// The same for a dotted name that may have to be loaded first.
#[pyfunction]
pub fn import_name<'py>(
    py: Python<'py>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    let engine = engine::required()?;
    let caller = asker::beyond_importlib(py);
    let generation = match &caller {
        Some(caller) => asker::for_live(py, engine, caller),
        None => asker::for_foreign(py, engine),
    };
    // No file is called by a name that cannot be written down (a lone surrogate).
    let Some(dotted) = name.to_str().ok().and_then(|name| ModuleName::new(name).ok()) else {
        return Err(errors::not_found(py, &name.to_string_lossy(), None));
    };
    match loading::ensure(py, engine, &generation, &dotted)? {
        Ensured::Live(found) => {
            note_own(py, engine, &generation, caller.as_ref(), &found)?;
            awaited::imported(py, engine, &generation, &found)?;
            Ok(found.get().value(py))
        }
        Ensured::Foreign => {
            sharing::not_ours(py, engine, dotted.as_str())?;
            engine.original_gcd_import.bind(py).call1((name,))
        }
        Ensured::Missing(parent) => {
            Err(errors::not_found(py, dotted.as_str(), parent.as_ref().map(ModuleName::as_str)))
        }
    }
}
