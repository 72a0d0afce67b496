//! Which modules of a kept generation have to run again before it can be served again?
//!
//! A former application is made again, not woken: if one of the modules that come back was disposed
//! of, or its application was shut down, then all of them run, for nothing tells what its end has
//! closed in the others. So do those that took other code in place since, and those with a lazy
//! import that is bound to a module of another generation, with the modules that import them. All
//! others are used as they are.

use std::collections::{HashMap, HashSet};

use pyo3::prelude::*;
use transfuse_engine::{DependencyGraph, ModuleName, Plan, Target, plan_of};

use crate::state::{generation::Generation, live_module::LiveModule, runtime::Runtime};

/// The plan that runs these modules.
pub fn plan(py: Python<'_>, runtime: &Runtime, generation: &Bound<'_, Generation>) -> Plan {
    let all = generation.get().all(py);
    let current = runtime.current(py);
    let come_back: Vec<_> = all.iter().filter(|one| !current.get().holds(py, one)).collect();
    let first = if come_back.iter().any(|one| one.get().is_over()) {
        come_back
    } else {
        all.iter().filter(|one| is_bound_elsewhere(py, generation, one.get())).collect()
    };
    let first = first.iter().map(|one| one.get().name.clone()).collect();
    let names = with_others(generation, &all, first);
    let mut graph = DependencyGraph::default();
    for instance in &all {
        graph.set_edges(&instance.get().name, instance.get().edges());
    }
    let find = |name: &ModuleName| generation.get().find(py, name.as_str());
    plan_of(&graph, names, |name| find(name).map_or(u64::MAX, |found| found.get().rank()))
}

/// Is a lazy import, which was used while another generation was current, bound to a module of that
/// one?
fn is_bound_elsewhere(
    py: Python<'_>,
    generation: &Bound<'_, Generation>,
    instance: &LiveModule,
) -> bool {
    instance.lazy.bound().iter().any(|(name, execution)| {
        let there = generation.get().find(py, name.as_str());
        there.is_none_or(|there| there.get().started() != *execution)
    })
}

/// With the modules that import them, and those that took other code in place.
fn with_others(
    generation: &Bound<'_, Generation>,
    all: &[Bound<'_, LiveModule>],
    mut rerun: Vec<ModuleName>,
) -> Vec<ModuleName> {
    let mut known: HashSet<ModuleName> = rerun.iter().cloned().collect();
    let importers = if rerun.is_empty() { HashMap::new() } else { importers(all) };
    let mut next = 0;
    while let Some(of) = rerun.get(next) {
        next += 1;
        let new = importers.get(of).into_iter().flatten();
        rerun.extend(new.filter(|name| known.insert((*name).clone())).cloned().collect::<Vec<_>>());
    }
    let view = generation.get().view();
    let others = all.iter().map(|instance| instance.get()).filter_map(|instance| {
        let then = view.get(instance.path.as_ref()?)?.digest();
        (instance.source()?.digest() != then).then(|| instance.name.clone())
    });
    rerun.extend(others.filter(|name| known.insert(name.clone())).collect::<Vec<_>>());
    rerun
}

/// Module -> the modules that import it at module level, `shop.tax -> [shop.prices]`.
fn importers(all: &[Bound<'_, LiveModule>]) -> HashMap<ModuleName, Vec<ModuleName>> {
    let mut importers: HashMap<ModuleName, Vec<ModuleName>> = HashMap::new();
    for instance in all {
        for edge in instance.get().edges() {
            if let (Target::Module(of), true) = (edge.to, edge.kind.is_import()) {
                importers.entry(of).or_default().push(instance.get().name.clone());
            }
        }
    }
    importers
}
