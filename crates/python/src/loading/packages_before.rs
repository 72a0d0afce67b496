//! Which packages does an import start that leads to modules which do not run again?
//!
//! `from shop.tax import RATE` runs the package `shop` first, but takes nothing of it, so an edit of
//! `shop` does not run the importing module. If another module of the plan imports that one, a fresh
//! process would run `shop` within that import. It matters in circles: the modules that
//! `shop` imports then find the importing module partially initialized.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use transfuse_engine::{EdgeKind, ModuleName, Plan, Target};

use crate::loading::load;
use crate::state::{live_module::LiveModule, scope::Scope};

/// The modules of a plan are about to run: notes the packages that have code. Nothing is searched for
/// where there are none.
pub fn begin(scope: &Scope<'_>, plan: &Plan) {
    let Some(base) = scope.base() else { return };
    let names = plan.steps.iter().map(|step| &step.name);
    let has_code = |name: &&ModuleName| {
        let found = base.find(name.as_str());
        found.is_some_and(|found| found.get().package && found.get().file.is_some())
    };
    let staging = &scope.generation.get().staging;
    *staging.packages_before.lock() = names.filter(has_code).cloned().collect();
    staging.searched.lock().clear();
}

/// `imported` does not run again, and code of the plan imports it: loads the packages that wait and that
/// its imports lead through, directly or not.
pub fn start(scope: &Scope<'_>, imported: &Bound<'_, LiveModule>) -> PyResult<()> {
    let staging = &scope.generation.get().staging;
    if staging.packages_before.lock().is_empty() {
        return Ok(());
    }
    let Some(base) = scope.base() else { return Ok(()) };
    let mut found = BTreeMap::new();
    let mut todo = vec![imported.clone()];
    while let Some(next) = todo.pop() {
        if !base.holds(&next) || !staging.searched.lock().insert(next.get().name.clone()) {
            continue;
        }
        for edge in next.get().edges() {
            let (
                EdgeKind::ModuleLevel | EdgeKind::Through | EdgeKind::NotFound,
                Target::Module(to),
            ) = (edge.kind, edge.to)
            else {
                continue;
            };
            for package in std::iter::successors(to.parent(), ModuleName::parent) {
                if staging.packages_before.lock().remove(&package)
                    && scope.find(package.as_str()).is_none()
                    && let Some(former) = base.find(package.as_str())
                {
                    found.insert(former.get().rank(), package);
                }
            }
            todo.extend(scope.find(to.as_str()));
        }
    }
    for package in found.into_values() {
        load::load(scope, &package)?;
    }
    Ok(())
}
