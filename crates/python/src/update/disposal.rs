//! When is a superseded instance disposed of?
//!
//! Once no unit of work is pinned to a generation that it belongs to. The updating thread calls its
//! `__dispose__`. An error in it is logged and changes nothing else; the time limit ends one that
//! hangs. New code has long been loaded by then. Caches of the standard library that may hold old
//! objects are emptied (`transfuse/memory/typing_caches.py`).

use std::collections::BTreeSet;

use pyo3::{intern, prelude::*, types::PyDict};
use transfuse_engine::ModuleName;

use crate::cpython::{log::complain, panics, time_limit::Watchdog};
use crate::state::{generation::Generation, live_module::LiveModule, runtime::Runtime};
use crate::sysmodules::entry;
use crate::update::{former_cycles, keyed_caches, lingering};

/// Calls `__dispose__` of every superseded instance whose generations have no pin left.
pub fn dispose_drained(py: Python<'_>, runtime: &Runtime) {
    let waiting: Vec<Py<LiveModule>> = std::mem::take(&mut runtime.records.lock().awaiting);
    let in_use = runtime.in_use(py);
    let mut still_waiting = Vec::new();
    let mut disposed = Vec::new();
    for instance in waiting {
        let bound = instance.bind(py);
        let held = |by: &Bound<'_, Generation>| by.get().holds(py, bound);
        let loading = !bound.get().is_ready();
        if in_use.iter().any(held) || loading && runtime.alive(py).iter().any(held) {
            still_waiting.push(instance);
        } else if !loading {
            dispose(py, runtime, bound);
            disposed.push(bound.get().namespace(py));
            entry::withdraw_if_deleted(py, runtime, &bound.get().name);
        }
    }
    runtime.records.lock().awaiting.extend(still_waiting);
    close_connections(py, runtime, disposed);
    let gone = lingering::lingering(py, runtime).into_iter().map(|gone| gone.get().name.clone());
    // Without a reference to them, because other threads run meanwhile, and may collect.
    let gone: Vec<ModuleName> = gone.collect();
    empty_caches(gone.iter(), py);
    keyed_caches::empty(py, runtime);
    former_cycles::collect(py, runtime);
}

/// Empties the caches that could keep unused executions of these modules in memory.
pub fn empty_caches<'a>(names: impl Iterator<Item = &'a ModuleName>, py: Python<'_>) {
    let names: BTreeSet<_> = names.map(ModuleName::as_str).collect();
    if names.is_empty() {
        return;
    }
    let caches = py.import(intern!(py, "transfuse.memory.typing_caches"));
    let emptied = caches.and_then(|caches| caches.call_method1(intern!(py, "purge"), (names,)));
    if let Err(error) = emptied {
        let _ = complain(py, "caches that hold old code could not be emptied", error);
    }
}

/// Closes the connections of databases that only these former namespaces hold.
fn close_connections(py: Python<'_>, runtime: &Runtime, former: Vec<Bound<'_, PyDict>>) {
    let name = intern!(py, "sqlalchemy");
    if former.is_empty() || !runtime.sys_modules.bind(py).contains(name).unwrap_or(false) {
        return;
    }
    let adapter = py.import(intern!(py, "transfuse.frameworks.sqlalchemy"));
    let closed =
        adapter.and_then(|adapter| adapter.call_method1(intern!(py, "release"), (former,)));
    if let Err(error) = closed {
        let _ = complain(py, "connections of former modules were not closed", error);
    }
}

fn dispose(py: Python<'_>, runtime: &Runtime, instance: &Bound<'_, LiveModule>) {
    let namespace = instance.get().namespace(py);
    let Ok(Some(hook)) = namespace.get_item(intern!(py, "__dispose__")) else { return };
    if !instance.get().dispose() {
        return;
    }
    let limit = Watchdog::begin(runtime.settings().time_limit);
    let ended = panics::caught(|| hook.call0());
    drop(limit);
    if let Err(error) = ended {
        let name = instance.get().name.as_str();
        let file = instance.get().file.as_deref().unwrap_or("?");
        let _ = complain(py, &format!("__dispose__ of {name} ({file}) raised"), error);
    }
}
