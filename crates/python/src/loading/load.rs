//! How does a live module come to be loaded, once?
//!
//! [`ensure`] answers with the instance of a name in a generation and loads it
//! if need be: parents first, then the source that the generation names is
//! executed in a namespace of our own making, by one thread, while others wait
//! without the GIL. The rule for waiting and for cycles is the engine's
//! (`flight.rs`); what the namespace starts with is `namespace.rs`'s.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyModule, PyString};
use transfuse_engine::{Digest, Entered, ModuleName, Source, Waited};

use crate::cpython::thread::thread;
use crate::cpython::{exceptions, interruptible_wait, log, panics};
use crate::effects::{dependencies, foreign_patches, observation};
use crate::loading::circular::{self, Landing};
use crate::loading::namespace_path::{NamespacePath, search_path};
use crate::loading::search::{self, Found};
use crate::loading::{bind_submodules, in_place, namespace, sharing, source_text};
use crate::state::generation::Generation;
use crate::state::live_module::Instance;
use crate::state::load_key::Key;
use crate::state::module_source::{Basis, Origin};
use crate::state::runtime::Engine;
use crate::state::{notify, policy};
use crate::sysmodules::entry::{self, Standing};
use crate::sysmodules::module_attrs::dress;
use crate::sysmodules::{facade, spec};

/// What became of a name that was asked for.
pub enum Ensured<'py> {
    /// A live module; not ready only where a circular import needs it half-way.
    Live(Bound<'py, Instance>),
    /// Not ours.
    Foreign,
    /// Nothing of that name. Carries the parent that is no package, where that is why.
    Missing(Option<ModuleName>),
}

/// The instance of a name in a generation, loaded if need be.
pub fn ensure<'py>(
    py: Python<'py>,
    engine: &'static Engine,
    generation: &Bound<'py, Generation>,
    name: &ModuleName,
) -> PyResult<Ensured<'py>> {
    // What is asked for may have to be waited for, and its loader may be waiting for the turn.
    debug_assert!(!engine.turn.is_mine(), "{name} is asked for by who has the turn");
    let key = PyString::new(py, name.as_str());
    {
        let _turn = engine.turn.take(py);
        match entry::of(py, engine, generation, &key)? {
            Standing::Ours => {}
            Standing::Removed(instance) => entry::let_go(py, engine, generation, &instance)?,
            Standing::Other => return Ok(Ensured::Foreign),
        }
    }
    ensure_own(py, engine, generation, name)
}

/// The same, whatever stands in `sys.modules` under the name.
pub fn ensure_own<'py>(
    py: Python<'py>,
    engine: &'static Engine,
    generation: &Bound<'py, Generation>,
    name: &ModuleName,
) -> PyResult<Ensured<'py>> {
    if let Some(found) = generation.get().find(py, name.as_str()) {
        return settled(py, engine, generation, found);
    }
    let found = match name.parent() {
        None => match engine.made_up.origin(name) {
            Some(origin) => Found::Source(origin),
            None => search::top_level(py, engine, generation.get(), name)?,
        },
        Some(parent) => match ensure(py, engine, generation, &parent)? {
            Ensured::Live(_) => {
                if let Some(found) = generation.get().find(py, name.as_str()) {
                    // The package's own code imported it.
                    return settled(py, engine, generation, found);
                }
                let Some(path) = search_path(py, engine, generation, &parent)? else {
                    return Ok(Ensured::Missing(Some(parent)));
                };
                search::along(py, engine, generation.get(), name, &path)?
            }
            Ensured::Foreign => {
                // Few foreign packages have a portion that is live.
                let Some(path) = search_path(py, engine, generation, &parent)? else {
                    return Ok(Ensured::Foreign);
                };
                if !search::touches_root(engine, &path)? {
                    return Ok(Ensured::Foreign);
                }
                search::along(py, engine, generation.get(), name, &path)?
            }
            missing @ Ensured::Missing(_) => return Ok(missing),
        },
    };
    match found {
        Found::Source(origin) => {
            let source = generation.get().view().get(&origin.path).cloned();
            let Some(source) = source else { return Ok(Ensured::Missing(None)) };
            load(py, engine, generation, name, Content::File(origin, source))
        }
        Found::Namespace { portions, foreign: false } => {
            load(py, engine, generation, name, Content::Namespace(portions))
        }
        Found::Namespace { .. } | Found::Foreign => Ok(Ensured::Foreign),
        Found::Missing => Ok(Ensured::Missing(None)),
        Found::Hidden => Err(exceptions::not_found(py, name.as_str(), None)),
    }
}

/// What there is to execute.
enum Content {
    File(Origin, Arc<Source>),
    Namespace(Vec<String>),
}

impl Content {
    fn digest(&self) -> Option<Digest> {
        if let Content::File(_, source) = self { Some(source.digest()) } else { None }
    }
}

/// An instance that is already there: waits for it if another thread is loading it.
fn settled<'py>(
    py: Python<'py>,
    engine: &'static Engine,
    generation: &Bound<'py, Generation>,
    found: Bound<'py, Instance>,
) -> PyResult<Ensured<'py>> {
    let instance = found.get();
    if instance.is_ready() {
        return Ok(Ensured::Live(found));
    }
    let key: Key = (instance.name.clone(), instance.source().map(|s| s.digest()));
    match engine.flights.enter(&key, thread()) {
        Entered::Partial => {
            circular::handed(&key);
            Ok(Ensured::Live(found))
        }
        Entered::Run => {
            // It has just been finished, or has failed, or waits for the rest of its circle.
            engine.flights.finish(&key, thread());
            let there = generation.get().holds(py, &found);
            if there && !instance.is_ready() {
                circular::complete(py, engine, instance)?;
            }
            if there || instance.is_ready() {
                return Ok(Ensured::Live(found));
            }
            ensure(py, engine, generation, &instance.name.clone())
        }
        Entered::Busy => match interruptible_wait::wait(py, &engine.flights, &key)? {
            Waited::Partial => {
                circular::handed(&key);
                Ok(Ensured::Live(found))
            }
            Waited::Finished => ensure(py, engine, generation, &instance.name.clone()),
        },
    }
}

fn load<'py>(
    py: Python<'py>,
    engine: &'static Engine,
    generation: &Bound<'py, Generation>,
    name: &ModuleName,
    content: Content,
) -> PyResult<Ensured<'py>> {
    let key: Key = (name.clone(), content.digest());
    let landing = loop {
        let partial = match engine.flights.enter(&key, thread()) {
            Entered::Run => break Some(Landing::new(engine, key)),
            Entered::Partial => true,
            Entered::Busy => {
                interruptible_wait::wait(py, &engine.flights, &key)? == Waited::Partial
            }
        };
        if let Some(found) = generation.get().find(py, name.as_str())
            && (partial || found.get().is_ready())
        {
            if partial {
                circular::handed(&key);
            }
            return Ok(Ensured::Live(found));
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
        return settled(py, engine, generation, found);
    }
    let loaded = execute(py, engine, generation, name, content);
    drop(landing);
    circular::landed(py, engine)?;
    loaded.map(Ensured::Live)
}

fn execute<'py>(
    py: Python<'py>,
    engine: &'static Engine,
    generation: &Bound<'py, Generation>,
    name: &ModuleName,
    content: Content,
) -> PyResult<Bound<'py, Instance>> {
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
            Some(source_text::text(py, engine, generation, source, path)?)
        }
        _ => None,
    };
    let wish = match (&text, &file) {
        (Some(text), Some(file)) => policy::wish(py, engine, name, text, file)?,
        _ => policy::Wish { policy: engine.settings().policy, preserve: Vec::new() },
    };
    let previous = generation.get().base(py).and_then(|base| base.get().find(py, name.as_str()));
    let nesting = in_place::Nesting::begin(py, generation, wish.policy, previous.as_ref())?;
    let module = PyModule::new(py, name.as_str())?;
    let instance = Bound::new(
        py,
        Instance::new(
            py,
            name.clone(),
            file.clone(),
            path,
            Basis { source, policy: wish.policy, preserve: wish.preserve },
            package.is_some(),
            module.clone().unbind(),
            generation.clone().unbind(),
        ),
    )?;
    // Before anybody sees it, and before the turn: this runs code of `importlib`.
    let spec = dress(py, &instance, &module, package)?;
    let turn = engine.turn.take(py);
    // At once: who begins a generation asks for what has begun to load (`unplanned.rs`).
    instance.get().begin(previous.as_ref().map(|previous| previous.get()));
    generation.get().put(py, &instance)?;
    let shown = facade::of(py, engine, name)?;
    let modules = engine.sys_modules.bind(py);
    let shown_before = modules.get_item(name.as_str())?;
    let key = instance.get().key.bind(py);
    let theirs = entry::is_theirs(py, engine, generation, key)?;
    if !shown_before.as_ref().is_some_and(|there| there.is(&shown)) {
        entry::show(py, engine, key, &shown)?;
    }
    instance.get().seen.set(&shown);
    drop(turn);
    if generation.get().is_staged() {
        notify::running(py, engine, name, generation.get().staging.record_executed(&instance));
    }
    // The interpreter asks for it to tell a circular import from a name that does not exist.
    spec.setattr(intern!(py, "_initializing"), true)?;
    let outcome = match (text, file) {
        (Some(text), Some(file)) => {
            let observed = observation::Observation::begin(&instance);
            let ran = panics::caught(|| {
                namespace::run(py, engine, generation, &instance, previous.as_ref(), &text, &file)
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
        _ => namespace::submodules_of(py, engine, generation, instance.get(), previous.as_ref()),
    };
    spec.setattr(intern!(py, "_initializing"), false)?;
    let outcome = outcome.and_then(|()| match in_place::may_stay(previous.as_ref(), &instance) {
        Some(previous) => {
            circular::executed(&instance);
            in_place::stage(py, generation, previous, &instance, &nesting)
        }
        None => {
            complete(py, engine, generation, &instance, &shown, shown_before.as_ref())?;
            Ok(instance.clone())
        }
    });
    match outcome {
        Ok(loaded) => {
            if theirs {
                entry::restore(py, engine, key, shown_before)?;
            }
            if !generation.get().is_staged() {
                log::loaded(py, name, loaded.get().file.as_deref(), generation.get().id.0);
            }
            Ok(loaded)
        }
        Err(error) => {
            let _turn = engine.turn.take(py);
            generation.get().take(py, &instance);
            if instance.get().package {
                // What it has for attributes waits for it to be loaded.
                engine.book.lock().unwrap().failed.insert(name.clone());
            }
            dependencies::failed(engine, generation, &instance)?;
            entry::restore(py, engine, key, shown_before)?;
            Err(error)
        }
    }
}

/// After a good execution: what the module put in its own place, its package, other generations.
fn complete<'py>(
    py: Python<'py>,
    engine: &'static Engine,
    generation: &Bound<'py, Generation>,
    instance: &Bound<'py, Instance>,
    shown: &Bound<'py, PyAny>,
    shown_before: Option<&Bound<'py, PyAny>>,
) -> PyResult<()> {
    let _turn = engine.turn.take(py);
    let name = &instance.get().name;
    let staged = generation.get().is_staged();
    let modules: &Bound<'py, PyDict> = engine.sys_modules.bind(py);
    match modules.get_item(name.as_str())? {
        Some(there) if there.is(shown) => {}
        // A thread that found nothing there has gone to the standard machinery.
        Some(there) if spec::is_loading(&there)? => modules.set_item(name.as_str(), shown)?,
        Some(there) => {
            instance.get().replace_by(there.clone().unbind());
            match staged {
                // Visible to all only once it is published.
                true => modules.set_item(name.as_str(), shown_before.unwrap_or(shown))?,
                false => entry::show(py, engine, instance.get().key.bind(py), &there)?,
            }
        }
        None => modules.set_item(name.as_str(), shown)?,
    }
    if !staged {
        sharing::share(py, engine, generation, instance);
    }
    circular::executed(instance);
    if let Some(parent) = name.parent() {
        match generation.get().find(py, parent.as_str()) {
            Some(package) => bind_submodules::loaded(py, generation, &package, instance)?,
            None => {
                // A foreign namespace package with a live portion.
                engine.mixed.store(true, Ordering::Release);
                if let Some(package) = modules.get_item(parent.as_str())? {
                    package.setattr(PyString::new(py, name.tail()), shown)?;
                }
            }
        }
    }
    Ok(())
}
