//! What stands in `sys.modules` under a live name, and who put it there?
//!
//! As a rule our facade, or what the module put in its own place. Tests of many
//! packages do otherwise: they delete an entry, to have the module executed
//! afresh; they put `None` or a fake there; they put back what was there before.
//! All of it means what it means to Python, for the generation of whoever
//! imports next. The facade that was taken out goes on to stand for what it
//! stood for, and a fresh execution gets a new one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::state::runtime::Engine;
use crate::hooks::facade_type;
use crate::sysmodules::spec;
use crate::state::generation::Generation;
use crate::state::live_module::Instance;

/// What stands under a name.
pub enum Standing<'py> {
    /// What we put there, or nothing where nothing has to be.
    Ours,
    /// Nothing, where this instance was seen: somebody has removed it.
    Removed(Bound<'py, Instance>),
    /// Something that somebody else put there: to be found as if Transfuse were not there.
    Other,
}

/// What stood for an instance in `sys.modules` when that was last as it should be.
#[derive(Default)]
pub struct Seen {
    /// Held, so that nothing else can come to lie where it lies. Locked for field access only.
    held: Mutex<Option<Py<PyAny>>>,
    /// Where it lies: what each import of the instance compares. Written with `held`.
    at: AtomicPtr<ffi::PyObject>,
}

impl Seen {
    #[inline]
    fn is(&self, there: &Bound<'_, PyAny>) -> bool {
        self.at.load(Ordering::Acquire) == there.as_ptr()
    }

    /// What it was, if it was seen.
    pub fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.held.lock().unwrap().as_ref().map(|held| held.bind(py).clone())
    }

    /// This stands there, and it should.
    pub fn set(&self, there: &Bound<'_, PyAny>) {
        let mut held = self.held.lock().unwrap();
        self.at.store(there.as_ptr(), Ordering::Release);
        let old = held.replace(there.clone().unbind());
        drop(held);
        drop(old);
    }

    /// For the cycle collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.held.try_lock() {
            Ok(held) => visit.call(held.as_ref()),
            Err(_) => Ok(()),
        }
    }
}

/// Whether what stands under the name of a ready instance is what was last seen there. This is
/// asked by every import of a loaded module.
#[inline]
pub fn is_as_seen(
    py: Python<'_>,
    engine: &Engine,
    name: &Bound<'_, PyString>,
    instance: &Bound<'_, Instance>,
) -> bool {
    match engine.sys_modules.bind(py).get_item(name) {
        Ok(Some(there)) => instance.get().seen.is(&there),
        _ => false,
    }
}

/// What stands under a name for a generation. What somebody put back is ours again.
pub fn of<'py>(
    py: Python<'py>,
    engine: &Engine,
    generation: &Bound<'py, Generation>,
    name: &Bound<'py, PyString>,
) -> PyResult<Standing<'py>> {
    let loaded = generation.get().get(py, name).filter(|found| found.get().is_ready());
    let Some(there) = engine.sys_modules.bind(py).get_item(name)? else {
        return Ok(match loaded {
            // What is staged is for nobody to remove.
            Some(instance)
                if generation.get().base(py).is_none()
                    && !engine.withdrawn.bind(py).contains(name)? =>
            {
                Standing::Removed(instance)
            }
            _ => Standing::Ours,
        });
    };
    let Some(known) = engine.facades.bind(py).get_item(name)? else {
        return Ok(match facade_type::stood_for(&there, name)? {
            true => Standing::Ours,
            false => Standing::Other,
        });
    };
    let replaces = || {
        engine.replacements.bind(py).get_item(name).map(|own| own.is_some_and(|own| own.is(&there)))
    };
    if !there.is(&known) {
        if facade_type::stood_for(&there, name)? {
            put_back(py, engine, name, &there, &known)?;
        } else if !replaces()? {
            return Ok(match spec::is_loading(&there)? {
                true => Standing::Ours,
                false => Standing::Other,
            });
        }
    }
    if let Some(instance) = generation.get().get(py, name) {
        instance.get().seen.set(&there);
    }
    Ok(Standing::Ours)
}

/// A facade of the name was put back: it stands for what it stood for, and the one that stood
/// there meanwhile for what was executed meanwhile.
fn put_back<'py>(
    py: Python<'py>,
    engine: &Engine,
    name: &Bound<'py, PyString>,
    there: &Bound<'py, PyAny>,
    meanwhile: &Bound<'py, PyAny>,
) -> PyResult<()> {
    engine.facades.bind(py).set_item(name, there)?;
    for generation in engine.alive(py) {
        let Some(before) = facade_type::attach(there, &generation)? else { continue };
        if let Some(now) = generation.get().get(py, name)
            && !now.is(&before)
        {
            facade_type::detach(meanwhile, &generation, &now)?;
        }
        generation.get().put(py, &before)?;
        if generation.is(engine.current(py)) {
            engine.book.lock().unwrap().adopt(before.get());
        }
    }
    Ok(())
}

/// Somebody has removed an instance: from now on its facade stands for nothing but it, in this
/// generation, and the name is free to be executed afresh.
pub fn let_go(
    py: Python<'_>,
    engine: &Engine,
    generation: &Bound<'_, Generation>,
    instance: &Bound<'_, Instance>,
) -> PyResult<()> {
    if !generation.get().take(py, instance) {
        // Another thread was first.
        return Ok(());
    }
    let name = instance.get().key.bind(py);
    if let Some(facade) = engine.facades.bind(py).get_item(name)? {
        facade_type::detach(&facade, generation, instance)?;
        engine.facades.bind(py).del_item(name)?;
    }
    Ok(())
}

/// Puts what foreign code is to see into `sys.modules`.
pub fn show(
    py: Python<'_>,
    engine: &Engine,
    name: &Bound<'_, PyString>,
    shown: &Bound<'_, PyAny>,
) -> PyResult<()> {
    if engine.withdrawn.bind(py).contains(name)? {
        engine.withdrawn.bind(py).del_item(name)?;
    }
    if !facade_type::is_facade(shown) {
        engine.replacements.bind(py).set_item(name, shown)?;
    }
    let modules = engine.sys_modules.bind(py);
    match modules.get_item(name)? {
        // Whoever removes it at this very moment has removed it.
        Some(there) if there.is(shown) => Ok(()),
        _ => modules.set_item(name, shown),
    }
}

/// Takes what we put there out of `sys.modules`; old code may still ask for the name.
pub fn withdraw(py: Python<'_>, engine: &Engine, name: &Bound<'_, PyString>) -> PyResult<()> {
    engine.withdrawn.bind(py).set_item(name, true)?;
    engine.sys_modules.bind(py).del_item(name)
}

/// Whether somebody has removed or replaced what stood there, while this name is being staged.
pub fn is_theirs(
    py: Python<'_>,
    engine: &Engine,
    staged: &Bound<'_, Generation>,
    name: &Bound<'_, PyString>,
) -> PyResult<bool> {
    match staged.get().base(py) {
        Some(base) => Ok(!matches!(of(py, engine, &base, name)?, Standing::Ours)),
        None => Ok(false),
    }
}

/// Puts back what stood there before.
pub fn restore(
    py: Python<'_>,
    engine: &Engine,
    name: &Bound<'_, PyString>,
    before: Option<Bound<'_, PyAny>>,
) -> PyResult<()> {
    let modules = engine.sys_modules.bind(py);
    match before {
        Some(before) => modules.set_item(name, before),
        None if modules.contains(name)? => modules.del_item(name),
        None => Ok(()),
    }
}
