//! Which modules does an update concern that no import leads to?
//!
//! Asked when all modules of the plan have run: two ways lead past imports and the state of live modules.
//! A foreign registry hands live code to other live code, by a name or at its first use. And a module
//! reads from the environment what another one has put there. Neither can be seen before, and both
//! are seldom, so nothing is done for them unless something was registered, or put there.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;

use pyo3::prelude::*;
use transfuse_engine::{ModuleName, Reason};

use crate::effects::{environ, retention};
use crate::state::{environ_change::Place, live_module::LiveModule};
use crate::update::{registrations, staged_update::StagedUpdate};

impl<'py> StagedUpdate<'py> {
    /// The modules in use that have to run as well, each with its reason, and those that were stopped.
    /// `complete`: whether all modules of the plan have run.
    pub fn concerned(
        &self,
        py: Python<'py>,
        complete: bool,
    ) -> (Vec<(ModuleName, Reason)>, HashSet<ModuleName>) {
        let (mut found, stopped) = self.newly_affected(py);
        if complete && found.is_empty() {
            found = self.kept_through_registries(py);
            found.extend(self.readers_of_environment(py));
        }
        (found, stopped)
    }

    /// Modules that lead to former code of the modules that ran, because foreign code has handed it to
    /// them: a logger that keeps the processors which it was first used with, a reference that was
    /// resolved by a name. That takes a foreign registry, in which the new code is as well.
    fn kept_through_registries(&self, py: Python<'py>) -> Vec<(ModuleName, Reason)> {
        let is_none = || {
            let registered = registrations::registered(py, &self.staged, &self.removed);
            registered.is_some_and(|found| found.is_empty())
        };
        // Of the two questions the one comes first that is likely to be the only one.
        let expected = registrations::are_expected();
        if self.removed.is_empty() || !expected && is_none() {
            return Vec::new();
        }
        let holders = self.in_use(py);
        let pairs = retention::keepers_of_code(&holders, &self.removed);
        if expected && !pairs.is_empty() && is_none() {
            return Vec::new();
        }
        let names = pairs.into_iter().map(|(holder, of)| {
            let of = self.removed[of].get().name.clone();
            (holders[holder].get().name.clone(), Reason::Retains(of))
        });
        names.collect()
    }

    /// Modules that may have read what the modules that ran have changed: a variable of the environment, or
    /// the working directory, which all later code may depend on.
    fn readers_of_environment(&self, py: Python<'py>) -> Vec<(ModuleName, Reason)> {
        let executed = self.staged.get().executed(py);
        let (former, new) = (values(&self.removed), values(&executed));
        let differs = |place: &Place, value| former.get(place).is_none_or(|one| one.0 != value);
        let changed = new.iter().filter(|(place, (value, _))| differs(place, value.clone()));
        let gone = former.iter().filter(|(place, (value, _))| {
            !new.contains_key(*place) && !environ::is_in_force(py, place, value.as_ref())
        });
        let mut changed: Vec<_> = changed.chain(gone).collect();
        // The working directory comes last: only modules that ran later depend on it.
        changed.sort_by_key(|(place, _)| **place == Place::WorkingDirectory);
        let mut found = Vec::new();
        for (place, (_, by)) in changed {
            let since = self.removed.iter().find(|one| one.get().name == *by);
            let since = since.map_or(0, |one| one.get().started());
            let may_read = |one: &LiveModule| match place {
                Place::Variable(_) => one.with_name_usage(environ::may_read) == Some(true),
                Place::WorkingDirectory => one.started() > since,
            };
            let names = |found: &[(ModuleName, Reason)], name: &ModuleName| {
                found.iter().any(|(other, _)| other == name)
            };
            for one in self.in_use(py).iter().filter(|one| may_read(one.get())) {
                let name = one.get().name.clone();
                if !names(&found, &name) {
                    found.push((name, Reason::AffectedBy(by.clone())));
                }
            }
        }
        found
    }

    fn in_use(&self, py: Python<'py>) -> Vec<Bound<'py, LiveModule>> {
        let mut all = self.staged.get().all(py);
        all.retain(|module| self.is_in_use(py, &module.get().name));
        all
    }
}

/// What executions have set or removed -> the value, and the module that did.
fn values(executions: &[Bound<'_, LiveModule>]) -> HashMap<Place, (Option<OsString>, ModuleName)> {
    let mut found = HashMap::new();
    for instance in executions {
        for change in instance.get().environ() {
            found.insert(change.place, (change.value, instance.get().name.clone()));
        }
    }
    found
}
