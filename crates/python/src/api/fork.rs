//! What happens when the process forks?
//!
//! A child has the memory of its parent, and of its threads only the one that forked. It starts an
//! updating thread of its own. Loads, `once` values and updates that other threads had begun will not
//! be finished in it, so it forgets them and ends the units of work of these threads.
//!
//! Locks: those that our threads take without the GIL are free, because the fork waits for these
//! threads (the engine's `fork_gate`). All others are taken by attached threads and held for field
//! access, so none of these is stopped in between. The tables of loads are replaced, with the
//! conditions that waiting threads sleep on.

use std::{collections::BTreeSet, path::PathBuf, sync::atomic::Ordering, time::Duration};

use pyo3::{prelude::*, sync::PyOnceLock, types::PyDict};
use transfuse_engine::{GenerationId, GenerationState, fork_gate};

use crate::cpython::{at_end, log, thread};
use crate::state::{live_module::LiveModule, runtime, runtime::Runtime};
use crate::{api::once, loading::in_place, updater::thread::start_updating};

/// How long a fork waits for our threads. A comparison of all files takes less.
const REST: Duration = Duration::from_secs(5);

/// Registers the functions that run before and after a fork.
pub fn listen(py: Python<'_>) -> PyResult<()> {
    static ONCE: PyOnceLock<()> = PyOnceLock::new();
    ONCE.get_or_try_init(py, || {
        // Registers a function, too, which has to be called before what imports anything.
        py.import("transfuse.process.forked_imports")?;
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

/// Waits until no thread of ours holds a lock without the GIL.
#[pyfunction]
fn before_fork(py: Python<'_>) {
    py.detach(|| fork_gate::quiesce(REST));
}

#[pyfunction]
fn after_fork_in_parent() {
    fork_gate::resume();
}

/// Gives the child an updating thread, because threads do not survive a fork.
#[pyfunction]
fn after_fork(py: Python<'_>) -> PyResult<()> {
    fork_gate::reset_after_fork();
    once::only(thread::thread());
    let Some(runtime) = runtime::in_force() else { return Ok(()) };
    at_end::forked();
    end_units_of_others(runtime);
    forget_other_threads(py, runtime)?;
    let mut dirs: BTreeSet<PathBuf> = runtime.roots.dirs().iter().cloned().collect();
    for (path, _) in runtime.current(py).get().view().iter() {
        dirs.extend(path.parent().map(PathBuf::from));
    }
    runtime.forget_commands();
    start_updating(py, runtime, dirs.into_iter().collect())
}

/// Ends the units of work of other threads, which go on in the parent only.
fn end_units_of_others(runtime: &Runtime) {
    for generation in runtime.units.keep_own() {
        // Freed generations are disposed of after the next update: the updating thread has not begun.
        drop(runtime.generations.unpin(GenerationId(generation)));
    }
}

/// Forgets the modules and updates that other threads of the parent were loading or staging.
fn forget_other_threads(py: Python<'_>, runtime: &Runtime) -> PyResult<()> {
    if runtime.updating_thread.load(Ordering::Acquire) == thread::thread() {
        // The code that forked is being staged, and goes on.
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
