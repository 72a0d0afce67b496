//! TODO

use pyo3::prelude::*;
use pyo3::types::PyWeakrefMethods;

use crate::state::live_module::Instance;
use crate::state::runtime::Engine;

/// The superseded instances that no generation has any more, and that are still in memory.
pub fn lingering<'py>(py: Python<'py>, engine: &Engine) -> Vec<Bound<'py, Instance>> {
    let alive = engine.alive(py);
    let mut found = superseded(py, engine);
    found.retain(|instance| !alive.iter().any(|generation| generation.get().holds(py, instance)));
    found
}

pub fn superseded<'py>(py: Python<'py>, engine: &Engine) -> Vec<Bound<'py, Instance>> {
    let weak: Vec<_> = {
        let book = engine.book.lock().unwrap();
        book.superseded.iter().map(|weak| weak.clone_ref(py)).collect()
    };
    let alive = weak.iter().filter_map(|weak| weak.bind(py).upgrade());
    alive.filter_map(|instance| instance.cast_into_exact::<Instance>().ok()).collect()
}
