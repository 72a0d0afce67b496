//! May a module that is being staged change one that the current generation is using?
//!
//! What a module changed when it last ran is known (`observe.rs`) and planned
//! for. What it would change now is not, where its source uses something it did
//! not use before. If others use the same, what they were seen to change is what
//! it may change; if nobody does, what that could change at all (`influence.rs`).
//! It is assumed before the code in question has run: staging stops at the
//! import, and begins again with these modules in the plan.

use std::cell::RefCell;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use transfuse_engine::{EdgeKind, ModuleName, Policy, Target};

use crate::engine::Engine;
use crate::generation::Generation;
use crate::influence::could_change;
use crate::instance::Instance;
use crate::observe::reach;
use crate::planning::policy_now;

thread_local! {
    /// What has to be added to the plan before staging begins again: who, and because of whom.
    /// Written and taken by the staging thread.
    static WIDEN: RefCell<Vec<(ModuleName, ModuleName)>> = const { RefCell::new(Vec::new()) };
}

/// What has to be added to the plan, since the last call.
pub fn take() -> Vec<(ModuleName, ModuleName)> {
    WIDEN.take()
}

/// Stops the staging at this import if using what is imported may change what is in use.
pub fn consider<'py>(
    py: Python<'py>,
    engine: &Engine,
    generation: &Bound<'py, Generation>,
    caller: &Bound<'py, Instance>,
    imported: &Bound<'py, Instance>,
    written: &str,
) -> PyResult<()> {
    let Some(base) = generation.get().base(py) else { return Ok(()) };
    if !base.get().holds(py, imported) || generation.get().takes_in_place(py, imported) {
        return Ok(());
    }
    let attributes =
        caller.get().with_outline(|outline| outline.used.get(written).cloned().unwrap_or_default());
    let before = base.get().find(py, caller.get().name.as_str());
    let mut may_change = Vec::new();
    for attribute in attributes.unwrap_or_default() {
        if before.as_ref().is_some_and(|old| uses(old.get(), written, &attribute)) {
            continue;
        }
        may_change.extend(match changed_by_others(py, engine, &base, imported, &attribute) {
            Some(seen) => seen,
            None => could_change(py, &base, imported, &attribute),
        });
    }
    stop(py, engine, generation, &base, caller, may_change)
}

/// The same for what is imported by code that the module calls: what it uses of it is not known.
pub fn consider_through<'py>(
    py: Python<'py>,
    engine: &Engine,
    generation: &Bound<'py, Generation>,
    running: &Bound<'py, Instance>,
    imported: &Bound<'py, Instance>,
) -> PyResult<()> {
    let Some(base) = generation.get().base(py) else { return Ok(()) };
    let name = &imported.get().name;
    let known = base.get().find(py, running.get().name.as_str()).is_some_and(|old| {
        old.get().edges().iter().any(|edge| edge.to == Target::Module(name.clone()))
    });
    if known || !base.get().holds(py, imported) {
        return Ok(());
    }
    stop(py, engine, generation, &base, running, vec![name.clone()])
}

/// Stops the staging if one of these modules is in use.
fn stop<'py>(
    py: Python<'py>,
    engine: &Engine,
    generation: &Bound<'py, Generation>,
    base: &Bound<'py, Generation>,
    whose: &Bound<'py, Instance>,
    may_change: Vec<ModuleName>,
) -> PyResult<()> {
    let whose = &whose.get().name;
    let shared = |who: &ModuleName| {
        let Some(there) = base.get().find(py, who.as_str()) else { return false };
        // What is never to be run again cannot be added to a plan: it is shared, as it says.
        let may_run = || policy_now(py, engine, there.get()) != Policy::Never;
        who != whose && generation.get().holds(py, &there) && may_run()
    };
    let shared: Vec<ModuleName> = may_change.into_iter().filter(shared).collect();
    let Some(first) = shared.first() else { return Ok(()) };
    let message = format!("{whose} may change {first}, which is in use: staging begins again");
    WIDEN.with_borrow_mut(|widen| {
        widen.extend(shared.into_iter().map(|who| (who, whose.clone())));
    });
    Err(PyImportError::new_err(message))
}

fn uses(instance: &Instance, written: &str, attribute: &str) -> bool {
    instance
        .with_outline(|outline| {
            outline.used.get(written).is_some_and(|used| used.contains(attribute))
        })
        .unwrap_or(false)
}

/// What the modules of the current generation that use the same thing were seen to change of what
/// using it reaches; none if there are no such modules.
fn changed_by_others(
    py: Python<'_>,
    engine: &Engine,
    base: &Bound<'_, Generation>,
    imported: &Bound<'_, Instance>,
    attribute: &str,
) -> Option<Vec<ModuleName>> {
    let importers: Vec<ModuleName> = {
        let book = engine.book.lock().unwrap();
        book.graph.importers(&imported.get().name).map(|(name, _)| name.clone()).collect()
    };
    let mut seen: Option<Vec<ModuleName>> = None;
    for name in importers {
        let Some(other) = base.get().find(py, name.as_str()) else { continue };
        let same = other
            .get()
            .with_outline(|o| o.used.values().any(|used| used.contains(attribute)))
            .unwrap_or(false);
        if !same {
            continue;
        }
        let changed = seen.get_or_insert_default();
        for edge in other.get().edges() {
            if let (Target::Module(to), EdgeKind::Affects) = (edge.to, edge.kind)
                && !changed.contains(&to)
            {
                changed.push(to);
            }
        }
    }
    let within = seen.as_ref().is_some_and(|seen| !seen.is_empty());
    if within && let Some(seen) = &mut seen {
        let reached = reach(py, base, imported);
        seen.retain(|name| reached.iter().any(|other| other.get().name == *name));
    }
    seen
}
