//! What is a forked child left with?
//!
//! The memory of its parent, and of the threads the one that forked. The child
//! watches and updates by itself; what other threads were loading, making or staging
//! is not going to be finished in it, so it is forgotten, and their units of work
//! are over.
//!
//! Locks: those that threads of ours take without the GIL are free, because the fork
//! has waited for these (the engine's `standstill`). The others are taken by threads
//! that are attached, and held for field access: no such thread is stopped in there.
//! What a thread sleeps on while it waits for another one's load is replaced.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use transfuse_engine::{GenerationId, GenerationState, fork_gate};

use crate::api::once;
use crate::cpython::{log, thread};
use crate::loading::in_place;
use crate::state::live_module::LiveModule;
use crate::state::runtime::{self, Runtime};
use crate::updater::thread::start_updating;

/// How long a fork waits for our threads to be at rest: a look at all files takes less.
const REST: Duration = Duration::from_secs(5);

/// From now on forks are heard of.
pub fn listen(py: Python<'_>) -> PyResult<()> {
    static ONCE: PyOnceLock<()> = PyOnceLock::new();
    ONCE.get_or_try_init(py, || {
        let core = py.import("transfuse._core")?;
        let os = py.import("os")?;
        if os.hasattr("register_at_fork")? {
            let options = PyDict::new(py);
            options.set_item("before", pyo3::wrap_pyfunction!(before_fork, &core)?)?;
            let parent = pyo3::wrap_pyfunction!(after_fork_in_parent, &core)?;
            options.set_item("after_in_parent", parent)?;
            options.set_item("after_in_child", pyo3::wrap_pyfunction!(after_fork, &core)?)?;
            os.call_method("register_at_fork", (), Some(&options))?;
        }
        Ok(())
    })
    .copied()
}

/// Waits until no thread of ours is in the middle of something.
#[pyfunction]
fn before_fork(py: Python<'_>) {
    py.detach(|| fork_gate::quiesce(REST));
}

#[pyfunction]
fn after_fork_in_parent() {
    fork_gate::resume();
}

/// Threads do not survive a fork: the child watches and updates by itself.
#[pyfunction]
fn after_fork(py: Python<'_>) -> PyResult<()> {
    fork_gate::reset_after_fork();
    once::only(thread::thread());
    let Some(runtime) = runtime::in_force() else { return Ok(()) };
    end_units_of_others(runtime);
    forget_other_threads(py, runtime)?;
    let mut dirs: BTreeSet<PathBuf> = runtime.roots.dirs().iter().cloned().collect();
    for (path, _) in runtime.current(py).get().view().iter() {
        dirs.extend(path.parent().map(PathBuf::from));
    }
    runtime.forget_commands();
    start_updating(py, runtime, dirs.into_iter().collect())
}

/// The units of work of other threads go on in the parent, and are not here to end.
fn end_units_of_others(runtime: &Runtime) {
    for generation in runtime.units.keep_own() {
        // What that sets free is disposed of after the next update: the thread that does is to begin.
        drop(runtime.generations.unpin(GenerationId(generation)));
    }
}

/// What other threads of the parent were loading or staging is not going to be finished here.
fn forget_other_threads(py: Python<'_>, runtime: &Runtime) -> PyResult<()> {
    if runtime.updating_thread.load(Ordering::Acquire) == thread::thread() {
        // Code that is being staged has forked, and goes on.
        return Ok(());
    }
    runtime.flights.keep_only(thread::thread());
    runtime.nogil_lock.reset_after_fork(thread::thread());
    let staged = runtime.generations.alive(|generation, id, state| {
        (state == GenerationState::Staged).then(|| (id, generation.clone_ref(py)))
    });
    for (id, generation) in staged.into_iter().flatten() {
        if let Err(error) = in_place::take_back(py, generation.bind(py)) {
            let _ = log::complain(py, "new code could not be taken back", error);
        }
        drop(runtime.generations.abandon(id));
    }
    for generation in runtime.alive(py) {
        for instance in generation.get().instances.bind(py).values().iter() {
            let Ok(instance) = instance.cast_into_exact::<LiveModule>() else { continue };
            let of = instance.get();
            let key = (of.name.clone(), of.source().map(|source| source.digest()));
            if !of.is_ready() && !runtime.flights.is_in_flight(&key) {
                generation.get().take(py, &instance);
            }
        }
    }
    Ok(())
}
