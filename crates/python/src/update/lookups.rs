//! What do foreign functions remember of live code that they looked up by a name?
//!
//! A cache of theirs would hand former code to new requests, and to modules that are staged. So what the
//! functions remember that looked up a superseded module goes: after the swap, and before modules run for
//! which they looked it up. `transfuse/registrations/lookups.py` knows where a function may keep it.

use std::collections::BTreeSet;

use pyo3::{intern, prelude::*, types::PyModule};
use transfuse_engine::ModuleName;

use crate::cpython::{log, panics};
use crate::effects::{foreign_lookups::SEARCHES, retention};
use crate::state::live_module::LiveModule;
use crate::state::staging_area::InPlaceNote;
use crate::update::staged_update::StagedUpdate;

impl<'py> StagedUpdate<'py> {
    /// Before modules of the plan run, and when they have run in vain: if foreign code looked up a superseded
    /// module for one of them, it would get former code, or code that was given up.
    pub(super) fn forget_lookups_of_plan(&self, py: Python<'py>) {
        let executed = self.staged.get().staging.executed(py);
        let users = self.removed.iter().chain(&executed);
        if users.clone().any(|user| !self.looked_up_for(user.get()).is_empty()) {
            let all: Vec<_> = users.cloned().collect();
            self.forget(py, &all);
        }
    }

    /// After the swap. Returns what foreign state keeps of former code all the same, and logs it.
    pub(super) fn forget_lookups(
        &self,
        py: Python<'py>,
        executed: &[Bound<'py, LiveModule>],
    ) -> Vec<InPlaceNote> {
        self.forget(py, &self.removed);
        let looked_up: Vec<_> = {
            let records = self.runtime.records.lock();
            let left = |name: &ModuleName| records.imported_by_foreign.get(name).copied();
            let is_worth_it = |one: &&Bound<'_, LiveModule>| left(&one.get().name) > Some(0);
            self.removed.iter().filter(is_worth_it).cloned().collect()
        };
        if looked_up.is_empty() {
            return Vec::new();
        }
        let names: Vec<_> = looked_up.iter().map(|one| one.get().name.clone()).collect();
        let lists = [looked_up.as_slice(), &self.removed, executed].map(|list| modules(py, list));
        let kept = panics::caught(|| {
            let lookups = py.import(intern!(py, "transfuse.registrations.lookups"))?;
            let [looked_up, former, new] = lists;
            let kept = lookups.call_method1(intern!(py, "kept"), (looked_up, former, new))?;
            kept.extract::<Vec<String>>()
        });
        let kept = kept.unwrap_or_else(|error| {
            let _ = log::complain(py, "it is unknown what foreign code keeps", error);
            Vec::new()
        });
        self.count_searches(&names, &kept);
        let note = |name: String| {
            let by = self.lookers(&name);
            let what = format!(
                "foreign code looked this module up ({by}), and keeps objects of its former code: \
                 restart the server"
            );
            log::warning(py, &format!("{name}: {what}"));
            (name, what)
        };
        kept.into_iter().map(note).collect()
    }

    /// A search costs more than many updates, so it is given up where several found nothing: what these
    /// functions look up they do not keep.
    fn count_searches(&self, names: &[ModuleName], kept: &[String]) {
        let mut records = self.runtime.records.lock();
        for name in names {
            let found = kept.iter().any(|one| one == name.as_str());
            if let Some(left) = records.imported_by_foreign.get_mut(name) {
                *left = if found { SEARCHES } else { left.saturating_sub(1) };
            }
        }
    }

    fn forget(&self, py: Python<'py>, former: &[Bound<'py, LiveModule>]) {
        let functions: BTreeSet<(String, String)> = {
            let records = self.runtime.records.lock();
            let of =
                |one: &Bound<'_, LiveModule>| records.looked_up_by.get(&one.get().name).cloned();
            former.iter().filter_map(of).flatten().collect()
        };
        if functions.is_empty() {
            return;
        }
        let modules = modules(py, former);
        let forgotten = panics::caught(|| {
            let lookups = py.import(intern!(py, "transfuse.registrations.lookups"))?;
            lookups.call_method1(intern!(py, "forget"), (Vec::from_iter(functions), modules))
        });
        if let Err(error) = forgotten {
            let _ = log::complain(py, "foreign functions may remember former code", error);
        }
    }

    /// The foreign modules whose functions looked a module up, as text.
    fn lookers(&self, name: &str) -> String {
        let records = self.runtime.records.lock();
        let functions = ModuleName::new(name).ok().and_then(|name| records.looked_up_by.get(&name));
        let modules: BTreeSet<_> =
            functions.into_iter().flatten().map(|(module, _)| module.as_str()).collect();
        Vec::from_iter(modules).join(", ")
    }

    /// The superseded modules that foreign code looked up for a module.
    fn looked_up_for(&self, user: &LiveModule) -> BTreeSet<ModuleName> {
        let mut names = user.taken.by_foreign();
        names.retain(|name| self.removed.iter().any(|one| one.get().name == *name));
        names
    }

    /// The modules to which foreign code has handed former code all the same. Logs them.
    pub fn former_code_handed_on(&self, py: Python<'py>) -> Vec<InPlaceNote> {
        let mut users = self.staged.get().executed(py);
        users.retain(|user| !self.looked_up_for(user.get()).is_empty());
        let pairs = retention::keepers_of_code(&users, &self.removed);
        let handed = pairs.into_iter().filter_map(|(user, of)| {
            let (user, of) = (users[user].get(), &self.removed[of].get().name);
            user.taken.by_foreign().contains(of).then(|| {
                let what = format!(
                    "foreign code remembers former code of {of} and has handed it to this module: \
                     restart the server"
                );
                (user.name.as_str().to_owned(), what)
            })
        });
        let found: Vec<InPlaceNote> = handed.collect();
        for (module, what) in &found {
            log::warning(py, &format!("{module}: {what}"));
        }
        found
    }
}

fn modules(py: Python<'_>, instances: &[Bound<'_, LiveModule>]) -> Vec<Py<PyModule>> {
    instances.iter().map(|one| one.get().module.clone_ref(py)).collect()
}
