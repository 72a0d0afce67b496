//! Which superseded modules are still in memory?
//!
//! For `status`, and for the caches to be emptied. `transfuse/memory` finds out what holds them.

use pyo3::{prelude::*, types::PyWeakrefMethods, types::PyWeakrefReference};

use crate::state::command::Command;
use crate::state::{generation::Generation, live_module::LiveModule, runtime::Runtime};

/// The superseded instances that are still in memory although no generation has them.
pub fn lingering<'py>(py: Python<'py>, runtime: &Runtime) -> Vec<Bound<'py, LiveModule>> {
    let alive = runtime.alive(py);
    let mut found = superseded(py, runtime);
    found.retain(|instance| !alive.iter().any(|generation| generation.get().holds(py, instance)));
    found
}

/// The superseded instances that are still in memory.
pub fn superseded<'py>(py: Python<'py>, runtime: &Runtime) -> Vec<Bound<'py, LiveModule>> {
    let weak: Vec<_> = {
        let records = runtime.records.lock();
        records.superseded.iter().map(|weak| weak.clone_ref(py)).collect()
    };
    let alive = weak.iter().filter_map(|weak| weak.bind(py).upgrade());
    alive.filter_map(|instance| instance.cast_into_exact::<LiveModule>().ok()).collect()
}

/// Records superseded instances, so that `status` can report those that stay in memory.
pub fn record(py: Python<'_>, runtime: &Runtime, removed: &[Bound<'_, LiveModule>]) {
    let added = removed.iter().filter_map(|instance| PyWeakrefReference::new(instance).ok());
    let added: Vec<_> = added.map(Bound::unbind).collect();
    let before = std::mem::take(&mut runtime.records.lock().superseded);
    let alive = before.into_iter().filter(|weak| weak.bind(py).upgrade().is_some());
    let all: Vec<_> = alive.chain(added).collect();
    runtime.records.lock().superseded.extend(all);
}

/// Records the instances that were executed for a generation, which was published or abandoned, and
/// that are part of none. Has the updating thread collect them.
pub fn give_up(py: Python<'_>, runtime: &Runtime, staged: &Generation) {
    if staged.is_staged() {
        let _ = staged.let_go(py);
    }
    let (mut executed, alive) = (staged.staging.executed(py), runtime.alive(py));
    executed.retain(|one| !alive.iter().any(|generation| generation.get().holds(py, one)));
    if !executed.is_empty() {
        record(py, runtime, &executed);
        runtime.command(Command::Dispose);
    }
}
