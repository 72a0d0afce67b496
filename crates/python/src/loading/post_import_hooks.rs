//! How do wrapt's post-import hooks run each time a live module is executed?
//!
//! wrapt (and its copies in other packages) keeps the hooks of a module in a dict of the finder's own
//! module, and takes them out when the module is imported: in plain Python that happens once. They
//! are noted before the first execution, and put back before each later one. A hook that live code
//! has registered goes with the generation of that code, which registers it again.

use pyo3::types::{PyDict, PyList};
use pyo3::{intern, prelude::*};
use transfuse_engine::ModuleName;

use crate::state::{caller, scope::Scope};

/// Puts back the hooks of a module that is about to be executed, or notes them.
pub fn put_back(scope: &Scope<'_>, finder: &Bound<'_, PyAny>, name: &ModuleName) -> PyResult<()> {
    let Scope { py, runtime, .. } = *scope;
    let Some(hooks) = hooks_of(finder)? else { return Ok(()) };
    if let Some(there) = hooks.get_item(name.as_str())? {
        if let Ok(there) = there.cast_into::<PyList>() {
            let noted = PyList::new(py, there.iter())?.unbind();
            let former = runtime.records.lock().post_import_hooks.insert(name.clone(), noted);
            drop(former);
        }
        return Ok(());
    }
    let noted = runtime.records.lock().post_import_hooks.get(name).map(|noted| noted.clone_ref(py));
    let Some(noted) = noted else { return Ok(()) };
    let stays = |hook: &Bound<'_, PyAny>| {
        let globals = hook.getattr_opt(intern!(py, "__globals__")).ok().flatten();
        let owner = globals.and_then(|globals| caller::module_of_globals(py, &globals));
        owner.is_none_or(|owner| scope.holds(&owner))
    };
    let again: Vec<_> = noted.bind(py).iter().filter(stays).collect();
    if again.is_empty() {
        return Ok(());
    }
    hooks.set_item(name.as_str(), PyList::new(py, again)?)
}

/// The hooks of a finder of wrapt's kind, by the name of the module.
fn hooks_of<'py>(finder: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let py = finder.py();
    let Ok(module) = finder.get_type().getattr(intern!(py, "__module__")) else { return Ok(None) };
    let modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?;
    let Ok(module) = modules.get_item(module) else { return Ok(None) };
    let hooks = module.getattr_opt(intern!(py, "_post_import_hooks"))?;
    Ok(hooks.and_then(|hooks| hooks.cast_into::<PyDict>().ok()))
}
