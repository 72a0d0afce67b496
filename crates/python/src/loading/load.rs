//! How does a live module come to be loaded, once?
//!
//! [`load`] answers with the instance of a name in a generation and loads it if need be: parents
//! first, then the source that the generation names is executed in a namespace of our own making,
//! by one thread, while others wait without the GIL. The rule for waiting and for cycles is the
//! engine's (`single_flight.rs`); the execution itself is `loading/execute.rs`'s.

use pyo3::{prelude::*, types::PyString};
use transfuse_engine::{Entered, ModuleName, Waited};

use crate::cpython::{exceptions, interruptible_wait, thread::thread};
use crate::loading::circular::{self, LoadGuard};
use crate::loading::execute::{Content, execute};
use crate::loading::kept_origin;
use crate::loading::search::{self, Resolution};
use crate::loading::unreached_names;
use crate::state::{live_module::LiveModule, load_key::LoadKey, scope::Scope};
use crate::sysmodules::entry::{self, SysModulesEntry};
use crate::{effects::dependencies, loading::namespace_path::search_path};

pub enum Loaded<'py> {
    /// A live module; not ready only where a circular import needs it partially initialized.
    Live(Bound<'py, LiveModule>),
    /// Not ours.
    Foreign,
    /// Nothing of that name. Carries the parent that is no package, where that is why.
    Missing(Option<ModuleName>),
}

/// The instance of a name in a generation, loaded if need be.
pub fn load<'py>(scope: &Scope<'py>, name: &ModuleName) -> PyResult<Loaded<'py>> {
    let Scope { py, runtime, .. } = *scope;
    // This may wait for another thread's load, and that thread may be waiting for the lock.
    debug_assert!(
        !runtime.nogil_lock.is_held(),
        "{name} is loaded by the thread that holds the lock"
    );
    let key = PyString::new(py, name.as_str());
    {
        let _guard = runtime.nogil_lock.lock(py);
        match entry::entry_of(scope, &key)? {
            SysModulesEntry::Ours => {}
            SysModulesEntry::Removed(instance) => entry::release(scope, &instance)?,
            SysModulesEntry::Other => return Ok(Loaded::Foreign),
        }
    }
    load_own(scope, name)
}

/// The same without regard to the entry in `sys.modules`.
pub fn load_own<'py>(scope: &Scope<'py>, name: &ModuleName) -> PyResult<Loaded<'py>> {
    let Scope { py, runtime, .. } = *scope;
    load_packages(scope, name)?;
    if let Some(found) = scope.find(name.as_str()) {
        return wait_until_ready(scope, found);
    }
    let found = match name.parent() {
        None => match runtime.synthetic_names.origin(name) {
            Some(origin) => Resolution::Source(origin),
            None => kept_origin::top_level(scope, name)?,
        },
        Some(parent) => match load(scope, &parent)? {
            Loaded::Live(_) => {
                if let Some(found) = scope.find(name.as_str()) {
                    // The package's own code has imported it.
                    return wait_until_ready(scope, found);
                }
                let Some(path) = search_path(scope, &parent)? else {
                    return Ok(Loaded::Missing(Some(parent)));
                };
                search::along(scope, name, &path)?
            }
            Loaded::Foreign => {
                // Few foreign packages have a portion that is live.
                let Some(path) = search_path(scope, &parent)? else {
                    return Ok(Loaded::Foreign);
                };
                if !search::touches_root(runtime, &path)? {
                    return Ok(Loaded::Foreign);
                }
                search::along(scope, name, &path)?
            }
            missing @ Loaded::Missing(_) => return Ok(missing),
        },
    };
    match found {
        Resolution::Source(origin) => {
            let source = scope.generation.get().view().get(&origin.path).cloned();
            let Some(source) = source else { return Ok(Loaded::Missing(None)) };
            execute_once(scope, name, Content::File(origin, source))
        }
        Resolution::Namespace { portions, foreign: false } => {
            execute_once(scope, name, Content::Namespace(portions))
        }
        Resolution::Namespace { .. } | Resolution::Foreign => Ok(Loaded::Foreign),
        Resolution::Missing => Ok(Loaded::Missing(None)),
        Resolution::Hidden => Err(exceptions::not_found(py, name.as_str(), None)),
    }
}

/// In a staged generation: loads the packages around a module that are to run again, the outermost
/// first, also where one between them does not run again. A fresh process begins with these.
pub fn load_packages(scope: &Scope<'_>, name: &ModuleName) -> PyResult<()> {
    let Some(base) = scope.base() else { return Ok(()) };
    let mut packages: Vec<_> = std::iter::successors(name.parent(), ModuleName::parent).collect();
    while let Some(package) = packages.pop() {
        if scope.find(package.as_str()).is_none() && base.find(package.as_str()).is_some() {
            load(scope, &package)?;
        }
    }
    Ok(())
}

/// The instance of a name, loaded if need be; none where the original import has to answer.
pub fn load_live<'py>(
    scope: &Scope<'py>,
    caller: Option<&Bound<'py, LiveModule>>,
    name: &ModuleName,
) -> PyResult<Option<Bound<'py, LiveModule>>> {
    match load(scope, name)? {
        Loaded::Live(found) => Ok(Some(found)),
        Loaded::Foreign => Ok(None),
        Loaded::Missing(parent) => {
            if let Some(caller) = caller {
                dependencies::record_not_found(scope.runtime, caller, name);
            }
            if scope.runtime.has_foreign(scope.py, &PyString::new(scope.py, name.as_str()))? {
                return Ok(None);
            }
            let parent = parent.as_ref().map(ModuleName::as_str);
            Err(exceptions::not_found(scope.py, name.as_str(), parent))
        }
    }
}

/// An instance that is already there: waits for it if another thread is loading it.
fn wait_until_ready<'py>(
    scope: &Scope<'py>,
    found: Bound<'py, LiveModule>,
) -> PyResult<Loaded<'py>> {
    let Scope { py, runtime, .. } = *scope;
    let instance = found.get();
    if instance.is_ready() {
        return Ok(Loaded::Live(found));
    }
    let key: LoadKey = (instance.name.clone(), instance.source().map(|s| s.digest()));
    let partial = match runtime.flights.enter(&key, thread()) {
        Entered::Partial => true,
        Entered::Busy => interruptible_wait::wait(py, &runtime.flights, &key)? == Waited::Partial,
        Entered::Run => {
            // It has just been finished, or has failed, or waits for the rest of its circle.
            runtime.flights.finish(&key, thread());
            let there = scope.holds(&found);
            if there && !instance.is_ready() {
                circular::complete(py, runtime, instance)?;
            }
            if there || instance.is_ready() {
                return Ok(Loaded::Live(found));
            }
            false
        }
    };
    if partial {
        return hand_out(scope, &key, found);
    }
    load(scope, &instance.name)
}

/// The caller gets a module that is partially initialized, as it would be in a fresh process.
fn hand_out<'py>(
    scope: &Scope<'py>,
    key: &LoadKey,
    found: Bound<'py, LiveModule>,
) -> PyResult<Loaded<'py>> {
    circular::handed(key);
    unreached_names::hide(scope, &found)?;
    Ok(Loaded::Live(found))
}

fn execute_once<'py>(
    scope: &Scope<'py>,
    name: &ModuleName,
    content: Content,
) -> PyResult<Loaded<'py>> {
    let Scope { py, runtime, .. } = *scope;
    let key: LoadKey = (name.clone(), content.digest());
    let guard = loop {
        let partial = match runtime.flights.enter(&key, thread()) {
            Entered::Run => break Some(LoadGuard::new(runtime, key)),
            Entered::Partial => true,
            Entered::Busy => {
                interruptible_wait::wait(py, &runtime.flights, &key)? == Waited::Partial
            }
        };
        if let Some(found) = scope.find(name.as_str())
            && (partial || found.get().is_ready())
        {
            return match partial {
                true => hand_out(scope, &key, found),
                false => Ok(Loaded::Live(found)),
            };
        }
        if partial {
            // It is being loaded for another generation, which cannot be waited for: load it
            // for this one, which is allowed to cost a second execution.
            break None;
        }
    };
    if guard.is_some()
        && let Some(found) = scope.find(name.as_str())
    {
        // Another thread has executed it between our look-up and `enter`.
        drop(guard);
        return wait_until_ready(scope, found);
    }
    let loaded = execute(scope, name, content);
    drop(guard);
    circular::finish_outermost(py, runtime)?;
    loaded.map(Loaded::Live)
}
