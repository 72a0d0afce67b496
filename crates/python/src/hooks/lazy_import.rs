//! What does a statement do that declares a lazy import? (PEP 810)
//!
//! [`lazy_import`] stands as `builtins.__lazy_import__`. A lazy object does not know the module
//! that declares it, but it has a `builtins` dict of its own, and its first use calls the
//! `__import__` in there. A live module's lazy objects get one that knows the module
//! (`hooks/first_use.rs`), so that the first use is an import by that module, whichever code
//! touches the name.

use pyo3::exceptions::PyModuleNotFoundError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule, PyString};
use pyo3::{ffi, intern};
use transfuse_engine::sync::Mutex;
use transfuse_engine::{EdgeKind, ModuleName};

use crate::cpython::snapshot::items;
use crate::cpython::{exceptions, lazy_object, lazy_object::with_builtins};
use crate::effects::dependencies::{add_edge, record_import, record_not_found};
use crate::effects::observation;
use crate::hooks::first_use::{FirstUse, named, names_in};
use crate::hooks::import_statement::{self, relative};
use crate::hooks::submodule_imports;
use crate::loading::load::{self, Loaded};
use crate::loading::submodules;
use crate::state::caller;
use crate::state::lazy_imports::{DECLARING, declare_submodule, forget_submodules};
use crate::state::live_module::LiveModule;
use crate::state::runtime::{self, Runtime};
use crate::state::scope::Scope;

/// `builtins.__lazy_import__` as it was, while Transfuse is installed.
static ORIGINAL: Mutex<Option<Py<PyAny>>> = Mutex::new(None);

fn original(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let original = ORIGINAL.lock().as_ref().map(|original| original.bind(py).clone());
    original.ok_or_else(exceptions::not_installed)
}

/// `importlib._bootstrap._find_and_load_lazy_submodule` as it was, likewise.
static ORIGINAL_SUBMODULE: Mutex<Option<Py<PyAny>>> = Mutex::new(None);

/// Finds a submodule that a lazy import names, when a package lacks an attribute of that name.
const SUBMODULE: &str = "_find_and_load_lazy_submodule";

/// Puts [`lazy_import`] in, where this Python has lazy imports.
pub fn install(py: Python<'_>) -> PyResult<()> {
    if !lazy_object::are_known(py) {
        return Ok(());
    }
    let bootstrap = py.import(intern!(py, "importlib._bootstrap"))?;
    if let Some(before) = bootstrap.getattr_opt(SUBMODULE)? {
        drop(ORIGINAL_SUBMODULE.lock().replace(before.unbind()));
        bootstrap.setattr(SUBMODULE, pyo3::wrap_pyfunction!(lazy_submodule, py)?)?;
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
    forget_submodules();
    let before = ORIGINAL_SUBMODULE.lock().take();
    if let Some(before) = before {
        py.import(intern!(py, "importlib._bootstrap"))?.setattr(SUBMODULE, before)?;
    }
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
    let Some(declaring) = declaring(py, runtime, given)? else {
        let name_of = given.get_item(intern!(py, "__name__")).ok();
        if name_of.is_some_and(|own| own.extract::<&str>().is_ok_and(is_own)) {
            return import_statement::import(py, name, globals, locals, fromlist, level);
        }
        if !has_usual_builtins(py, given)? {
            return declare(globals);
        }
        // If live code is the first to touch the name, it is still an import of the declaring code.
        let found = declare(Some(&with_builtins(py, given, &plain_builtins(py, runtime)?)?))?;
        if lazy_object::is_lazy(&found)
            && let Ok(absolute) = absolute(py, globals, name, level)
        {
            let scope = caller::scope_of_foreign(py, runtime);
            declare_submodules(&scope, &named(absolute.to_str()?, &names_in(fromlist)))?;
        }
        return Ok(found);
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
    let absolute = absolute(py, globals, name, level)?;
    let names = named(absolute.to_str()?, &names_in(fromlist));
    record(py, runtime, &declaring, absolute.to_str()?, &names);
    declare_submodules(&caller::scope_of_live(py, runtime, &declaring), &names)?;
    Ok(found)
}

/// The live module whose code declares, by the globals of the code. Those of no module (of `exec` with a
/// dict) are of the nearest live code that called it.
fn declaring<'py>(
    py: Python<'py>,
    runtime: &'static Runtime,
    globals: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, LiveModule>>> {
    let known = caller::module_of_globals(py, globals);
    if known.is_some() || !has_usual_builtins(py, globals)? {
        return Ok(known);
    }
    let loaded = match globals.get_item(intern!(py, "__name__")) {
        Ok(name) => runtime.sys_modules.bind(py).get_item(name)?,
        Err(_) => None,
    };
    let is_of_module = loaded.is_some_and(|loaded| {
        loaded.cast_into::<PyModule>().is_ok_and(|module| module.dict().is(globals))
    });
    Ok(if is_of_module { None } else { caller::nearest(py) })
}

/// Lazy imports name these modules. Packages that are loaded later look for themselves.
fn declare_submodules(scope: &Scope<'_>, names: &[ModuleName]) -> PyResult<()> {
    for name in names {
        let Some(package) = name.parent() else { continue };
        declare_submodule(name.clone());
        if let Some(package) = scope.find(package.as_str())
            && package.get().is_ready()
        {
            submodules::load_when_asked_for(scope.py, &package, std::slice::from_ref(name))?;
        }
    }
    Ok(())
}

fn absolute<'py>(
    py: Python<'py>,
    globals: Option<&Bound<'py, PyAny>>,
    name: &Bound<'py, PyString>,
    level: i32,
) -> PyResult<Bound<'py, PyString>> {
    if level == 0 { Ok(name.clone()) } else { relative(py, globals, level, name) }
}

/// `importlib._bootstrap._find_and_load_lazy_submodule` while Transfuse is installed. The
/// interpreter makes the result an attribute of the package, and asks the package's `__getattr__`
/// if that is `None`.
#[pyfunction]
#[pyo3(name = "_find_and_load_lazy_submodule")]
fn lazy_submodule<'py>(
    py: Python<'py>,
    name: &Bound<'py, PyString>,
    import: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let original = || {
        let original = ORIGINAL_SUBMODULE.lock().as_ref().map(|original| original.bind(py).clone());
        original.ok_or_else(exceptions::not_installed)?.call1((name, import))
    };
    if lazy_object::is_withdrawing() {
        return Ok(PyModule::new(py, name.to_str()?)?.into_any());
    }
    let Some(runtime) = runtime::in_force() else { return original() };
    let Ok(child) = ModuleName::new(name.to_str()?) else { return original() };
    let caller = caller::immediate(py);
    let scope = caller::scope_of(py, runtime, caller.as_ref());
    let Some(package) = child.parent().and_then(|parent| scope.find(parent.as_str())) else {
        return original();
    };
    let found = match load::load(&scope, &child)? {
        Loaded::Live(found) => found,
        Loaded::Foreign => return original(),
        Loaded::Missing(_) => return Ok(py.None().into_bound(py)),
    };
    submodule_imports::imported(&scope, &found)?;
    observation::imported_through(&scope, caller.as_ref(), &found)?;
    if let Some(caller) = &caller {
        record_import(py, runtime, caller, &found);
    }
    // Where generations differ in it, the package answers for each.
    let bound = package.get().namespace(py).get_item(child.tail())?;
    Ok(bound.unwrap_or_else(|| py.None().into_bound(py)))
}

/// Whether a namespace has the interpreter's `builtins`, and not some of its own.
fn has_usual_builtins(py: Python<'_>, globals: &Bound<'_, PyAny>) -> PyResult<bool> {
    let builtins = py.import(intern!(py, "builtins"))?;
    let own = globals.get_item(intern!(py, "__builtins__"));
    Ok(own.is_ok_and(|own| own.is(&builtins) || own.is(builtins.dict())))
}

/// The `builtins` of foreign modules' lazy objects: with the import of the interpreter, which does not
/// ask for the code that touches the name. It finds facades of live modules.
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
        let builtins = made.clone().unbind();
        let first_use = Bound::new(py, FirstUse { builtins })?;
        made.set_item(intern!(py, "__import__"), first_use)?;
        made.set_item(intern!(py, "__lazy_import__"), original(py)?)?;
        Ok(made)
    })
}

/// The statement is an edge of the graph from now on.
fn record(
    py: Python<'_>,
    runtime: &Runtime,
    declaring: &Bound<'_, LiveModule>,
    absolute: &str,
    names: &[ModuleName],
) {
    // SAFETY: attached; borrowed, or null when no Python code runs.
    let line = unsafe {
        let frame = ffi::PyEval_GetFrame();
        if frame.is_null() { 1 } else { ffi::PyFrame_GetLineNumber(frame) }
    };
    declaring.get().lazy.declare(absolute, u32::try_from(line).unwrap_or(1));
    for name in names {
        add_edge(py, runtime, declaring, name, EdgeKind::Lazy);
    }
}
