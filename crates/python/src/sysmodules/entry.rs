//! Which object stands in `sys.modules` under a live name, and did Transfuse put it there?
//!
//! As a rule it is our facade, or the object that the module put in its own place. Tests of many
//! packages delete an entry, to have the module executed afresh; they put `None` or a fake there;
//! they restore the former entry. All of it means the same as in plain Python, for the generation
//! of the next caller. A facade that was removed still stands for its instance, and a fresh
//! execution gets a new one.

use pyo3::{intern, prelude::*, types::PyString};
use transfuse_engine::ModuleName;

use crate::cpython::exceptions;
use crate::state::{live_module::LiveModule, runtime::Runtime, scope::Scope};
use crate::sysmodules::{facade, spec};

pub enum SysModulesEntry<'py> {
    /// Our entry, or none where none is expected.
    Ours,
    /// No entry, although this instance had one: other code has removed it.
    Removed(Bound<'py, LiveModule>),
    /// An object that other code put there: found as if Transfuse were not there.
    Other,
}

/// Whether the entry of a ready instance is the one that was last seen there. Every import of a
/// loaded module asks this.
#[inline]
pub fn is_as_seen(
    py: Python<'_>,
    runtime: &Runtime,
    name: &Bound<'_, PyString>,
    instance: &Bound<'_, LiveModule>,
) -> bool {
    match runtime.sys_modules.bind(py).get_item(name) {
        Ok(Some(there)) => instance.get().seen.is(&there),
        _ => false,
    }
}

/// The state of an entry for a generation. A facade that other code put back is ours again.
pub fn entry_of<'py>(
    scope: &Scope<'py>,
    name: &Bound<'py, PyString>,
) -> PyResult<SysModulesEntry<'py>> {
    let Scope { py, runtime, .. } = *scope;
    let loaded = scope.get(name).filter(|found| found.get().is_ready());
    let Some(there) = runtime.sys_modules.bind(py).get_item(name)? else {
        return Ok(match loaded {
            // No entry shows a staged module, so it cannot be removed.
            Some(instance)
                if !scope.is_staged() && !runtime.withdrawn.bind(py).contains(name)? =>
            {
                SysModulesEntry::Removed(instance)
            }
            _ => SysModulesEntry::Ours,
        });
    };
    let Some(known) = runtime.facades.bind(py).get_item(name)? else {
        return Ok(match facade::stood_for(&there, name)? {
            true => SysModulesEntry::Ours,
            false => SysModulesEntry::Other,
        });
    };
    let own = || runtime.replacements.bind(py).get_item(name);
    if !there.is(&known) {
        if facade::stood_for(&there, name)? {
            put_back(py, runtime, name, &there, &known)?;
        } else if !own()?.is_some_and(|own| own.is(&there)) {
            return Ok(match spec::is_loading(&there)? {
                true => SysModulesEntry::Ours,
                false => SysModulesEntry::Other,
            });
        }
    }
    if let Some(instance) = scope.get(name) {
        instance.get().seen.set(&there);
    }
    Ok(SysModulesEntry::Ours)
}

/// A former facade was put back: it stands for its former instances, and the facade of the meantime
/// for those that were executed in the meantime.
fn put_back<'py>(
    py: Python<'py>,
    runtime: &Runtime,
    name: &Bound<'py, PyString>,
    there: &Bound<'py, PyAny>,
    meanwhile: &Bound<'py, PyAny>,
) -> PyResult<()> {
    runtime.facades.bind(py).set_item(name, there)?;
    for generation in runtime.alive(py) {
        let Some(before) = facade::attach(there, &generation)? else { continue };
        if let Some(now) = generation.get().get(py, name)
            && !now.is(&before)
        {
            facade::detach(meanwhile, &generation, &now)?;
        }
        generation.get().put(py, &before)?;
        if generation.is(runtime.current(py)) {
            runtime.records.lock().adopt(before.get());
        }
    }
    Ok(())
}

/// Other code has removed an instance: from now on its facade stands for that instance only, in
/// this generation, and the name can be executed afresh.
pub fn release(scope: &Scope<'_>, instance: &Bound<'_, LiveModule>) -> PyResult<()> {
    let Scope { py, runtime, .. } = *scope;
    if !scope.generation.get().take(py, instance) {
        // Another thread was first.
        return Ok(());
    }
    let name = instance.get().key.bind(py);
    if let Some(facade) = runtime.facades.bind(py).get_item(name)? {
        facade::detach(&facade, &scope.generation, instance)?;
        runtime.facades.bind(py).del_item(name)?;
    }
    Ok(())
}

/// Puts the object that foreign code gets into `sys.modules`.
pub fn show(
    py: Python<'_>,
    runtime: &Runtime,
    name: &Bound<'_, PyString>,
    shown: &Bound<'_, PyAny>,
) -> PyResult<()> {
    if runtime.withdrawn.bind(py).contains(name)? {
        runtime.withdrawn.bind(py).del_item(name)?;
    }
    if !facade::is_facade(shown) {
        runtime.replacements.bind(py).set_item(name, shown)?;
    }
    let modules = runtime.sys_modules.bind(py);
    match modules.get_item(name)? {
        // A thread that removes it at this moment has removed it.
        Some(there) if there.is(shown) => Ok(()),
        _ => modules.set_item(name, shown),
    }
}

/// Removes our entry from `sys.modules`; old code may still ask for the name.
pub fn withdraw(py: Python<'_>, runtime: &Runtime, name: &Bound<'_, PyString>) -> PyResult<()> {
    runtime.withdrawn.bind(py).set_item(name, true)?;
    runtime.sys_modules.bind(py).del_item(name)
}

/// Whether other code has removed or replaced the entry of a module that is being staged.
pub fn is_replaced(staged: &Scope<'_>, name: &Bound<'_, PyString>) -> PyResult<bool> {
    match staged.base() {
        Some(base) => Ok(!matches!(entry_of(&base, name)?, SysModulesEntry::Ours)),
        None => Ok(false),
    }
}

pub fn restore(
    py: Python<'_>,
    runtime: &Runtime,
    name: &ModuleName,
    before: Option<Bound<'_, PyAny>>,
) -> PyResult<()> {
    let (modules, name) = (runtime.sys_modules.bind(py), name.as_str());
    match before {
        Some(before) => modules.set_item(name, before),
        None if modules.contains(name)? => modules.del_item(name),
        None => Ok(()),
    }
}

/// The same, unless other code has put something else there since it was `ours`.
pub fn restore_if_ours(
    py: Python<'_>,
    runtime: &Runtime,
    name: &ModuleName,
    ours: &Bound<'_, PyAny>,
    before: Option<Bound<'_, PyAny>>,
) -> PyResult<()> {
    let there = runtime.sys_modules.bind(py).get_item(name.as_str())?;
    match there.is_some_and(|there| there.is(ours)) {
        true => restore(py, runtime, name, before),
        false => Ok(()),
    }
}

/// Removes a name from `sys.modules` if no generation that is alive has it.
pub fn forget(py: Python<'_>, runtime: &Runtime, name: &ModuleName, shown: &Bound<'_, PyAny>) {
    let known = runtime.alive(py).iter().any(|g| g.get().find(py, name.as_str()).is_some());
    if !known {
        withdraw_shown(py, runtime, name, shown);
    }
}

/// A name turned out not to be ours. If a facade of ours still stands for it in `sys.modules`, the
/// original import would find that. The module was deleted, and a foreign one that it hid may be
/// found again.
pub fn not_ours(py: Python<'_>, runtime: &Runtime, name: &str) -> PyResult<()> {
    let modules = runtime.sys_modules.bind(py);
    let Some(shown) = runtime.facades.bind(py).get_item(name)? else { return Ok(()) };
    if !modules.get_item(name)?.is_some_and(|there| there.is(&shown)) {
        return Ok(());
    }
    let found = py
        .import(intern!(py, "importlib._bootstrap"))?
        .call_method1(intern!(py, "_find_spec"), (name, py.None()))?;
    if found.is_none() {
        return Err(exceptions::not_found(py, name, None));
    }
    withdraw(py, runtime, &PyString::new(py, name))
}

/// A deleted module leaves `sys.modules` once no unit of work can ask for it.
pub fn withdraw_if_deleted(py: Python<'_>, runtime: &Runtime, name: &ModuleName) {
    let _guard = runtime.nogil_lock.lock(py);
    let Ok(Some(shown)) = runtime.facades.bind(py).get_item(name.as_str()) else { return };
    if runtime.current(py).get().find(py, name.as_str()).is_some() {
        return;
    }
    let in_use = runtime.in_use(py).iter().any(|g| g.get().find(py, name.as_str()).is_some());
    if !in_use {
        withdraw_shown(py, runtime, name, &shown);
    }
}

/// Takes a facade out of `sys.modules`, if it stands there under this name.
fn withdraw_shown(py: Python<'_>, runtime: &Runtime, name: &ModuleName, shown: &Bound<'_, PyAny>) {
    let there = runtime.sys_modules.bind(py).get_item(name.as_str());
    if there.is_ok_and(|there| there.is_some_and(|there| there.is(shown))) {
        let _ = withdraw(py, runtime, &PyString::new(py, name.as_str()));
    }
}

/// Puts the object that foreign code is to see of an instance into `sys.modules`, unless the program
/// has removed or replaced the entry.
pub fn show_instance(py: Python<'_>, runtime: &'static Runtime, instance: &Bound<'_, LiveModule>) {
    let name = instance.get().key.bind(py);
    if let Ok(SysModulesEntry::Ours) =
        entry_of(&Scope::new(py, runtime, &runtime.current(py)), name)
        && let Ok(shown) = facade::of_instance(py, runtime, instance)
    {
        let _ = show(py, runtime, name, &shown);
    }
}
