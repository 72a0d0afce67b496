//! When is a module whole that was loaded in a circle by several threads?
//!
//! Where waiting would close a circle, a thread is handed the other end half-way,
//! as an import within one thread would be. Inside the circle nothing else is
//! possible; outside it nobody may see that. So a thread that was handed something
//! half-way waits for it before its own outermost import returns (it has finished
//! its own loads by then, so nobody waits for it), and what it has loaded
//! meanwhile counts as ready only then: others who ask wait for the same.

use std::cell::RefCell;

use pyo3::prelude::*;
use transfuse_engine::{Entered, Waited};

use crate::cpython::interruptible_wait;
use crate::cpython::thread::thread;
use crate::state::live_module::LiveModule;
use crate::state::load_key::LoadKey;
use crate::state::runtime::Runtime;

/// What this thread is loading, and has to wait for at the end.
#[derive(Default)]
struct Loads {
    /// The flights it holds, outermost first.
    own: Vec<LoadKey>,
    /// The flights of other threads that it was handed half-way.
    handed: Vec<LoadKey>,
    /// What it has executed since then, not ready yet.
    unready: Vec<Py<LiveModule>>,
}

thread_local! {
    static LOADS: RefCell<Loads> = RefCell::default();
}

/// One flight of this thread. It ends when this is dropped.
pub struct LoadGuard {
    runtime: &'static Runtime,
    key: LoadKey,
}

impl LoadGuard {
    /// This thread has been let in to load.
    pub fn new(runtime: &'static Runtime, key: LoadKey) -> Self {
        LOADS.with_borrow_mut(|loads| loads.own.push(key.clone()));
        LoadGuard { runtime, key }
    }
}

impl Drop for LoadGuard {
    fn drop(&mut self) {
        let mut over = Vec::new();
        LOADS.with_borrow_mut(|loads| {
            if let Some(at) = loads.own.iter().rposition(|own| *own == self.key) {
                loads.own.remove(at);
            }
            if std::thread::panicking() && loads.own.is_empty() {
                // Nobody comes to wait for them any more.
                loads.handed.clear();
                over = std::mem::take(&mut loads.unready);
            }
        });
        drop(over);
        self.runtime.flights.finish(&self.key, thread());
    }
}

/// This thread goes on with a module half-way; if another thread is loading it, that is remembered.
pub fn handed(key: &LoadKey) {
    LOADS.with_borrow_mut(|loads| {
        if !loads.own.is_empty() && !loads.own.contains(key) && !loads.handed.contains(key) {
            loads.handed.push(key.clone());
        }
    });
}

/// The source of `instance` has been executed to the end by this thread.
pub fn executed(instance: &Bound<'_, LiveModule>) {
    let whole = LOADS.with_borrow_mut(|loads| {
        if loads.handed.is_empty() {
            return true;
        }
        instance.get().set_partners(loads.handed.clone());
        loads.unready.push(instance.clone().unbind());
        false
    });
    if whole {
        instance.get().set_ready();
    }
}

/// A load has ended; at the end of the outermost one, waits for what was handed half-way. If a signal
/// handler raises meanwhile, what was loaded becomes whole with the next who imports it.
pub fn finish_outermost(py: Python<'_>, runtime: &'static Runtime) -> PyResult<()> {
    let (handed, unready) = LOADS.with_borrow_mut(|loads| {
        if loads.own.is_empty() {
            (std::mem::take(&mut loads.handed), std::mem::take(&mut loads.unready))
        } else {
            (Vec::new(), Vec::new())
        }
    });
    for key in &handed {
        wait(py, runtime, key)?;
    }
    for instance in unready {
        instance.bind(py).get().set_ready();
    }
    Ok(())
}

/// Somebody has found an instance that was executed, and that nobody is loading any more: waits for
/// the rest of its circle. The thread that executed it may have been interrupted in doing so.
pub fn complete(py: Python<'_>, runtime: &'static Runtime, instance: &LiveModule) -> PyResult<()> {
    let mut whole = true;
    let partners = instance.partners();
    for partner in &partners {
        whole &= wait(py, runtime, partner)?;
    }
    if whole && !partners.is_empty() {
        instance.set_ready();
    }
    Ok(())
}

/// Waits, without the GIL, until nobody is loading `key`, unless that would close a circle. Whether
/// it was waited for.
fn wait(py: Python<'_>, runtime: &'static Runtime, key: &LoadKey) -> PyResult<bool> {
    match runtime.flights.enter(key, thread()) {
        Entered::Run => {
            runtime.flights.finish(key, thread());
            Ok(true)
        }
        Entered::Partial => Ok(false),
        Entered::Busy => {
            Ok(interruptible_wait::wait(py, &runtime.flights, key)? == Waited::Finished)
        }
    }
}
