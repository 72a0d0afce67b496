//! Which superseded modules are still in memory?
//!
//! For `status`, and for the caches to be emptied. `transfuse/memory` finds out what holds them.

use std::ops::RangeInclusive;

use pyo3::{prelude::*, types::PyWeakrefMethods, types::PyWeakrefReference};

use crate::state::{
    generation::Generation, live_module::LiveModule, records::Records, runtime::Runtime,
};

/// The superseded instances that are still in memory although no generation has them.
pub fn lingering<'py>(py: Python<'py>, runtime: &Runtime) -> Vec<Bound<'py, LiveModule>> {
    of_no_generation(py, runtime, superseded(py, runtime))
}

/// The superseded instances that are still in memory.
pub fn superseded<'py>(py: Python<'py>, runtime: &Runtime) -> Vec<Bound<'py, LiveModule>> {
    in_memory(py, runtime, |records| &records.superseded)
}

/// The instances that were staged in vain, and are still in memory.
pub fn given_up<'py>(py: Python<'py>, runtime: &Runtime) -> Vec<Bound<'py, LiveModule>> {
    of_no_generation(py, runtime, in_memory(py, runtime, |records| &records.given_up))
}

/// How many former instances are still in memory after an attempt to collect them.
pub fn held(py: Python<'_>, runtime: &Runtime) -> usize {
    left_by_collector(py, runtime, 1..=u8::MAX).len()
}

/// The former instances that are still in memory after so many attempts to collect them.
pub fn left_by_collector<'py>(
    py: Python<'py>,
    runtime: &Runtime,
    attempts: RangeInclusive<u8>,
) -> Vec<Bound<'py, LiveModule>> {
    let tried = runtime.records.lock().collected.clone();
    let mut all = lingering(py, runtime);
    all.retain(|one| tried.get(&one.get().started()).is_some_and(|times| attempts.contains(times)));
    all
}

fn in_memory<'py>(
    py: Python<'py>,
    runtime: &Runtime,
    list: impl Fn(&Records) -> &Vec<Py<PyWeakrefReference>>,
) -> Vec<Bound<'py, LiveModule>> {
    let weak: Vec<_> =
        list(&runtime.records.lock()).iter().map(|weak| weak.clone_ref(py)).collect();
    let alive = weak.iter().filter_map(|weak| weak.bind(py).upgrade());
    alive.filter_map(|instance| instance.cast_into_exact::<LiveModule>().ok()).collect()
}

fn of_no_generation<'py>(
    py: Python<'py>,
    runtime: &Runtime,
    mut found: Vec<Bound<'py, LiveModule>>,
) -> Vec<Bound<'py, LiveModule>> {
    let alive = runtime.alive(py);
    found.retain(|instance| !alive.iter().any(|generation| generation.get().holds(py, instance)));
    found
}

/// Records superseded instances, so that `status` can report those that stay in memory.
pub fn record(py: Python<'_>, runtime: &Runtime, removed: &[Bound<'_, LiveModule>]) {
    add(py, runtime, removed, |records| &mut records.superseded);
}

/// Records the instances that were executed for a generation, which was published or abandoned, and
/// that are part of none, to be collected.
pub fn give_up(py: Python<'_>, runtime: &Runtime, staged: &Generation) {
    if staged.is_staged() {
        let _ = staged.let_go(py);
    }
    let executed = of_no_generation(py, runtime, staged.staging.executed(py));
    add(py, runtime, &executed, |records| &mut records.given_up);
}

fn add(
    py: Python<'_>,
    runtime: &Runtime,
    instances: &[Bound<'_, LiveModule>],
    list: impl Fn(&mut Records) -> &mut Vec<Py<PyWeakrefReference>>,
) {
    let added = instances.iter().filter_map(|instance| PyWeakrefReference::new(instance).ok());
    let added: Vec<_> = added.map(Bound::unbind).collect();
    let before = std::mem::take(list(&mut runtime.records.lock()));
    let alive = before.into_iter().filter(|weak| weak.bind(py).upgrade().is_some());
    let all: Vec<_> = alive.chain(added).collect();
    list(&mut runtime.records.lock()).extend(all);
}
