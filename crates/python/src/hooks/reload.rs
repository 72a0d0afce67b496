//! What does `importlib.reload` of a live module do?
//!
//! It is an update in which that module runs in any case, so old code keeps the old module,
//! importers run again, and a module that raises changes nothing. It returns the new module, and a
//! unit of work that is pinned to the current generation moves to the new one. All other modules
//! are reloaded as in plain Python.

use pyo3::{prelude::*, types::PyModule};
use transfuse_engine::ModuleName;

use crate::cpython::exceptions;
use crate::state::{caller, command::Command, pin, request::request, runtime, runtime::Runtime};
use crate::sysmodules::facade::{self, of_instance};

/// `importlib.reload` while Transfuse is installed.
#[pyfunction]
#[pyo3(signature = (module))]
pub fn reload<'py>(py: Python<'py>, module: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let runtime = runtime::required()?;
    let Some(name) = live_name(module)? else {
        return runtime.original_reload.bind(py).call1((module,));
    };
    if !runtime.sys_modules.bind(py).contains(name.as_str())? {
        let message = format!("module {name} not in sys.modules");
        return Err(exceptions::import(py, &message, name.as_str()));
    }
    let caller = caller::beyond_importlib(py);
    update(py, runtime, &name)?;
    match runtime.current(py).get().find(py, name.as_str()) {
        Some(found) if caller.is_some() => Ok(found.get().value(py)),
        Some(found) => of_instance(py, runtime, &found),
        None => Err(exceptions::not_found(py, name.as_str(), None)),
    }
}

/// Updates, and runs the module in any case. Raises the module's own error.
pub fn update(py: Python<'_>, runtime: &Runtime, name: &ModuleName) -> PyResult<()> {
    let pinned = pin::pinned(py);
    let current = runtime.current(py);
    if let Some(pinned) = &pinned
        && !pinned.is(&current)
    {
        let message = format!(
            "cannot reload {name}: this unit of work is pinned to generation {}, and {} is \
             current; reload where nothing is pinned",
            pinned.get().id,
            current.get().id
        );
        return Err(exceptions::import(py, &message, name.as_str()));
    }
    let done = request(py, "reload", None, |reply| Command::Reload(name.clone(), reply))?;
    let done = done.bind(py);
    if let Some(error) = done.get_item("error")?.filter(|error| !error.is_none()) {
        return Err(PyErr::from_value(error));
    }
    if let Some(restart) = done.get_item("restart")? {
        for entry in restart.try_iter()? {
            let (module, _, message): (String, String, String) = entry?.extract()?;
            if module == name.as_str() {
                return Err(exceptions::import(py, &message, name.as_str()));
            }
        }
    }
    if pinned.is_some() {
        pin::follow(py);
    }
    Ok(())
}

/// The name of a live module, whether it or its facade is given.
fn live_name(module: &Bound<'_, PyAny>) -> PyResult<Option<ModuleName>> {
    if facade::is_facade(module) {
        return facade::name_of(module).map(Some);
    }
    let Ok(real) = module.cast::<PyModule>() else { return Ok(None) };
    let owner = caller::module_of_globals(module.py(), &real.dict());
    let own = owner.filter(|owner| owner.get().module.is(module));
    Ok(own.map(|owner| owner.get().name.clone()))
}
