//! One staged generation: how is it begun, run, and published or abandoned?
//!
//! Nothing that the current generation holds is written to; what staging has to
//! touch that is shared (submodule attributes, `sys.modules`) answers by generation
//! or is put back. Publishing is one swap: before it an asker gets the old world,
//! after it the new one, and instances are told apart by their own field.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use transfuse_engine::{
    EdgeKind, Freed, ModuleName, Plan, Policy, Reason, SourceSnapshot, Step, Target,
};

use crate::cpython::nogil_lock::NoGilGuard;
use crate::cpython::time_limit::Watchdog;
use crate::cpython::traceback::module_of_error;
use crate::cpython::{log, panics};
use crate::effects::{conflict, foreign_patches};
use crate::loading::load::{self, Loaded};
use crate::loading::{in_place, sharing, submodules};
use crate::state::generation::Generation;
use crate::state::live_module::LiveModule;
use crate::state::pin::StagedScope;
use crate::state::policy::effective_policy;
use crate::state::runtime::Runtime;
use crate::state::staging_area::InPlaceNote;
use crate::sysmodules::entry::{self, SysModulesEntry};
use crate::sysmodules::facade;
use crate::update::concurrent_loads::{outdated, superseded_by_swap};
use crate::update::planning::UpdateRequest;
use crate::update::rerun::modules_to_rerun;
use crate::update::{disposal, participants};

/// One staged generation, until it is published or abandoned.
pub struct StagedUpdate<'py> {
    pub(super) runtime: &'static Runtime,
    base: Bound<'py, Generation>,
    pub(super) staged: Bound<'py, Generation>,
    /// What the staged generation was not given: to be run, or deleted.
    removed: Vec<Bound<'py, LiveModule>>,
    /// Instances of an earlier generation that it brings back.
    revived: Vec<Bound<'py, LiveModule>>,
    /// The module whose code raised.
    failed: Option<ModuleName>,
    /// Whether it serves what the files say, or what a kept generation did.
    on_disk: bool,
    /// Whether others were asked, who have to hear how it ends.
    asked: bool,
    /// Whether it has been made current, or given up.
    over: Cell<bool>,
}

impl Drop for StagedUpdate<'_> {
    /// Whatever came up on the way, a panic included: what has not become current is given up.
    fn drop(&mut self) {
        if !self.over.get() {
            panics::contained(|| self.abandon(self.base.py()));
        }
    }
}

impl<'py> StagedUpdate<'py> {
    /// A generation that shares everything with the current one but what is to be run or is gone, and
    /// what the plan did not know of: instances from the execution `since` on, see `update/concurrent_loads.rs`.
    pub fn begin(
        py: Python<'py>,
        runtime: &'static Runtime,
        view: SourceSnapshot,
        steps: &[Step],
        deleted: &[ModuleName],
        since: u64,
    ) -> PyResult<Self> {
        let _guard = runtime.nogil_lock.lock(py);
        let base = runtime.current(py);
        let instances = base.get().instances.bind(py).copy()?;
        let mut removed = Vec::new();
        let planned: Vec<_> = steps.iter().map(|step| &step.name).chain(deleted).collect();
        let outdated = outdated(py, runtime, &base, &view, &planned, since);
        for name in planned.into_iter().chain(&outdated) {
            if let Some(instance) = base.get().find(py, name.as_str())
                && instances.contains(name.as_str())?
            {
                instances.del_item(name.as_str())?;
                removed.push(instance);
            }
        }
        let id = runtime.generations.stage();
        let staged = Bound::new(py, Generation::new(id, view, instances.unbind()))?;
        drop(staged.get().staging.set_base(Some(base.clone().unbind())));
        runtime.generations.set_contents(id, staged.clone().unbind());
        runtime.diverged.store(true, Ordering::Release);
        for instance in &removed {
            if let Some(parent) = instance.get().name.parent()
                && let Some(package) = base.get().find(py, parent.as_str())
                && staged.get().holds(py, &package)
            {
                submodules::make_dynamic(py, &package, instance.get().name.tail())?;
            }
        }
        let revived = Vec::new();
        let (failed, on_disk, asked, over) = (None, true, false, Cell::new(false));
        Ok(StagedUpdate { runtime, base, staged, removed, revived, failed, on_disk, asked, over })
    }

    /// A generation that has what an earlier one has. What that one disposed of is run again, with
    /// its importers: those are the steps.
    pub fn for_rollback(
        py: Python<'py>,
        runtime: &'static Runtime,
        target: &Bound<'py, Generation>,
    ) -> PyResult<(Self, Vec<Step>)> {
        let _guard = runtime.nogil_lock.lock(py);
        let base = runtime.current(py);
        let instances = target.get().instances.bind(py).copy()?;
        let again = modules_to_rerun(py, target);
        for name in &again {
            instances.del_item(name.as_str())?;
        }
        let mut removed = Vec::new();
        for instance in base.get().instances.bind(py).values().iter() {
            let instance = instance.cast_into::<LiveModule>()?;
            let there = instances.get_item(instance.get().name.as_str())?;
            if !there.is_some_and(|there| there.is(&instance)) {
                removed.push(instance);
            }
        }
        let mut revived = Vec::new();
        for instance in instances.values().iter() {
            let instance = instance.cast_into::<LiveModule>()?;
            if !base.get().holds(py, &instance) {
                revived.push(instance);
            }
        }
        let view = target.get().view();
        let id = runtime.generations.stage();
        let staged = Bound::new(py, Generation::new(id, view, instances.unbind()))?;
        drop(staged.get().staging.set_base(Some(base.clone().unbind())));
        runtime.generations.set_contents(id, staged.clone().unbind());
        let steps = again.into_iter().map(|name| Step { name, reason: Reason::Changed }).collect();
        let (failed, on_disk, asked, over) = (None, false, false, Cell::new(false));
        let attempt =
            StagedUpdate { runtime, base, staged, removed, revived, failed, on_disk, asked, over };
        Ok((attempt, steps))
    }

    /// Executes the steps, pinned to the staged generation.
    pub fn run(&mut self, py: Python<'py>, plan: &Plan) -> PyResult<()> {
        self.execute(py, plan)?;
        in_place::prepare(py, &self.staged)
    }

    fn execute(&mut self, py: Python<'py>, plan: &Plan) -> PyResult<()> {
        // Both end with this function, however that ends.
        let _pinned = StagedScope::begin(py, self.runtime, &self.staged)?;
        conflict::take();
        self.staged.get().staging.expect(plan.steps.len());
        let _limit = Watchdog::begin(self.runtime.settings().time_limit);
        for step in plan.start_order.iter().map(|place| &plan.steps[*place]) {
            match load::load_own(py, self.runtime, &self.staged, &step.name) {
                Ok(Loaded::Live(_) | Loaded::Foreign | Loaded::Missing(_)) => {}
                Err(error) => {
                    self.failed = module_of_error(py, &error).or_else(|| Some(step.name.clone()));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Asks whoever else has a say in it. Raises if somebody refuses.
    /// `wanted` is what it would serve, also where a part of that waits for a restart.
    pub fn verify(&mut self, py: Python<'py>, wanted: &SourceSnapshot) -> PyResult<()> {
        self.asked = true;
        participants::prepare(py, self.runtime, &self.staged, wanted, self.on_disk)
    }

    /// Modules that turned out to be changed by what ran, or may be, and are shared.
    pub fn newly_affected(&self, py: Python<'py>) -> Vec<(ModuleName, Reason)> {
        let mut newly_affected: Vec<_> = conflict::take()
            .into_iter()
            .map(|(who, whose)| (who, Reason::AffectedBy(whose)))
            .collect();
        let in_place =
            self.staged.get().staging.in_place(py).into_iter().map(|c| c.get().shadow(py));
        for instance in self.staged.get().executed(py).into_iter().chain(in_place) {
            for edge in instance.get().edges() {
                if edge.kind == EdgeKind::Affects
                    && let Target::Module(name) = edge.to
                    && let Some(other) = self.base.get().find(py, name.as_str())
                    && self.staged.get().holds(py, &other)
                    && !self.staged.get().staging.takes_in_place(py, &other)
                    && effective_policy(py, self.runtime, other.get()) != Policy::Never
                {
                    newly_affected.push((name, Reason::AffectedBy(instance.get().name.clone())));
                }
            }
        }
        newly_affected.extend(in_place::concerned(py, self.runtime, &self.staged));
        newly_affected.extend(self.bound_meanwhile(py));
        newly_affected
    }

    /// What the module that raised imports and what was not run with it.
    pub fn imported_by_failed(&self, py: Python<'py>, steps: &[Step]) -> Vec<(ModuleName, Reason)> {
        let Some(failed) = &self.failed else { return Vec::new() };
        let Some(old) = self.base.get().find(py, failed.as_str()) else { return Vec::new() };
        let edges = old.get().edges().into_iter();
        edges
            .filter(|edge| edge.kind == EdgeKind::ModuleLevel)
            .filter_map(|edge| match edge.to {
                Target::Module(name) => Some(name),
                Target::File(_) => None,
            })
            .filter(|name| !steps.iter().any(|step| step.name == *name))
            .map(|name| (name, Reason::Widened))
            .collect()
    }

    /// Adds seeds; false if they are all in already.
    pub fn widen(
        &self,
        intent: &mut UpdateRequest,
        newly_affected: Vec<(ModuleName, Reason)>,
    ) -> bool {
        let before = intent.seeds.len();
        for (name, reason) in newly_affected {
            if !intent.seeds.iter().any(|(known, _)| *known == name) {
                intent.seeds.push((name, reason));
            }
        }
        intent.seeds.len() > before
    }

    /// Makes the staged generation current. Raises, and nothing has changed, if a module cannot
    /// take its new code in place.
    pub fn publish(mut self, py: Python<'py>) -> PyResult<Vec<InPlaceNote>> {
        let runtime = self.runtime;
        in_place::apply(py, &self.staged).inspect_err(|_| self.abandon(py))?;
        in_place::remember(py, &self.staged);
        // What took its code in place is the same instance before and after.
        self.removed.retain(|instance| !self.staged.get().holds(py, instance));
        // No code of the program runs while this thread has the turn: what is dropped is collected,
        // and what runs code comes before or after.
        let guard = runtime.nogil_lock.lock(py);
        superseded_by_swap(py, &self.base, &self.staged, &mut self.removed);
        let fresh = self.staged.get().executed(py);
        let shown: Vec<_> = fresh.iter().chain(&self.revived).cloned().collect();
        // Those that work may be going on in, the one included that the swap makes an end of.
        let alive = runtime.alive(py);
        let (old, freed) = self.swap(&fresh, &guard);
        // What this update was the first to load may be the same for those before it.
        for instance in &fresh {
            if self.base.get().find(py, instance.get().name.as_str()).is_none() {
                sharing::share_among(py, runtime, &alive, &self.staged, instance);
            }
        }
        let due = in_place::published(py, &self.staged);
        {
            let mut records = runtime.records.lock();
            for instance in &self.removed {
                records.graph.remove(&instance.get().name);
            }
            for instance in &shown {
                records.adopt(instance.get());
            }
            for change in self.staged.get().staging.in_place(py) {
                records.adopt(change.get().stays());
            }
            records.awaiting.retain(|waiting| !self.revived.iter().any(|r| r.is(waiting)));
            records.awaiting.extend(self.removed.iter().map(|i| i.clone().unbind()));
            records.published += 1;
        }
        for instance in &shown {
            show(py, runtime, instance);
        }
        drop(guard);
        drop(old);
        // It is current, whatever comes up from here on.
        let concluded = panics::caught(|| {
            for patches in
                due.into_iter().chain([foreign_patches::pending(py, &shown, &self.removed)])
            {
                patches.carry_out(py);
            }
            let notes = in_place::notes(py, &self.staged);
            runtime.retire(freed);
            superseded(py, runtime, &self.removed);
            self.tidy(py);
            self.staged.get().staging.clear();
            self.tell(py, "published");
            Ok(notes)
        });
        Ok(concluded.unwrap_or_else(|error| {
            let _ = log::complain(py, "an update that stands could not be concluded", error);
            Vec::new()
        }))
    }

    /// The swap, and what has to be done with it in one piece.
    fn swap(
        &self,
        fresh: &[Bound<'py, LiveModule>],
        _guard: &NoGilGuard<'_>,
    ) -> (Vec<Py<Generation>>, Freed<Py<Generation>>) {
        let generations = &self.runtime.generations;
        let mut dropped = Vec::new();
        // 1. What is superseded answers for the generation it was last part of, which is still the
        //    current one: nobody can tell the difference yet.
        for instance in &self.removed {
            dropped.extend(instance.get().set_home(Some(self.base.clone().unbind())));
        }
        // 2. The swap. What is shown is counted at once: no code of the program runs in between, so
        //    no process can be forked in between either.
        dropped.extend(self.staged.get().staging.set_base(None));
        dropped.push(generations.swap(self.staged.clone().unbind()));
        let freed = generations.commit(self.staged.get().id);
        self.over.set(true);
        // 3. What is new answers for the current generation, which it is part of.
        for instance in fresh.iter().chain(&self.revived) {
            dropped.extend(instance.get().set_home(None));
        }
        (dropped, freed)
    }

    /// Lets go of the staged generation; nothing has changed.
    pub fn abandon(&self, py: Python<'py>) {
        let runtime = self.runtime;
        self.over.set(true);
        if let Err(error) = panics::caught(|| in_place::take_back(py, &self.staged)) {
            let _ = log::complain(py, "new code could not be taken back", error);
        }
        drop(runtime.generations.abandon(self.staged.get().id));
        self.tidy(py);
        let executed = self.staged.get().executed(py);
        let given_up = executed.iter().chain(&self.removed).map(|instance| &instance.get().name);
        disposal::empty_caches(given_up.chain(&self.failed), py);
        // Names that only the abandoned generation had.
        for instance in executed {
            let name = &instance.get().name;
            if let Ok(shown) = facade::of(py, runtime, name) {
                entry::forget(py, runtime, name, &shown);
            }
        }
        self.staged.get().staging.clear();
        self.tell(py, "abandoned");
    }

    fn tell(&self, py: Python<'py>, end: &str) {
        if self.asked {
            participants::notify(py, self.runtime, &self.staged, end);
        }
    }

    /// Submodule attributes become plain again where all agree; names that are gone leave
    /// `sys.modules`.
    fn tidy(&self, py: Python<'py>) {
        let _guard = self.runtime.nogil_lock.lock(py);
        let mut names: Vec<ModuleName> =
            self.removed.iter().map(|instance| instance.get().name.clone()).collect();
        names.extend(
            self.staged.get().executed(py).iter().map(|instance| instance.get().name.clone()),
        );
        for name in names {
            if let Some(parent) = name.parent()
                && let Some(package) = self.runtime.current(py).get().find(py, parent.as_str())
            {
                let _ = submodules::make_plain(py, self.runtime, &package);
            }
            entry::withdraw_if_deleted(py, self.runtime, &name);
        }
    }
}

/// Puts what foreign code is to see of an instance into `sys.modules`, unless somebody has removed
/// or replaced what stood there.
fn show(py: Python<'_>, runtime: &Runtime, instance: &Bound<'_, LiveModule>) {
    let name = instance.get().key.bind(py);
    if let Ok(SysModulesEntry::Ours) = entry::entry_of(py, runtime, &runtime.current(py), name)
        && let Ok(shown) = facade::of_instance(py, runtime, instance)
    {
        let _ = entry::show(py, runtime, name, &shown);
    }
}

/// Notes what should go now, so that `status` can tell what has not gone.
fn superseded(py: Python<'_>, runtime: &Runtime, removed: &[Bound<'_, LiveModule>]) {
    let added = removed.iter().filter_map(|instance| PyWeakrefReference::new(instance).ok());
    let added: Vec<_> = added.map(Bound::unbind).collect();
    let before = std::mem::take(&mut runtime.records.lock().superseded);
    let alive = before.into_iter().filter(|weak| weak.bind(py).upgrade().is_some());
    let all: Vec<_> = alive.chain(added).collect();
    runtime.records.lock().superseded.extend(all);
}
