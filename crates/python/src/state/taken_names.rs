//! Which names has a module taken of other modules?

use std::collections::{BTreeMap, BTreeSet};

use transfuse_engine::{ModuleName, sync::Mutex};

/// The names that one module took while its code ran. They only grow.
#[derive(Default)]
pub struct TakenNames {
    /// `(shop.tax, Rates)`: those that it, and code that it called, took by `sys.modules`.
    by_sys_modules: Mutex<BTreeSet<(ModuleName, String)>>,
    /// `shop.models -> {Order}`: those that the other module re-exports.
    through: Mutex<BTreeMap<ModuleName, BTreeSet<String>>>,
    /// The modules that foreign code looked up for it, as `import_string` does.
    by_foreign: Mutex<BTreeSet<ModuleName>>,
}

impl TakenNames {
    /// An attribute of that module was taken through `sys.modules`.
    pub fn add_by_sys_modules(&self, of: &ModuleName, attribute: &str) {
        self.by_sys_modules.lock().insert((of.clone(), attribute.to_owned()));
    }

    pub fn has_by_sys_modules(&self, of: &ModuleName, attribute: &str) -> bool {
        self.by_sys_modules.lock().contains(&(of.clone(), attribute.to_owned()))
    }

    /// These names were imported from that module, which re-exports them.
    pub fn add_through(&self, from: &ModuleName, names: &[String]) {
        self.through.lock().entry(from.clone()).or_default().extend(names.iter().cloned());
    }

    pub fn through(&self, from: &ModuleName) -> BTreeSet<String> {
        self.through.lock().get(from).cloned().unwrap_or_default()
    }

    /// Foreign code looked up that module for it.
    pub fn add_by_foreign(&self, of: &ModuleName) {
        self.by_foreign.lock().insert(of.clone());
    }

    pub fn by_foreign(&self) -> BTreeSet<ModuleName> {
        self.by_foreign.lock().clone()
    }

    /// Takes over what another instance has taken.
    pub fn become_like(&self, other: &TakenNames) {
        let by_sys_modules = std::mem::take(&mut *other.by_sys_modules.lock());
        *self.by_sys_modules.lock() = by_sys_modules;
        let through = std::mem::take(&mut *other.through.lock());
        *self.through.lock() = through;
        let by_foreign = std::mem::take(&mut *other.by_foreign.lock());
        *self.by_foreign.lock() = by_foreign;
    }
}
