//! Which submodules of a package would a fresh process not have loaded yet?
//!
//! While an update runs a module, packages that have run have all submodules that were loaded before the
//! update, also those that come later than this module in a fresh process. A module that lists
//! a package (`dir(shop)`, `inspect.getmembers`, a star import) must not find them. Later are those that
//! began later than this module when the process started, and that no import of the update leads to.
//! Where they are asked for by name they are there.

use std::collections::BTreeSet;

use pyo3::prelude::*;
use transfuse_engine::Target;

use crate::state::{execution_stack, live_module::LiveModule, scope::Scope};

/// Those of the submodules with these names, `[prices]`, that are later than a module that is being
/// executed.
pub fn later(
    scope: &Scope<'_>,
    running: &Bound<'_, LiveModule>,
    package: &LiveModule,
    names: Vec<String>,
) -> BTreeSet<String> {
    let Some(base) = scope.base().filter(|_| !running.get().is_ready()) else {
        return BTreeSet::new();
    };
    if scope.find(package.name.as_str()).is_none_or(|there| !std::ptr::eq(there.get(), package)) {
        return BTreeSet::new();
    }
    let mut found: Vec<_> = names
        .into_iter()
        .filter_map(|tail| Some((scope.find(package.name.join(&tail).as_str())?, tail)))
        .filter(|(child, _)| base.holds(child) && child.get().rank() > running.get().rank())
        .collect();
    if !found.is_empty() {
        let there = loaded_so_far(scope);
        found.retain(|(child, _)| !there.contains(&(child.as_ptr() as usize)));
    }
    found.into_iter().map(|(_, tail)| tail).collect()
}

/// The addresses of the modules that the code of this update has run or imported, directly or not.
fn loaded_so_far(scope: &Scope<'_>) -> BTreeSet<usize> {
    let mut waiting = scope.generation.get().executed(scope.py);
    waiting.extend(execution_stack::all(scope.py));
    let mut found = BTreeSet::new();
    while let Some(next) = waiting.pop() {
        if !found.insert(next.as_ptr() as usize) {
            continue;
        }
        for edge in next.get().edges() {
            if let (true, Target::Module(name)) = (edge.kind.is_import(), &edge.to) {
                waiting.extend(scope.find(name.as_str()));
            }
        }
    }
    found
}
