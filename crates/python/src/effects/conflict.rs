//! May a module that is being staged change one that the current generation is using?
//!
//! The plan covers the changes that a module was observed to make when it last ran
//! (`effects/observation.rs`). Where its new source uses something for the first time, its changes
//! are unknown. If other modules use the same, it is assumed to change what they were observed to
//! change; otherwise, all that such a use could change (`effects/reachable_state.rs`). This is
//! decided before the code runs: staging stops at the import, and begins again with these modules
//! in the plan.

use std::cell::RefCell;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use transfuse_engine::{EdgeKind, ModuleName, Policy, Target};

use crate::code::name_usage::NameUsage;
use crate::effects::import_closure::import_closure;
use crate::effects::reachable_state::{
    live_attribute, mutable_state_reachable, mutable_state_reachable_by,
};
use crate::state::live_module::LiveModule;
use crate::state::policy::effective_policy;
use crate::state::scope::Scope;

thread_local! {
    /// The modules to add to the plan before staging begins again, each with the module that may
    /// change it. Written and taken by the staging thread.
    static CONFLICTS: RefCell<Vec<(ModuleName, ModuleName)>> = const { RefCell::new(Vec::new()) };
}

/// The modules to add to the plan, since the last call.
pub fn take() -> Vec<(ModuleName, ModuleName)> {
    CONFLICTS.take()
}

/// Adds a module to the plan that `by` has changed, without stopping `by`.
pub fn add(affected: &ModuleName, by: &ModuleName) {
    CONFLICTS.with_borrow_mut(|conflicts| conflicts.push((affected.clone(), by.clone())));
}

/// Stops the staging at this import statement at module level if using the imported module, whose
/// name is written so, may change a module in use.
pub fn check<'py>(
    scope: &Scope<'py>,
    caller: &Bound<'py, LiveModule>,
    imported: &Bound<'py, LiveModule>,
    written: &str,
) -> PyResult<()> {
    let Some(base) = base_with(scope, imported) else { return Ok(()) };
    let before = base.find(caller.get().name.as_str());
    let mut may_change = Vec::new();
    let mut waiting = vec![(imported.clone(), written.to_owned())];
    while let Some((of, written)) = waiting.pop() {
        let attributes = caller.get().with_name_usage(|outline| outline.taken_of(&written));
        for attribute in attributes.unwrap_or_default().iter() {
            // A module: look at the attributes taken of it.
            if let Some(inner) = live_attribute(&base, &of, attribute) {
                waiting.push((inner, format!("{written}.{attribute}")));
                continue;
            }
            if before.as_ref().is_some_and(|old| uses(old.get(), &written, attribute, &of)) {
                continue;
            }
            // A caller that holds a whole module may use it in other ways than others do.
            let seen = match attribute {
                "" => None,
                _ => changed_by_others(&base, &of, attribute),
            };
            may_change
                .extend(seen.unwrap_or_else(|| mutable_state_reachable(&base, &of, attribute)));
        }
    }
    restart_staging(scope, &base, caller, may_change)
}

/// The same for a module that a function imports, or a call (`import_module`). It is assumed to use
/// those of its names that the caller's code mentions.
pub fn check_own<'py>(
    scope: &Scope<'py>,
    caller: &Bound<'py, LiveModule>,
    imported: &Bound<'py, LiveModule>,
) -> PyResult<()> {
    let Some(base) = base_with(scope, imported) else { return Ok(()) };
    let old = used_before(&base, caller, imported);
    let old = old.as_ref().map(|old| old.get());
    let whole = |outline: &NameUsage| outline.takes_any || outline.runs_text;
    if caller.get().with_name_usage(whole).unwrap_or(true) {
        let known = old.is_some_and(|old| old.with_name_usage(whole) == Some(true));
        let all = if known { Vec::new() } else { vec![imported.get().name.clone()] };
        return restart_staging(scope, &base, caller, all);
    }
    let known = old.and_then(|old| old.with_name_usage(|o| o.mentions.clone())).unwrap_or_default();
    let names = caller.get().with_name_usage(|outline| {
        let all = outline.mentions.names().chain(outline.mentions_later.names());
        all.filter(|name| !known.has(*name)).map(|name| name.text().to_owned()).collect::<Vec<_>>()
    });
    let may_change = mutable_state_reachable_by(&base, imported, &names.unwrap_or_default());
    restart_staging(scope, &base, caller, may_change)
}

/// The same for one attribute (`__dict__` for all, empty for one that is set) of an entry in
/// `sys.modules`.
pub fn check_attribute<'py>(
    scope: &Scope<'py>,
    running: &Bound<'py, LiveModule>,
    module: &Bound<'py, LiveModule>,
    attribute: &str,
) -> PyResult<()> {
    let Some(base) = base_with(scope, module) else { return Ok(()) };
    // Its effects were observed then.
    if base
        .find(running.get().name.as_str())
        .is_some_and(|old| old.get().taken.has_by_sys_modules(&module.get().name, attribute))
    {
        return Ok(());
    }
    let mentions = |usage: &NameUsage| usage.mentions.contains(attribute) || usage.takes_any;
    if used_before(&base, running, module)
        .is_some_and(|old| old.get().with_name_usage(mentions) == Some(true))
    {
        return Ok(());
    }
    // A package that has not run again has the submodules that were loaded after such a question.
    if live_attribute(&base, module, attribute)
        .is_some_and(|inner| has_imported(&base, running, &inner))
    {
        return Ok(());
    }
    let may_change = mutable_state_reachable(&base, module, attribute);
    restart_staging(scope, &base, running, may_change)
}

/// The current generation, if it uses the imported module and the staged one does not change it.
fn base_with<'py>(scope: &Scope<'py>, imported: &Bound<'py, LiveModule>) -> Option<Scope<'py>> {
    let in_place = || scope.generation.get().staging.takes_in_place(scope.py, imported);
    scope.base().filter(|base| base.holds(imported) && !in_place())
}

/// The instance of before, if its module-level code imported that, too.
fn used_before<'py>(
    base: &Scope<'py>,
    caller: &Bound<'py, LiveModule>,
    imported: &Bound<'py, LiveModule>,
) -> Option<Bound<'py, LiveModule>> {
    let to = Target::Module(imported.get().name.clone());
    base.find(caller.get().name.as_str()).filter(|old| old.get().imports(&to))
}

/// The same for a module that is imported by code that the module calls, which may use any of it.
pub fn check_through<'py>(
    scope: &Scope<'py>,
    running: &Bound<'py, LiveModule>,
    imported: &Bound<'py, LiveModule>,
) -> PyResult<()> {
    let Some(base) = scope.base() else { return Ok(()) };
    if has_imported(&base, running, imported) || !base.holds(imported) {
        return Ok(());
    }
    restart_staging(scope, &base, running, vec![imported.get().name.clone()])
}

/// Whether the instance of before, or code that it called, imported that: then the changes of it
/// were observed.
fn has_imported<'py>(
    base: &Scope<'py>,
    running: &Bound<'py, LiveModule>,
    imported: &Bound<'py, LiveModule>,
) -> bool {
    let to = Target::Module(imported.get().name.clone());
    base.find(running.get().name.as_str())
        .is_some_and(|old| old.get().edges().iter().any(|edge| edge.to == to))
}

/// Stops the staging if one of these modules is in use.
fn restart_staging<'py>(
    scope: &Scope<'py>,
    base: &Scope<'py>,
    running: &Bound<'py, LiveModule>,
    may_change: Vec<ModuleName>,
) -> PyResult<()> {
    let changing = &running.get().name;
    let is_shared = |name: &ModuleName| {
        let Some(there) = base.find(name.as_str()) else { return false };
        // A module with the policy `never` cannot be added to a plan: it is shared, as declared.
        let may_run = || effective_policy(scope.py, scope.runtime, there.get()) != Policy::Never;
        name != changing && scope.holds(&there) && may_run()
    };
    let shared: Vec<ModuleName> = may_change.into_iter().filter(is_shared).collect();
    let Some(first) = shared.first() else { return Ok(()) };
    let message = format!("{changing} may change {first}, which is in use: staging begins again");
    CONFLICTS.with_borrow_mut(|conflicts| {
        conflicts.extend(shared.into_iter().map(|name| (name, changing.clone())));
    });
    Err(PyImportError::new_err(message))
}

/// Whether it used that attribute, or may have used all that it imported.
fn uses(
    instance: &LiveModule,
    written: &str,
    attribute: &str,
    imported: &Bound<'_, LiveModule>,
) -> bool {
    let imports = || instance.imports(&Target::Module(imported.get().name.clone()));
    instance
        .with_name_usage(|outline| {
            outline.takes_of(written, attribute) || (outline.runs_text && imports())
        })
        .unwrap_or(false)
}

/// The modules that others in the current generation were observed to change, of those that the use
/// can reach; none if no other module uses the same.
fn changed_by_others(
    base: &Scope<'_>,
    imported: &Bound<'_, LiveModule>,
    attribute: &str,
) -> Option<Vec<ModuleName>> {
    let importers: Vec<ModuleName> = {
        let records = base.runtime.records.lock();
        records.graph.importers(&imported.get().name).map(|(name, _)| name.clone()).collect()
    };
    let mut seen: Option<Vec<ModuleName>> = None;
    for name in importers {
        let Some(other) = base.find(name.as_str()) else { continue };
        let same = other
            .get()
            .with_name_usage(|o| o.used.values().any(|used| used.contains(attribute)))
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
        let reached = import_closure(base, imported);
        seen.retain(|name| reached.iter().any(|other| other.get().name == *name));
    }
    seen
}
