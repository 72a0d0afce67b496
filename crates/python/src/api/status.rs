//! How do things stand? What `transfuse.status()` is made of.
//!
//! Counts and fields only: it is asked while the process is in trouble, so nothing here walks the
//! heap or waits for an update. `referrers` finds out what keeps old code in memory.

use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};
use transfuse_engine::GenerationState;

use crate::state::{live_module::LiveModule, runtime, runtime::Runtime};
use crate::update::succession::answers_as_before;
use crate::update::{lingering::lingering, lingering::superseded, report as reports};

/// Which generations are served, kept and draining, and how the last updates ended.
#[pyfunction]
pub fn status(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let runtime = runtime::required()?;
    let current = runtime.current(py);
    let made = PyDict::new(py);
    made.set_item("generation", current.get().id.0)?;
    made.set_item("roots", runtime.roots.dirs())?;
    made.set_item("modules", current.get().instances.bind(py).len())?;
    let (watching, unreadable) = (runtime.watching.lock().clone(), runtime.unreadable.lock().all());
    let ended = runtime.updating_ended.load(Ordering::Acquire);
    let way = if runtime.settings().watch { watching.way } else { "off" };
    made.set_item("watching", if ended { "ended" } else { way })?;
    made.set_item("watching_because", watching.because)?;
    made.set_item("unreadable", unreadable)?;
    made.set_item("lost_events", runtime.lost_events.load(Ordering::Relaxed))?;
    made.set_item("stored_bytes", runtime.budget.held())?;
    let draining = runtime.generations.alive(|_, id, state| match state {
        GenerationState::Draining { pins } => Some((id.0, pins)),
        _ => None,
    });
    let draining: Vec<(u64, usize)> = draining.into_iter().flatten().collect();
    let (published, refused, failing, waiting) = {
        let records = runtime.records.lock();
        let failing = records.failing.as_ref().map(|report| report.clone_ref(py));
        let waiting: Vec<_> = records.waiting.iter().map(reports::of_restart).collect();
        (records.published, records.refused, failing, waiting)
    };
    let units: Vec<_> = runtime
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
    made.set_item("lingering", lingering(py, runtime).len())?;
    made.set_item("restart", waiting)?;
    made.set_item("kept", kept(py, runtime))?;
    reports::add_set_aside(&made, runtime)?;
    made.set_item("draining", draining)?;
    made.set_item("updates", published)?;
    made.set_item("refused", refused)?;
    made.set_item("failing", failing)?;
    Ok(made)
}

/// The generations that can be gone back to, the first superseded one first.
pub fn kept(py: Python<'_>, runtime: &Runtime) -> Vec<u64> {
    let same = runtime.generations.perhaps_same();
    let current = runtime.current(py);
    let same = same.filter(|_| answers_as_before(py, runtime, &current));
    let kept = runtime.generations.all_kept().into_iter();
    kept.filter(|id| Some(*id) != same).map(|id| id.0).collect()
}

/// The module objects of all executions of a module that a generation has, in no order; with
/// `lingering` also of those that are only still in memory: old code belongs to one of these.
#[pyfunction]
#[pyo3(signature = (name, *, lingering))]
pub fn executions<'py>(
    py: Python<'py>,
    name: &str,
    lingering: bool,
) -> PyResult<Bound<'py, PyList>> {
    let found = PyList::empty(py);
    let Some(runtime) = runtime::in_force() else { return Ok(found) };
    let key = PyString::new(py, name);
    for generation in runtime.alive(py) {
        if let Some(instance) = generation.get().instances.bind(py).get_item(&key)? {
            found.append(&instance.cast_into_exact::<LiveModule>()?.get().module)?;
        }
    }
    for instance in if lingering { superseded(py, runtime) } else { Vec::new() } {
        if instance.get().name.as_str() == name {
            found.append(&instance.get().module)?;
        }
    }
    Ok(found)
}
