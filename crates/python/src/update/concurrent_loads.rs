//! Which instances did a plan not know of?
//!
//! Threads load modules at any time, also between the moment in which somebody asks
//! what the changed files mean and the one in which a generation is begun. What they
//! load then, from the old source or with what has changed, must not get into the
//! new generation.

use std::collections::HashSet;

use pyo3::prelude::*;
use transfuse_engine::{ModuleName, SourceSnapshot, Target};

use crate::state::generation::Generation;
use crate::state::live_module::{LiveModule, next_started};
use crate::state::runtime::Runtime;

/// From which execution on what is asked from now on does not know of instances: those that begin from
/// now on, and those that some thread is loading.
pub fn loads_since(py: Python<'_>, runtime: &Runtime) -> u64 {
    let next = next_started();
    if runtime.flights.is_idle() {
        return next;
    }
    // What has begun is in its generation.
    let _guard = runtime.nogil_lock.lock(py);
    let half = runtime.current(py).get().all(py).into_iter().filter(|one| !one.get().is_ready());
    half.map(|one| one.get().started()).min().unwrap_or(next).min(next)
}

/// Of these, the modules that the staged generation must not have: their source is another in it,
/// or they import what is. Who is to run them, in that generation, is whoever asks for them.
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

/// Adds what threads have loaded into the current generation since the next one was begun, and what
/// that one does not have: it is superseded like all the rest. If it went on to answer for "the
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
