//! What does a lazy import do, when it is declared and when it is first used? (PEP 810)
//!
//! [`lazy_import`] stands as `builtins.__lazy_import__`. A lazy object does not know the module that
//! declares it, but it has a `builtins` dict of its own, and its first use calls the `__import__` in there.
//! A live module's lazy objects get one that knows the module ([`FirstUse`]), so that the first use is an
//! import by that module, whichever code touches the name.
//!
//! The interpreter binds what came of it, unless the name was rebound meanwhile. Where the generations that
//! have the module would get different things, it is: by a new lazy object, so each use asks anew.

use pyo3::exceptions::PyModuleNotFoundError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule, PyString, PyTuple};
use pyo3::{ffi, intern};
use transfuse_engine::sync::Mutex;
use transfuse_engine::{Edge, EdgeKind, GenerationState, ModuleName, Target};

use crate::cpython::snapshot::items;
use crate::cpython::{exceptions, lazy_object};
use crate::effects::dependencies::record_not_found;
use crate::hooks::import_statement::{self, relative};
use crate::state::caller;
use crate::state::generation::Generation;
use crate::state::lazy_imports::DECLARING;
use crate::state::live_module::LiveModule;
use crate::state::runtime::{self, Runtime};

/// `builtins.__lazy_import__` as it was, while Transfuse is installed.
static ORIGINAL: Mutex<Option<Py<PyAny>>> = Mutex::new(None);

fn original(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let original = ORIGINAL.lock().as_ref().map(|original| original.bind(py).clone());
    original.ok_or_else(exceptions::not_installed)
}

/// Puts [`lazy_import`] in, where this Python has lazy imports.
pub fn install(py: Python<'_>) -> PyResult<()> {
    if !lazy_object::are_known(py) {
        return Ok(());
    }
    let builtins = py.import(intern!(py, "builtins"))?;
    let name = intern!(py, "__lazy_import__");
    let before = builtins.getattr(name)?.unbind();
    drop(ORIGINAL.lock().replace(before));
    builtins.setattr(name, pyo3::wrap_pyfunction!(lazy_import, py)?)?;
    use_own(py)
}

/// Where the program has all imports be lazy, Transfuse's own are not: it binds what it needs before the
/// program runs, which may patch it.
fn use_own(py: Python<'_>) -> PyResult<()> {
    let modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?;
    let modules = modules.cast_into::<PyDict>()?;
    let mut seen = 0;
    // Using one can load another module of ours.
    while seen != modules.len() {
        seen = modules.len();
        for (name, module) in items(&modules) {
            let Ok(module) = module.cast_into::<PyModule>() else { continue };
            if !name.extract::<&str>().is_ok_and(is_own) {
                continue;
            }
            for (name, value) in items(&module.dict()) {
                if lazy_object::is_lazy(&value) {
                    module.getattr(name.cast::<PyString>()?)?;
                }
            }
        }
    }
    Ok(())
}

/// Whether a module is Transfuse's own.
fn is_own(name: &str) -> bool {
    name == "transfuse" || name.starts_with("transfuse.")
}

/// Takes it out again. Lazy objects that were made meanwhile stay what they are.
pub fn uninstall(py: Python<'_>) -> PyResult<()> {
    let Some(original) = ORIGINAL.lock().take() else { return Ok(()) };
    py.import(intern!(py, "builtins"))?.setattr(intern!(py, "__lazy_import__"), original)
}

/// `builtins.__lazy_import__` while Transfuse is installed.
#[pyfunction]
#[pyo3(name = "__lazy_import__", signature = (name, globals=None, locals=None, fromlist=None, level=0))]
fn lazy_import<'py>(
    py: Python<'py>,
    name: &Bound<'py, PyString>,
    globals: Option<&Bound<'py, PyAny>>,
    locals: Option<&Bound<'py, PyAny>>,
    fromlist: Option<&Bound<'py, PyAny>>,
    level: i32,
) -> PyResult<Bound<'py, PyAny>> {
    let original = original(py)?;
    let declare = |globals: Option<&Bound<'py, PyAny>>| {
        original.call1((name, globals, locals, fromlist, level))
    };
    let (Some(runtime), Some(given)) = (runtime::in_force(), globals) else {
        return declare(globals);
    };
    let Some(declaring) = caller::module_of_globals(py, given) else {
        let name_of = given.get_item(intern!(py, "__name__")).ok();
        if name_of.is_some_and(|own| own.extract::<&str>().is_ok_and(is_own)) {
            return import_statement::import(py, name, globals, locals, fromlist, level);
        }
        if !has_usual_builtins(py, given)? {
            return declare(globals);
        }
        // What live code touches first must not be that code's import.
        return declare(Some(&with_builtins(py, given, &plain_builtins(py, runtime)?)?));
    };
    let builtins = builtins_of(py, &declaring)?;
    let found = declare(Some(&with_builtins(py, given, &builtins)?));
    if let Err(error) = &found
        && error.is_instance_of::<PyModuleNotFoundError>(py)
        && let Ok(name) = ModuleName::new(name.to_str()?)
    {
        record_not_found(runtime, &declaring, &name);
    }
    let found = found?;
    if !lazy_object::is_lazy(&found) {
        // A filter of the program's does not want it lazy: it was imported as foreign code imports.
        return import_statement::import(py, name, globals, locals, fromlist, level);
    }
    let absolute = match level {
        0 => name.clone(),
        level => relative(py, globals, level, name)?,
    };
    record(py, runtime, &declaring, absolute.to_str()?, fromlist);
    Ok(found)
}

/// Whether a namespace has the interpreter's `builtins`, and not some of its own.
fn has_usual_builtins(py: Python<'_>, globals: &Bound<'_, PyAny>) -> PyResult<bool> {
    let builtins = py.import(intern!(py, "builtins"))?;
    let own = globals.get_item(intern!(py, "__builtins__"));
    Ok(own.is_ok_and(|own| own.is(&builtins) || own.is(builtins.dict())))
}

/// What the interpreter reads of a namespace when it makes a lazy object, with other `builtins`.
fn with_builtins<'py>(
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

/// The `builtins` of foreign modules' lazy objects: with the import of the interpreter, which does not
/// ask for the code that touches the name. What it finds of live modules are facades.
fn plain_builtins<'py>(py: Python<'py>, runtime: &'static Runtime) -> PyResult<Bound<'py, PyDict>> {
    let made = PyDict::new(py);
    made.set_item(intern!(py, "__import__"), &runtime.original_import)?;
    made.set_item(intern!(py, "__lazy_import__"), original(py)?)?;
    Ok(made)
}

/// The `builtins` of a live module's lazy objects.
fn builtins_of<'py>(
    py: Python<'py>,
    module: &Bound<'py, LiveModule>,
) -> PyResult<Bound<'py, PyDict>> {
    module.get().lazy.builtins(py, || {
        let made = PyDict::new(py);
        made.set_item(DECLARING, module)?;
        let first_use = Bound::new(py, FirstUse { builtins: made.clone().unbind() })?;
        made.set_item(intern!(py, "__import__"), first_use)?;
        made.set_item(intern!(py, "__lazy_import__"), original(py)?)?;
        Ok(made)
    })
}

/// A module, the packages around it, and what may be submodules of it: what a statement names.
fn named(absolute: &str, fromlist: Option<&Bound<'_, PyAny>>) -> Vec<ModuleName> {
    let Ok(name) = ModuleName::new(absolute) else { return Vec::new() };
    let mut names: Vec<_> = std::iter::successors(Some(name.clone()), ModuleName::parent).collect();
    if let Some(Ok(taken)) = fromlist.map(|list| list.cast::<PyTuple>()) {
        let taken = taken.iter().filter_map(|one| one.extract::<String>().ok());
        names.extend(taken.map(|one| name.join(&one)));
    }
    names
}

/// The statement is an edge of the graph from now on.
fn record(
    py: Python<'_>,
    runtime: &Runtime,
    declaring: &Bound<'_, LiveModule>,
    absolute: &str,
    fromlist: Option<&Bound<'_, PyAny>>,
) {
    // SAFETY: attached; borrowed, or null when no Python code runs.
    let line = unsafe {
        let frame = ffi::PyEval_GetFrame();
        if frame.is_null() { 1 } else { ffi::PyFrame_GetLineNumber(frame) }
    };
    declaring.get().lazy.declare(absolute, u32::try_from(line).unwrap_or(1));
    for name in named(absolute, fromlist) {
        add_edge(py, runtime, declaring, name, EdgeKind::Lazy);
    }
}

fn add_edge(
    py: Python<'_>,
    runtime: &Runtime,
    from: &Bound<'_, LiveModule>,
    to: ModuleName,
    kind: EdgeKind,
) {
    let to = Target::Module(to);
    if from.get().add_edge(to.clone(), kind)
        && from.get().is_ready()
        && runtime.current(py).get().holds(py, from)
    {
        runtime.records.lock().graph.add(&from.get().name, Edge { to, kind });
    }
}

/// The `__import__` that a live module's lazy objects call when they are first used.
#[pyclass(frozen, module = "transfuse._core")]
struct FirstUse {
    /// What it is the `__import__` of. The declaring module is in there.
    builtins: Py<PyDict>,
}

#[pymethods]
impl FirstUse {
    #[pyo3(signature = (name, globals=None, locals=None, fromlist=None, level=0))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyString>,
        globals: Option<&Bound<'py, PyAny>>,
        locals: Option<&Bound<'py, PyAny>>,
        fromlist: Option<&Bound<'py, PyAny>>,
        level: i32,
    ) -> PyResult<Bound<'py, PyAny>> {
        // Those of the code that touches the name.
        let _ = (globals, locals);
        let declaring = self.builtins.bind(py).as_any().get_item(intern!(py, DECLARING))?;
        let declaring = declaring.cast::<LiveModule>()?;
        let namespace = declaring.get().namespace(py);
        // No locals: what is imported is used at once, as in a function.
        let none = py.None().into_bound(py);
        let taken = fromlist.filter(|list| !list.is_none());
        let import = py.import(intern!(py, "builtins"))?.getattr(intern!(py, "__import__"))?;
        let locals = if declaring.get().is_ready() { namespace.as_any() } else { &none };
        let value = import.call1((name, &namespace, locals, taken.unwrap_or(&none), level))?;
        if let Some(runtime) = runtime::in_force() {
            settle(py, runtime, declaring, name, taken)?;
        }
        Ok(value)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.builtins)
    }
}

/// What was imported is about to be bound: for all generations that have the declaring module, if it is the
/// same in all of them.
fn settle(
    py: Python<'_>,
    runtime: &'static Runtime,
    declaring: &Bound<'_, LiveModule>,
    name: &Bound<'_, PyString>,
    fromlist: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let names = named(name.to_str()?, fromlist);
    let waiting = placeholders(declaring, name.to_str()?);
    for (slot, _) in &waiting {
        declaring.get().lazy.set_used(slot);
    }
    let guard = runtime.nogil_lock.lock(py);
    let generation = caller::scope_of_live(py, runtime, declaring).generation;
    let others = in_use(py, runtime);
    let mut others = others.iter().filter(|other| other.get().holds(py, declaring));
    let same = |other: &Bound<'_, Generation>, name: &ModuleName| {
        let mine = generation.get().find(py, name.as_str());
        let theirs = other.get().find(py, name.as_str());
        match (mine, theirs) {
            (Some(mine), Some(theirs)) => mine.is(&theirs),
            (None, None) => true,
            _ => false,
        }
    };
    if others.all(|other| names.iter().all(|name| same(other, name))) {
        for name in names {
            if let Some(found) = generation.get().find(py, name.as_str()) {
                declaring.get().lazy.set_bound(&name, found.get().started());
                add_edge(py, runtime, declaring, name, EdgeKind::ModuleLevel);
            }
        }
        return Ok(());
    }
    drop(guard);
    let namespace = declaring.get().namespace(py);
    for (slot, parts) in waiting {
        if let Some(again) = renewed(py, declaring, &parts)? {
            namespace.set_item(slot, again)?;
        }
    }
    Ok(())
}

/// Generations in which a unit of work may be, begin, or come to be once an update is published.
fn in_use<'py>(py: Python<'py>, runtime: &Runtime) -> Vec<Bound<'py, Generation>> {
    let all = runtime.generations.alive(|generation, _, state| {
        (!matches!(state, GenerationState::Retired)).then(|| generation.bind(py).clone())
    });
    all.into_iter().flatten().collect()
}

/// The names of a module that hold a lazy object of its own for what is imported from there.
fn placeholders<'py>(
    module: &Bound<'py, LiveModule>,
    from: &str,
) -> Vec<(String, lazy_object::LazyParts<'py>)> {
    let all = items(&module.get().namespace(module.py())).into_iter();
    all.filter_map(|(slot, value)| {
        let parts = lazy_object::parts(&value)?;
        let own = parts.from == from && module.get().lazy.has_made(&parts.builtins);
        own.then(|| Some((slot.extract().ok()?, parts)))?
    })
    .collect()
}

/// Another lazy object for the same; none if the interpreter does not make one (by a filter).
fn renewed<'py>(
    py: Python<'py>,
    module: &Bound<'py, LiveModule>,
    parts: &lazy_object::LazyParts<'py>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let scratch = PyDict::new(py);
    let statement = match &parts.of {
        Some((attribute, of)) => {
            let builtins = PyDict::new(py);
            let answer = Bound::new(py, Answer(of.clone().unbind()))?;
            builtins.set_item(intern!(py, "__import__"), &answer)?;
            builtins.set_item(intern!(py, "__lazy_import__"), &answer)?;
            scratch.set_item(intern!(py, "__builtins__"), builtins)?;
            format!("from _ import {attribute} as found")
        }
        None => {
            let globals = with_builtins(py, module.get().namespace(py).as_any(), &parts.builtins)?;
            let none = py.None();
            scratch.set_item("make", original(py)?)?;
            scratch.set_item("given", (parts.from.as_str(), &globals, &globals, none, 0))?;
            scratch.set_item(intern!(py, "__builtins__"), &parts.builtins)?;
            "found = make(*given)".to_owned()
        }
    };
    // An error at its use names the statement by its code: let that be the line of the real one.
    let line = module.get().lazy.line(&parts.from);
    let source = "\n".repeat(line.saturating_sub(1) as usize) + &statement;
    let file = module.get().file.as_deref().unwrap_or("<lazy import>");
    let builtins = py.import(intern!(py, "builtins"))?;
    let code = builtins.call_method1(intern!(py, "compile"), (source, file, "exec"))?;
    // SAFETY: attached; live objects; null means an exception is set.
    unsafe {
        let ran = ffi::PyEval_EvalCode(code.as_ptr(), scratch.as_ptr(), scratch.as_ptr());
        Bound::from_owned_ptr_or_err(py, ran)?;
    }
    let found = scratch.get_item(intern!(py, "found"))?;
    Ok(found.filter(lazy_object::is_lazy))
}

/// An `__import__` that has one answer.
#[pyclass(frozen, module = "transfuse._core")]
struct Answer(Py<PyAny>);

#[pymethods]
impl Answer {
    #[pyo3(signature = (*_args))]
    fn __call__(&self, py: Python<'_>, _args: &Bound<'_, PyTuple>) -> Py<PyAny> {
        self.0.clone_ref(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.0)
    }
}
