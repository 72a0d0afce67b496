//! Which modules keep values that functions of a module read from files, or that foreign code imported
//! for them?

use std::collections::{BTreeMap, BTreeSet};

use transfuse_engine::{ModuleName, sync::Mutex};

/// The keepers for one execution of a module. The locks are held for field access only.
#[derive(Default)]
pub struct Keepers {
    /// `(0x7f6c_1020, 14) -> [shop.conf]`: instructions that read files or import by a call, and the
    /// modules that keep the results.
    pub by_place: Mutex<BTreeMap<(usize, i32), Vec<ModuleName>>>,
    /// `shop.rates -> {shop.conf}`: modules that foreign code imported for its functions, and the
    /// modules that keep the results of these calls.
    through: Mutex<BTreeMap<ModuleName, BTreeSet<ModuleName>>>,
}

impl Keepers {
    /// Records that foreign code imported `imported`, and that `keepers` keep the result.
    pub fn keep_through<'a>(
        &self,
        imported: &ModuleName,
        keepers: impl Iterator<Item = &'a ModuleName>,
    ) {
        let mut keepers = keepers.cloned().peekable();
        if keepers.peek().is_some() {
            self.through.lock().entry(imported.clone()).or_default().extend(keepers);
        }
    }

    pub fn through(&self, imported: &ModuleName) -> Vec<ModuleName> {
        self.through.lock().get(imported).into_iter().flatten().cloned().collect()
    }
}
