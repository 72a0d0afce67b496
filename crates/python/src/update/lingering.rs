//! Which superseded modules are still in memory?

use pyo3::prelude::*;
use pyo3::types::PyWeakrefMethods;

use crate::state::live_module::LiveModule;
use crate::state::runtime::Runtime;

/// The superseded instances that no generation has any more, and that are still in memory.
pub fn lingering<'py>(py: Python<'py>, runtime: &Runtime) -> Vec<Bound<'py, LiveModule>> {
    let alive = runtime.alive(py);
    let mut found = superseded(py, runtime);
    found.retain(|instance| !alive.iter().any(|generation| generation.get().holds(py, instance)));
    found
}

pub fn superseded<'py>(py: Python<'py>, runtime: &Runtime) -> Vec<Bound<'py, LiveModule>> {
    let weak: Vec<_> = {
        let records = runtime.records.lock();
        records.superseded.iter().map(|weak| weak.clone_ref(py)).collect()
    };
    let alive = weak.iter().filter_map(|weak| weak.bind(py).upgrade());
    alive.filter_map(|instance| instance.cast_into_exact::<LiveModule>().ok()).collect()
}
