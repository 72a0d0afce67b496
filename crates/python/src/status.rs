//! How do things stand? What `transfuse.status()` is made of.

use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyWeakrefMethods};
use transfuse_engine::State;

use crate::engine::{self, Engine};
use crate::instance::Instance;
use crate::report as reports;

/// What is served, kept, draining and failing.
#[pyfunction]
pub fn status(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let engine = engine::required()?;
    let current = engine.current(py);
    let made = PyDict::new(py);
    made.set_item("generation", current.get().id.0)?;
    made.set_item("roots", engine.roots.dirs())?;
    made.set_item("modules", current.get().instances.bind(py).len())?;
    let watching = engine.watching.get().filter(|_| engine.settings().watch);
    let ended = engine.updating_ended.load(Ordering::Acquire);
    made.set_item("watching", if ended { "ended" } else { watching.copied().unwrap_or("off") })?;
    made.set_item("lost_events", engine.lost_events.load(Ordering::Relaxed))?;
    made.set_item("stored_bytes", engine.budget.held())?;
    let draining = engine.generations.alive(|_, id, state| match state {
        State::Draining { pins } => Some((id.0, pins)),
        _ => None,
    });
    let draining: Vec<(u64, usize)> = draining.into_iter().flatten().collect();
    let kept: Vec<u64> = engine.generations.all_kept().iter().map(|id| id.0).collect();
    let (published, refused, failing, waiting) = {
        let book = engine.book.lock().unwrap();
        let failing = book.failing.as_ref().map(|report| report.clone_ref(py));
        let waiting: Vec<_> = book.waiting.iter().map(reports::of_restart).collect();
        (book.published, book.refused, failing, waiting)
    };
    let units: Vec<_> = engine
        .units
        .behind(current.get().id.0)
        .iter()
        .map(|unit| {
            let generation = unit.generation.load(Ordering::Relaxed);
            let thread = unit.thread.load(Ordering::Relaxed);
            (generation, unit.what.clone(), thread, unit.since.elapsed().as_secs_f64())
        })
        .collect();
    made.set_item("units", units)?;
    made.set_item("lingering", lingering(py, engine)?)?;
    made.set_item("restart", waiting)?;
    made.set_item("kept", kept)?;
    made.set_item("draining", draining)?;
    made.set_item("updates", published)?;
    made.set_item("refused", refused)?;
    made.set_item("failing", failing)?;
    Ok(made)
}

/// The module objects of superseded instances that no generation has any more, and that are still
/// in memory.
fn lingering<'py>(py: Python<'py>, engine: &Engine) -> PyResult<Bound<'py, PyList>> {
    let superseded: Vec<_> = {
        let book = engine.book.lock().unwrap();
        book.superseded.iter().map(|weak| weak.clone_ref(py)).collect()
    };
    let found = PyList::empty(py);
    let alive = engine.alive(py);
    for weak in superseded {
        let Some(instance) = weak.bind(py).upgrade() else { continue };
        let Ok(instance) = instance.cast_into_exact::<Instance>() else { continue };
        if !alive.iter().any(|generation| generation.get().holds(py, &instance)) {
            found.append(&instance.get().module)?;
        }
    }
    Ok(found)
}
