//! When is a module ready that several threads loaded in a circle?
//!
//! Where waiting would close a circle, a thread gets the other module partially initialized, as a
//! circular import within one thread does. Inside the circle nothing else is possible; outside it
//! no code may see such a module. So the thread waits for it before its own outermost import
//! returns (it has finished its own loads by then, so no thread waits for it). Its own modules
//! become ready only then, and other threads that import them wait for the same.

use std::cell::RefCell;

use pyo3::prelude::*;
use transfuse_engine::{Entered, Waited};

use crate::cpython::{interruptible_wait, thread::thread};
use crate::state::{live_module::LiveModule, load_key::LoadKey, runtime::Runtime};

/// The loads of this thread, and those that it has to wait for at the end.
#[derive(Default)]
struct Loads {
    /// The loads it runs, outermost first.
    own: Vec<LoadKey>,
    /// The loads of other threads whose modules it got partially initialized.
    handed: Vec<LoadKey>,
    /// The instances that it has executed since then, not ready yet.
    unready: Vec<Py<LiveModule>>,
}

thread_local! {
    static LOADS: RefCell<Loads> = RefCell::default();
}

/// One load of this thread. It ends when this is dropped.
pub struct LoadGuard {
    runtime: &'static Runtime,
    key: LoadKey,
}

impl LoadGuard {
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
                // No thread will wait for them any more.
                loads.handed.clear();
                over = std::mem::take(&mut loads.unready);
            }
        });
        drop(over);
        self.runtime.flights.finish(&self.key, thread());
    }
}

/// This thread goes on with a partially initialized module. Remembers the load if it is another
/// thread's.
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

/// A load has ended. At the end of the outermost one, waits for the modules that this thread got
/// partially initialized. If a signal handler raises meanwhile, the next import of this thread's
/// modules completes them.
pub fn finish_outermost(py: Python<'_>, runtime: &'static Runtime) -> PyResult<()> {
    let (handed, unready) = LOADS.with_borrow_mut(|loads| {
        let over = loads.own.is_empty();
        let mut ended = || (std::mem::take(&mut loads.handed), std::mem::take(&mut loads.unready));
        if over { ended() } else { Default::default() }
    });
    for key in &handed {
        wait(py, runtime, key)?;
    }
    for instance in unready {
        instance.bind(py).get().set_ready();
    }
    Ok(())
}

/// Waits for the rest of the circle of an instance that was executed and is not ready. The thread
/// that executed it may have been interrupted in doing so.
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

/// Waits, without the GIL, until no thread is loading `key`. Returns false without waiting if that
/// would close a circle.
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
