//! How does a staged update take in modules that its plan did not have?
//!
//! An execution may turn out to affect a module that is in use. That module then runs as well, and
//! what has run already is kept where it is still right. Stale is each module that imports or
//! affects one that is to run, or that a stale one affects: it has taken values from the former
//! execution, or registered with it, or has a registration of an execution that is given up.

use std::{cell::OnceCell, collections::HashSet};

use pyo3::prelude::*;
use transfuse_engine::{EdgeKind, ModuleName, Plan, Policy, Reason, Step, Target};

use crate::effects::subclasses::{self, ListedBases};
use crate::effects::{builtins_names, environ, names_from_elsewhere, submodule_use};
use crate::loading::submodules;
use crate::state::{live_module::LiveModule, policy::effective_policy, scope::Scope};
use crate::update::concurrent_loads::outdated;
use crate::update::planning::{UpdateRequest, without_restarts};
use crate::update::staged_update::StagedUpdate;

impl<'py> StagedUpdate<'py> {
    /// Widens the plan. Modules run again that are new in it, that `incomplete` names because their
    /// execution was stopped, and those that are stale with them.
    pub fn widen(
        mut self,
        py: Python<'py>,
        request: &UpdateRequest,
        plan: &Plan,
        incomplete: HashSet<ModuleName>,
    ) -> PyResult<Self> {
        let view = without_restarts(py, self.runtime, request.view.clone(), &plan.restart);
        let is_other_view = view.fingerprint() != self.staged.get().view().fingerprint();
        if is_other_view || !self.staged.get().staging.in_place(py).is_empty() {
            // Other content, or steps on modules in use that have to be taken back: from the start.
            self.abort(py);
            return Self::begin(py, self.runtime, request, plan);
        }
        // With the executions that were stopped, which may have changed what ran before them.
        let executed = self.staged.get().staging.executed(py);
        let listed = ListedBases::of(py, self.staged.get());
        let mut stale = incomplete;
        stale.extend(self.take_out(py, request, plan)?);
        while let Some(name) =
            executed.iter().find_map(|one| newly_stale(one, &executed, &stale, &listed))
        {
            stale.insert(name);
        }
        for instance in executed.iter().filter(|one| stale.contains(&one.get().name)) {
            self.give_up(py, instance)?;
        }
        Ok(self)
    }

    /// Takes the instances of the current generation that are to run or gone out of the staged one,
    /// and those that the plan does not know of. Returns their names.
    pub(super) fn take_out(
        &mut self,
        py: Python<'py>,
        request: &UpdateRequest,
        plan: &Plan,
    ) -> PyResult<Vec<ModuleName>> {
        let _guard = self.runtime.nogil_lock.lock(py);
        let deleted = request.seeds.iter().filter(|(_, reason)| *reason == Reason::Deleted);
        let deleted = deleted.map(|(name, _)| name);
        let planned: Vec<_> = plan.steps.iter().map(|step| &step.name).chain(deleted).collect();
        let view = self.staged.get().view();
        let outdated = outdated(py, self.runtime, &self.base, &view, &planned, request.since);
        let mut taken = Vec::new();
        for name in planned.into_iter().chain(&outdated) {
            let instance = self.base.get().find(py, name.as_str());
            if let Some(instance) = instance.filter(|one| self.staged.get().take(py, one)) {
                self.removed.push(instance);
                taken.push(name.clone());
            }
        }
        for name in &taken {
            let package = name.parent().and_then(|name| self.base.get().find(py, name.as_str()));
            if let Some(package) = package.filter(|package| self.staged.get().holds(py, package)) {
                submodules::make_dynamic(py, &package, name.tail())?;
            }
        }
        Ok(taken)
    }

    /// The modules in use that have base classes of what has run, where code lists the subclasses,
    /// those that reach a submodule which is new through its package, and those that took names of a
    /// module which have other values now.
    pub(super) fn concerned_by_executed(&self, py: Python<'py>) -> Vec<(ModuleName, Reason)> {
        let (staged, base) = (self.staged.get(), self.base.get());
        let listed = OnceCell::new();
        let mut found = Vec::new();
        for instance in staged.executed(py) {
            let name = &instance.get().name;
            let mut concerned =
                listed.get_or_init(|| ListedBases::of(py, staged)).modules_of_bases(&instance);
            concerned.extend(subclasses::newly_listed(staged, base, &instance));
            found.extend(concerned.into_iter().map(|to| (to, Reason::AffectedBy(name.clone()))));
            if name.parent().is_some() && base.find(py, name.as_str()).is_none() {
                let users = staged.all(py).into_iter().filter(|user| {
                    submodule_use::kind(py, user.get(), name) == Some(EdgeKind::ModuleLevel)
                });
                let reason = |user: Bound<'_, LiveModule>| {
                    (user.get().name.clone(), Reason::Imports(name.clone()))
                };
                found.extend(users.map(reason));
            }
        }
        found.extend(self.takers_of_others(py));
        found.extend(self.readers_of_builtins(py));
        found.retain(|(name, _)| self.is_in_use(py, name));
        found
    }

    /// The modules that read at module level what a module puts into `builtins`, where that is another object
    /// now, or none.
    fn readers_of_builtins(&self, py: Python<'py>) -> Vec<(ModuleName, Reason)> {
        let (staged, base) = (self.staged.get(), self.base.get());
        let mut executed = staged.executed(py);
        executed
            .extend(staged.staging.in_place(py).iter().map(|c| c.get().shadow.bind(py).clone()));
        let mut names: Vec<ModuleName> =
            self.removed.iter().chain(&executed).map(|one| one.get().name.clone()).collect();
        names.sort();
        names.dedup();
        let mut found = Vec::new();
        for name in names {
            let now = executed.iter().find(|one| one.get().name == name);
            let former = base.find(py, name.as_str());
            let former = former.as_ref().map(|former| former.get());
            let put = builtins_names::differing(py, former, now.map(|now| now.get()));
            if put.is_empty() {
                continue;
            }
            let readers = staged.all(py).into_iter();
            let readers = readers.filter(|one| builtins_names::reads(one.get(), &put));
            let reason = |one: Bound<'_, LiveModule>| {
                (one.get().name.clone(), Reason::AffectedBy(name.clone()))
            };
            found.extend(readers.map(reason));
        }
        found
    }

    /// The modules that took re-exported names of a module that has run, where a name has another value now.
    fn takers_of_others(&self, py: Python<'py>) -> Vec<(ModuleName, Reason)> {
        let mut found = Vec::new();
        for executed in self.staged.get().executed(py) {
            let name = &executed.get().name;
            let Some(former) = self.base.get().find(py, name.as_str()) else { continue };
            let takers: Vec<ModuleName> = {
                let records = self.runtime.records.lock();
                let edges = records.graph.importers(name);
                edges
                    .filter(|edge| edge.1 == EdgeKind::Through)
                    .map(|(from, _)| from.clone())
                    .collect()
            };
            let scope = Scope::new(py, self.runtime, &self.staged);
            let takers = takers.into_iter().filter(|taker| {
                let taker = self.base.get().find(py, taker.as_str());
                taker.is_some_and(|taker| {
                    names_from_elsewhere::differ(&scope, taker.get(), former.get(), executed.get())
                })
            });
            found.extend(takers.map(|taker| (taker, Reason::Imports(name.clone()))));
        }
        found
    }

    /// The imports of the module that raised that were not run with it.
    pub fn imported_by_failed(&self, py: Python<'py>, steps: &[Step]) -> Vec<(ModuleName, Reason)> {
        let Some(failed) = &self.failed else { return Vec::new() };
        let Some(old) = self.base.get().find(py, failed.as_str()) else { return Vec::new() };
        let edges = old.get().edges().into_iter();
        edges
            .filter(|edge| edge.kind.is_import())
            .filter_map(|edge| match edge.to {
                Target::Module(name) => Some(name),
                Target::File(_) => None,
            })
            .filter(|name| !steps.iter().any(|step| step.name == *name))
            .map(|name| (name, Reason::Widened))
            .collect()
    }

    /// Whether a module is shared with the generation in use, and can run.
    pub(super) fn is_in_use(&self, py: Python<'py>, name: &ModuleName) -> bool {
        let staged = self.staged.get();
        self.base.get().find(py, name.as_str()).is_some_and(|module| {
            staged.holds(py, &module)
                && !staged.staging.takes_in_place(py, &module)
                && effective_policy(py, self.runtime, module.get()) != Policy::Never
        })
    }

    /// Takes the execution of a module out of the staged generation, and out of its package.
    fn give_up(&self, py: Python<'py>, instance: &Bound<'py, LiveModule>) -> PyResult<()> {
        let name = &instance.get().name;
        self.staged.get().take(py, instance);
        // Its former run stands until the module runs once more.
        environ::undo(py, instance.get());
        instance.get().with_environ(Vec::clear);
        if let Some(former) = self.base.get().find(py, name.as_str()) {
            environ::redo(py, former.get());
        }
        let package = name.parent().and_then(|name| self.staged.get().find(py, name.as_str()));
        if let Some(package) = package.filter(|package| !self.base.get().holds(py, package)) {
            let namespace = package.get().namespace(py);
            if namespace.get_item(name.tail())?.is_some_and(|it| it.is(instance.get().value(py))) {
                namespace.del_item(name.tail())?;
            }
        }
        Ok(())
    }
}

/// The name of a module if it is stale because of others, and not known to be.
fn newly_stale(
    instance: &Bound<'_, LiveModule>,
    executed: &[Bound<'_, LiveModule>],
    stale: &HashSet<ModuleName>,
    listed: &ListedBases,
) -> Option<ModuleName> {
    let name = &instance.get().name;
    let uses_stale = || {
        let edges = instance.get().edges();
        edges.iter().any(|edge| matches!(&edge.to, Target::Module(to) if stale.contains(to)))
            || stale
                .iter()
                .any(|to| submodule_use::kind(instance.py(), instance.get(), to).is_some())
    };
    let affected_by_stale = || {
        let mut others = executed.iter().filter(|other| stale.contains(&other.get().name));
        others.any(|other| {
            // A listed base class keeps the subclasses of an execution that is given up.
            if listed.modules_of_bases(other).contains(name) {
                return true;
            }
            let py = instance.py();
            let put = builtins_names::differing(py, None, Some(other.get()));
            if builtins_names::reads(instance.get(), &put) {
                return true;
            }
            let edges = other.get().edges().into_iter();
            edges
                .filter(|edge| edge.kind == EdgeKind::Affects)
                .any(|edge| matches!(&edge.to, Target::Module(to) if to == name))
        })
    };
    (!stale.contains(name) && (uses_stale() || affected_by_stale())).then(|| name.clone())
}
