//! What is a forked child left with?
//!
//! The memory of its parent, and of the threads the one that forked. The child
//! watches and updates by itself; what other threads were loading or staging is
//! not going to be finished in it, so it is forgotten.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use transfuse_engine::State;

use crate::engine::{self, Engine};
use crate::installation::start_updating;
use crate::instance::Instance;
use crate::loading;

/// Threads do not survive a fork: the child watches and updates by itself.
#[pyfunction]
pub fn after_fork(py: Python<'_>) -> PyResult<()> {
    let Some(engine) = engine::in_force() else { return Ok(()) };
    forget_other_threads(py, engine)?;
    let mut dirs: BTreeSet<PathBuf> = engine.roots.dirs().iter().cloned().collect();
    for (path, _) in engine.current(py).get().view().iter() {
        dirs.extend(path.parent().map(PathBuf::from));
    }
    start_updating(py, engine, dirs.into_iter().collect())
}

/// What other threads of the parent were loading or staging is not going to be finished here.
fn forget_other_threads(py: Python<'_>, engine: &Engine) -> PyResult<()> {
    if engine.updating_thread.load(Ordering::Acquire) == loading::thread() {
        // Code that is being staged has forked, and goes on.
        return Ok(());
    }
    engine.flights.only(loading::thread());
    engine.turn.only(loading::thread());
    let staged = engine.generations.alive(|_, id, state| (state == State::Staged).then_some(id));
    for id in staged.into_iter().flatten() {
        drop(engine.generations.abandon(id));
    }
    for generation in engine.alive(py) {
        for instance in generation.get().instances.bind(py).values().iter() {
            let Ok(instance) = instance.cast_into_exact::<Instance>() else { continue };
            let of = instance.get();
            let key = (of.name.clone(), of.source().map(|source| source.digest()));
            if !of.is_ready() && !engine.flights.is_loading(&key) {
                generation.get().take(py, &instance);
            }
        }
    }
    Ok(())
}
