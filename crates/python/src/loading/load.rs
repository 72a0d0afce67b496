//! How does a live module come to be loaded, once?
//!
//! [`load`] answers with the instance of a name in a generation and loads it
//! if need be: parents first, then the source that the generation names is
//! executed in a namespace of our own making, by one thread, while others wait
//! without the GIL. The rule for waiting and for cycles is the engine's
//! (`single_flight.rs`); what the namespace starts with is `loading/namespace.rs`'s.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyModule, PyString};
use transfuse_engine::{Digest, Entered, ModuleName, Source, Waited};

use crate::cpython::thread::thread;
use crate::cpython::{exceptions, interruptible_wait, log, panics};
use crate::effects::{dependencies, foreign_patches, observation};
use crate::loading::circular::{self, LoadGuard};
use crate::loading::namespace_path::{NamespacePath, search_path};
use crate::loading::search::{self, Resolution};
use crate::loading::{bind_submodules, in_place, namespace, sharing, source_text};
use crate::state::generation::Generation;
use crate::state::live_module::LiveModule;
use crate::state::load_key::LoadKey;
use crate::state::module_source::{ModuleSource, SourceFile};
use crate::state::runtime::Runtime;
use crate::state::{notify, policy};
use crate::sysmodules::entry::{self, SysModulesEntry};
use crate::sysmodules::module_attrs::init_module_attrs;
use crate::sysmodules::{facade, spec};

/// What became of a name that was asked for.
pub enum Loaded<'py> {
    /// A live module; not ready only where a circular import needs it half-way.
    Live(Bound<'py, LiveModule>),
    /// Not ours.
    Foreign,
    /// Nothing of that name. Carries the parent that is no package, where that is why.
    Missing(Option<ModuleName>),
}

/// The instance of a name in a generation, loaded if need be.
pub fn load<'py>(
    py: Python<'py>,
    runtime: &'static Runtime,
    generation: &Bound<'py, Generation>,
    name: &ModuleName,
) -> PyResult<Loaded<'py>> {
    // What is asked for may have to be waited for, and its loader may be waiting for the turn.
    debug_assert!(!runtime.nogil_lock.is_held(), "{name} is asked for by who has the turn");
    let key = PyString::new(py, name.as_str());
    {
        let _guard = runtime.nogil_lock.lock(py);
        match entry::entry_of(py, runtime, generation, &key)? {
            SysModulesEntry::Ours => {}
            SysModulesEntry::Removed(instance) => {
                entry::release(py, runtime, generation, &instance)?
            }
            SysModulesEntry::Other => return Ok(Loaded::Foreign),
        }
    }
    load_own(py, runtime, generation, name)
}

/// The same, whatever stands in `sys.modules` under the name.
pub fn load_own<'py>(
    py: Python<'py>,
    runtime: &'static Runtime,
    generation: &Bound<'py, Generation>,
    name: &ModuleName,
) -> PyResult<Loaded<'py>> {
    if let Some(found) = generation.get().find(py, name.as_str()) {
        return wait_until_ready(py, runtime, generation, found);
    }
    let found = match name.parent() {
        None => match runtime.synthetic_names.origin(name) {
            Some(origin) => Resolution::Source(origin),
            None => search::top_level(py, runtime, generation.get(), name)?,
        },
        Some(parent) => match load(py, runtime, generation, &parent)? {
            Loaded::Live(_) => {
                if let Some(found) = generation.get().find(py, name.as_str()) {
                    // The package's own code imported it.
                    return wait_until_ready(py, runtime, generation, found);
                }
                let Some(path) = search_path(py, runtime, generation, &parent)? else {
                    return Ok(Loaded::Missing(Some(parent)));
                };
                search::along(py, runtime, generation.get(), name, &path)?
            }
            Loaded::Foreign => {
                // Few foreign packages have a portion that is live.
                let Some(path) = search_path(py, runtime, generation, &parent)? else {
                    return Ok(Loaded::Foreign);
                };
                if !search::touches_root(runtime, &path)? {
                    return Ok(Loaded::Foreign);
                }
                search::along(py, runtime, generation.get(), name, &path)?
            }
            missing @ Loaded::Missing(_) => return Ok(missing),
        },
    };
    match found {
        Resolution::Source(origin) => {
            let source = generation.get().view().get(&origin.path).cloned();
            let Some(source) = source else { return Ok(Loaded::Missing(None)) };
            execute_once(py, runtime, generation, name, Content::File(origin, source))
        }
        Resolution::Namespace { portions, foreign: false } => {
            execute_once(py, runtime, generation, name, Content::Namespace(portions))
        }
        Resolution::Namespace { .. } | Resolution::Foreign => Ok(Loaded::Foreign),
        Resolution::Missing => Ok(Loaded::Missing(None)),
        Resolution::Hidden => Err(exceptions::not_found(py, name.as_str(), None)),
    }
}

/// What there is to execute.
enum Content {
    File(SourceFile, Arc<Source>),
    Namespace(Vec<String>),
}

impl Content {
    fn digest(&self) -> Option<Digest> {
        if let Content::File(_, source) = self { Some(source.digest()) } else { None }
    }
}

/// An instance that is already there: waits for it if another thread is loading it.
fn wait_until_ready<'py>(
    py: Python<'py>,
    runtime: &'static Runtime,
    generation: &Bound<'py, Generation>,
    found: Bound<'py, LiveModule>,
) -> PyResult<Loaded<'py>> {
    let instance = found.get();
    if instance.is_ready() {
        return Ok(Loaded::Live(found));
    }
    let key: LoadKey = (instance.name.clone(), instance.source().map(|s| s.digest()));
    match runtime.flights.enter(&key, thread()) {
        Entered::Partial => {
            circular::handed(&key);
            Ok(Loaded::Live(found))
        }
        Entered::Run => {
            // It has just been finished, or has failed, or waits for the rest of its circle.
            runtime.flights.finish(&key, thread());
            let there = generation.get().holds(py, &found);
            if there && !instance.is_ready() {
                circular::complete(py, runtime, instance)?;
            }
            if there || instance.is_ready() {
                return Ok(Loaded::Live(found));
            }
            load(py, runtime, generation, &instance.name.clone())
        }
        Entered::Busy => match interruptible_wait::wait(py, &runtime.flights, &key)? {
            Waited::Partial => {
                circular::handed(&key);
                Ok(Loaded::Live(found))
            }
            Waited::Finished => load(py, runtime, generation, &instance.name.clone()),
        },
    }
}

fn execute_once<'py>(
    py: Python<'py>,
    runtime: &'static Runtime,
    generation: &Bound<'py, Generation>,
    name: &ModuleName,
    content: Content,
) -> PyResult<Loaded<'py>> {
    let key: LoadKey = (name.clone(), content.digest());
    let landing = loop {
        let partial = match runtime.flights.enter(&key, thread()) {
            Entered::Run => break Some(LoadGuard::new(runtime, key)),
            Entered::Partial => true,
            Entered::Busy => {
                interruptible_wait::wait(py, &runtime.flights, &key)? == Waited::Partial
            }
        };
        if let Some(found) = generation.get().find(py, name.as_str())
            && (partial || found.get().is_ready())
        {
            if partial {
                circular::handed(&key);
            }
            return Ok(Loaded::Live(found));
        }
        if partial {
            // It is being loaded for another generation, which cannot be waited for: load it
            // for this one, which is allowed to cost a second execution.
            break None;
        }
    };
    if landing.is_some()
        && let Some(found) = generation.get().find(py, name.as_str())
    {
        // Another thread has executed it between our look and our turn.
        drop(landing);
        return wait_until_ready(py, runtime, generation, found);
    }
    let loaded = execute(py, runtime, generation, name, content);
    drop(landing);
    circular::finish_outermost(py, runtime)?;
    loaded.map(Loaded::Live)
}

fn execute<'py>(
    py: Python<'py>,
    runtime: &'static Runtime,
    generation: &Bound<'py, Generation>,
    name: &ModuleName,
    content: Content,
) -> PyResult<Bound<'py, LiveModule>> {
    let (file, path, source, package) = match content {
        Content::File(origin, source) => {
            let package = origin.package.map(|dir| PyList::new(py, [dir])).transpose()?;
            (Some(origin.file), Some(origin.path), Some(source), package.map(Bound::into_any))
        }
        Content::Namespace(portions) => {
            let path = Bound::new(py, NamespacePath::new(py, name.clone(), portions))?;
            (None, None, None, Some(path.into_any()))
        }
    };
    let text = match (&source, &path) {
        (Some(source), Some(path)) => {
            Some(source_text::text(py, runtime, generation, source, path)?)
        }
        _ => None,
    };
    let declared_policy = match (&text, &file) {
        (Some(text), Some(file)) => policy::declared_policy(py, runtime, name, text, file)?,
        _ => policy::DeclaredPolicy { policy: runtime.settings().policy, preserve: Vec::new() },
    };
    let previous = generation.get().base(py).and_then(|base| base.get().find(py, name.as_str()));
    let nesting =
        in_place::Nesting::begin(py, generation, declared_policy.policy, previous.as_ref())?;
    let module = PyModule::new(py, name.as_str())?;
    let instance = Bound::new(
        py,
        LiveModule::new(
            py,
            name.clone(),
            file.clone(),
            path,
            ModuleSource {
                source,
                policy: declared_policy.policy,
                preserve: declared_policy.preserve,
            },
            package.is_some(),
            module.clone().unbind(),
            generation.clone().unbind(),
        ),
    )?;
    // Before anybody sees it, and before the turn: this runs code of `importlib`.
    let spec = init_module_attrs(py, &instance, &module, package)?;
    let guard = runtime.nogil_lock.lock(py);
    // At once: who begins a generation asks for what has begun to load (`update/concurrent_loads.rs`).
    instance.get().begin(previous.as_ref().map(|previous| previous.get()));
    generation.get().put(py, &instance)?;
    let shown = facade::of(py, runtime, name)?;
    let modules = runtime.sys_modules.bind(py);
    let shown_before = modules.get_item(name.as_str())?;
    let key = instance.get().key.bind(py);
    let theirs = entry::is_theirs(py, runtime, generation, key)?;
    if !shown_before.as_ref().is_some_and(|there| there.is(&shown)) {
        entry::show(py, runtime, key, &shown)?;
    }
    instance.get().seen.set(&shown);
    drop(guard);
    if generation.get().is_staged() {
        notify::running(py, runtime, name, generation.get().staging.record_executed(&instance));
    }
    // The interpreter asks for it to tell a circular import from a name that does not exist.
    spec.setattr(intern!(py, "_initializing"), true)?;
    let outcome = match (text, file) {
        (Some(text), Some(file)) => {
            let observed = observation::Observation::begin(&instance);
            let ran = panics::caught(|| {
                namespace::exec_module(
                    py,
                    runtime,
                    generation,
                    &instance,
                    previous.as_ref(),
                    &text,
                    &file,
                )
            });
            let before = observed.end(py, &instance);
            let staged = generation.get().is_staged();
            ran.and_then(|()| {
                let namespace = instance.get().namespace(py);
                let set = foreign_patches::collect(py, &before, &namespace, previous.as_ref())?;
                instance.get().set_patches(set);
                Ok(())
            })
            .inspect(|()| {
                if staged {
                    foreign_patches::undo(py, &before)
                }
            })
            .inspect_err(|_| foreign_patches::undo(py, &before))
        }
        _ => namespace::submodules_of(py, runtime, generation, instance.get(), previous.as_ref()),
    };
    spec.setattr(intern!(py, "_initializing"), false)?;
    let outcome = outcome.and_then(|()| match in_place::may_stay(previous.as_ref(), &instance) {
        Some(previous) => {
            circular::executed(&instance);
            in_place::stage(py, generation, previous, &instance, &nesting)
        }
        None => {
            complete(py, runtime, generation, &instance, &shown, shown_before.as_ref())?;
            Ok(instance.clone())
        }
    });
    match outcome {
        Ok(loaded) => {
            if theirs {
                entry::restore(py, runtime, key, shown_before)?;
            }
            if !generation.get().is_staged() {
                log::loaded(py, name, loaded.get().file.as_deref(), generation.get().id.0);
            }
            Ok(loaded)
        }
        Err(error) => {
            let _guard = runtime.nogil_lock.lock(py);
            generation.get().take(py, &instance);
            if instance.get().package {
                // What it has for attributes waits for it to be loaded.
                runtime.records.lock().failed.insert(name.clone());
            }
            dependencies::failed(runtime, generation, &instance)?;
            entry::restore(py, runtime, key, shown_before)?;
            Err(error)
        }
    }
}

/// After a good execution: what the module put in its own place, its package, other generations.
fn complete<'py>(
    py: Python<'py>,
    runtime: &'static Runtime,
    generation: &Bound<'py, Generation>,
    instance: &Bound<'py, LiveModule>,
    shown: &Bound<'py, PyAny>,
    shown_before: Option<&Bound<'py, PyAny>>,
) -> PyResult<()> {
    let _guard = runtime.nogil_lock.lock(py);
    let name = &instance.get().name;
    let staged = generation.get().is_staged();
    let modules: &Bound<'py, PyDict> = runtime.sys_modules.bind(py);
    match modules.get_item(name.as_str())? {
        Some(there) if there.is(shown) => {}
        // A thread that found nothing there has gone to the standard machinery.
        Some(there) if spec::is_loading(&there)? => modules.set_item(name.as_str(), shown)?,
        Some(there) => {
            instance.get().replace_by(there.clone().unbind());
            match staged {
                // Visible to all only once it is published.
                true => modules.set_item(name.as_str(), shown_before.unwrap_or(shown))?,
                false => entry::show(py, runtime, instance.get().key.bind(py), &there)?,
            }
        }
        None => modules.set_item(name.as_str(), shown)?,
    }
    if !staged {
        sharing::share(py, runtime, generation, instance);
    }
    circular::executed(instance);
    if let Some(parent) = name.parent() {
        match generation.get().find(py, parent.as_str()) {
            Some(package) => bind_submodules::loaded(py, generation, &package, instance)?,
            None => {
                // A foreign namespace package with a live portion.
                runtime.mixed.store(true, Ordering::Release);
                if let Some(package) = modules.get_item(parent.as_str())? {
                    package.setattr(PyString::new(py, name.tail()), shown)?;
                }
            }
        }
    }
    Ok(())
}
