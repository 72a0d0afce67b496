//! Which instances did a plan not know of?
//!
//! Threads load modules at any time, also after the seeds of an update were collected and before its
//! generation is staged. An instance that they load then, from the old source or with a changed
//! module, must not get into the new generation. Imports in that generation load it anew.

use std::collections::HashSet;

use pyo3::prelude::*;
use transfuse_engine::{ModuleName, SourceSnapshot, Target};

use crate::state::live_module::{LiveModule, next_started};
use crate::{state::generation::Generation, state::runtime::Runtime};

/// The first execution whose instance a plan drawn from now on may miss: the oldest that a thread is
/// loading, or the next.
pub fn loads_since(py: Python<'_>, runtime: &Runtime) -> u64 {
    let next = next_started();
    if runtime.flights.is_idle() {
        return next;
    }
    // An instance is in its generation from its start.
    let _guard = runtime.nogil_lock.lock(py);
    let half = runtime.current(py).get().all(py).into_iter().filter(|one| !one.get().is_ready());
    half.map(|one| one.get().started()).min().unwrap_or(next).min(next)
}

/// Of the executions `since` that one, the modules that the staged generation must not share: their
/// source differs in it, or they import such a module.
pub fn outdated(
    py: Python<'_>,
    runtime: &Runtime,
    base: &Bound<'_, Generation>,
    view: &SourceSnapshot,
    planned: &[&ModuleName],
    since: u64,
) -> Vec<ModuleName> {
    if runtime.flights.is_idle() && next_started() == since {
        return Vec::new();
    }
    let all = base.get().all(py).into_iter().filter(|one| one.get().started() >= since);
    let mut left: Vec<_> = all.filter(|one| !planned.contains(&&one.get().name)).collect();
    let mut gone: Vec<Target> =
        planned.iter().map(|name| Target::Module((*name).clone())).collect();
    let mut found = Vec::new();
    loop {
        let stale = |one: &Bound<'_, LiveModule>| {
            let of = one.get();
            let other = match (&of.path, of.source()) {
                (Some(path), Some(source)) => {
                    view.get(path).map(|now| now.digest()) != Some(source.digest())
                }
                _ => false,
            };
            other || gone.iter().any(|to| of.imports(to))
        };
        let (stale, others): (Vec<_>, Vec<_>) = left.into_iter().partition(stale);
        if stale.is_empty() {
            return found;
        }
        for one in &stale {
            found.push(one.get().name.clone());
            gone.push(Target::Module(one.get().name.clone()));
        }
        left = others;
    }
}

/// Adds the instances that threads loaded into the current generation after the next one was staged,
/// so that this does not have them: they are superseded, too. If they went on to answer for "the
/// current generation", old code would get the new one's modules from the swap on.
pub fn superseded_by_swap<'py>(
    py: Python<'py>,
    base: &Bound<'py, Generation>,
    staged: &Bound<'py, Generation>,
    removed: &mut Vec<Bound<'py, LiveModule>>,
) {
    let known: HashSet<_> = removed.iter().map(|one| one.as_ptr()).collect();
    let all = base.get().all(py).into_iter();
    removed
        .extend(all.filter(|one| !known.contains(&one.as_ptr()) && !staged.get().holds(py, one)));
}
