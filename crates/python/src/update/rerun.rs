//! Which modules of a kept generation have to run again before it can be served again?
//!
//! Those that were disposed of, with the modules that import them; and those that took other code in
//! place since. All others are used as they are.

use std::collections::{HashMap, HashSet};

use pyo3::prelude::*;
use transfuse_engine::{EdgeKind, ModuleName, Target};

use crate::state::{generation::Generation, live_module::LiveModule};

/// The names of these modules, each once.
pub fn modules_to_rerun(py: Python<'_>, generation: &Bound<'_, Generation>) -> Vec<ModuleName> {
    let all = generation.get().all(py);
    // A lazy import used while another generation was current is bound to a module of that one.
    let bound_elsewhere = |instance: &LiveModule| {
        instance.lazy.bound().iter().any(|(name, execution)| {
            let there = generation.get().find(py, name.as_str());
            there.is_none_or(|there| there.get().started() != *execution)
        })
    };
    let mut rerun: Vec<ModuleName> = all
        .iter()
        .filter(|instance| instance.get().is_disposed() || bound_elsewhere(instance.get()))
        .map(|instance| instance.get().name.clone())
        .collect();
    let mut known: HashSet<ModuleName> = rerun.iter().cloned().collect();
    let importers = if rerun.is_empty() { HashMap::new() } else { importers(&all) };
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
            if let (Target::Module(of), EdgeKind::ModuleLevel) = (edge.to, edge.kind) {
                importers.entry(of).or_default().push(instance.get().name.clone());
            }
        }
    }
    importers
}
