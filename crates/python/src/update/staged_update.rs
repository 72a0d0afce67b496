//! One attempt at an update: how is a generation staged, and published or abandoned?
//!
//! Nothing that the current generation holds is written to. State that staging has to touch although
//! it is shared (submodule attributes, `sys.modules`) answers by the caller's generation, or is put
//! back. Publishing is one swap: before it a caller gets the old modules, after it the new ones, and
//! instances know by a field of their own which they are. `pipeline` decides what is attempted.

use std::{cell::Cell, collections::HashSet, sync::atomic::Ordering};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use transfuse_engine::{
    EdgeKind, Freed, ModuleName, Plan, Policy, Reason, SourceSnapshot, Succession, Target,
};

use crate::cpython::{exceptions, log, nogil_lock::NoGilGuard, panics};
use crate::effects::{conflict, foreign_patches};
use crate::loading::{in_place, sharing, submodules};
use crate::state::{
    generation::Generation, live_module::LiveModule, policy::effective_policy, runtime::Runtime,
    scope::Scope, staging_area::InPlaceNote,
};
use crate::sysmodules::{entry, facade};
use crate::update::concurrent_loads::superseded_by_swap;
use crate::update::planning::{UpdateRequest, without_restarts};
use crate::update::{disposal, lingering, participants, registrations, rerun, succession};

/// A staged generation, until it is published or abandoned.
pub struct StagedUpdate<'py> {
    pub(super) runtime: &'static Runtime,
    pub(super) base: Bound<'py, Generation>,
    pub(super) staged: Bound<'py, Generation>,
    /// The instances of `base` that the staged generation does not share: to be run, or deleted.
    pub(super) removed: Vec<Bound<'py, LiveModule>>,
    /// Instances of an earlier generation that it brings back.
    pub(super) revived: Vec<Bound<'py, LiveModule>>,
    /// The module whose code raised.
    pub(super) failed: Option<ModuleName>,
    /// The error that ended staging.
    pub(super) error: Option<PyErr>,
    /// Which generation a rollback goes back to; none for content of the files.
    back: Option<Succession>,
    /// Whether the participants have been asked to prepare, so that they have to hear how it ends.
    prepared: bool,
    /// Whether it was committed or aborted.
    ended: Cell<bool>,
}

impl Drop for StagedUpdate<'_> {
    /// Aborts, whatever the reason, a panic included.
    fn drop(&mut self) {
        if !self.ended.get() {
            panics::contained(|| self.abort(self.base.py()));
        }
    }
}

impl<'py> StagedUpdate<'py> {
    /// Stages a generation that shares all instances with the current one, apart from those that are
    /// to run or gone, and those that the plan does not know of (see `update/concurrent_loads.rs`).
    pub fn begin(
        py: Python<'py>,
        runtime: &'static Runtime,
        request: &UpdateRequest,
        plan: &Plan,
    ) -> PyResult<Self> {
        let view = without_restarts(py, runtime, request.view.clone(), &plan.restart);
        let _guard = runtime.nogil_lock.lock(py);
        let base = runtime.current(py);
        let instances = base.get().instances.bind(py).copy()?;
        let mut update = Self::stage(py, runtime, base, view, instances, Vec::new())?;
        update.take_out(py, request, plan)?;
        update.back = request.back;
        Ok(update)
    }

    /// Stages a generation that has the instances of an earlier one. Those that were disposed of run
    /// again, with their importers: these are the steps.
    pub fn for_rollback(
        py: Python<'py>,
        runtime: &'static Runtime,
        target: &Bound<'py, Generation>,
    ) -> PyResult<(Self, Plan)> {
        let _guard = runtime.nogil_lock.lock(py);
        let base = runtime.current(py);
        let instances = target.get().instances.bind(py).copy()?;
        let plan = rerun::plan(py, runtime, target);
        for step in &plan.steps {
            instances.del_item(step.name.as_str())?;
        }
        let mut removed = base.get().all(py);
        removed.retain(|instance| {
            let there = instances.get_item(instance.get().name.as_str());
            !there.is_ok_and(|there| there.is_some_and(|there| there.is(instance)))
        });
        let mut revived = Vec::new();
        for instance in instances.values().iter() {
            let instance = instance.cast_into::<LiveModule>()?;
            if !base.get().holds(py, &instance) {
                revived.push(instance);
            }
        }
        let mut update = Self::stage(py, runtime, base, target.get().view(), instances, removed)?;
        update.revived = revived;
        update.back = Some(Succession::Back(target.get().id));
        Ok((update, plan))
    }

    fn stage(
        py: Python<'py>,
        runtime: &'static Runtime,
        base: Bound<'py, Generation>,
        view: SourceSnapshot,
        instances: Bound<'py, PyDict>,
        removed: Vec<Bound<'py, LiveModule>>,
    ) -> PyResult<Self> {
        let id = runtime.generations.stage();
        let staged = Bound::new(py, Generation::new(id, view, instances.unbind()))?;
        drop(staged.get().staging.set_base(Some(base.clone().unbind())));
        runtime.generations.set_contents(id, staged.clone().unbind());
        runtime.diverged.store(true, Ordering::Release);
        Ok(StagedUpdate {
            runtime,
            base,
            staged,
            removed,
            revived: Vec::new(),
            failed: None,
            error: None,
            back: None,
            prepared: false,
            ended: Cell::new(false),
        })
    }

    /// Asks the participants to prepare. Fails if one of them refuses. `wanted` is what the update
    /// would serve, including changes that wait for a restart.
    pub fn prepare(&mut self, py: Python<'py>, wanted: &SourceSnapshot) -> PyResult<()> {
        self.prepared = true;
        participants::prepare(py, self.runtime, &self.staged, wanted, self.back.is_some())
            .inspect_err(|error| self.error = Some(exceptions::with_traceback(py, error)))
    }

    /// The shared modules that the modules which ran have changed, or may have changed. With the
    /// modules that were stopped before they could change one.
    pub fn newly_affected(
        &self,
        py: Python<'py>,
    ) -> (Vec<(ModuleName, Reason)>, HashSet<ModuleName>) {
        let conflicts = conflict::take();
        let stopped = conflicts.iter().map(|(_, by)| by.clone()).collect();
        let affected = |(affected, by)| (affected, Reason::AffectedBy(by));
        let mut newly_affected: Vec<_> = conflicts.into_iter().map(affected).collect();
        let in_place = self
            .staged
            .get()
            .staging
            .in_place(py)
            .into_iter()
            .map(|c| c.get().shadow.bind(py).clone());
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
        newly_affected.extend(self.concerned_by_executed(py));
        newly_affected.extend(in_place::concerned(&Scope::new(py, self.runtime, &self.staged)));
        newly_affected.extend(self.bound_meanwhile(py));
        (newly_affected, stopped)
    }

    /// Makes the staged generation current. Raises, and nothing has changed, if a module cannot
    /// take its new code in place.
    pub fn commit(mut self, py: Python<'py>) -> PyResult<Vec<InPlaceNote>> {
        let runtime = self.runtime;
        in_place::apply(py, &self.staged).inspect_err(|_| self.abort(py))?;
        in_place::remember(py, &self.staged);
        let registered = registrations::registered(py, &self.staged, &self.removed);
        // A module that took its code in place has the same instance before and after.
        self.removed.retain(|instance| !self.staged.get().holds(py, instance));
        succession::fold(py, runtime);
        // No code of the program may run while this thread holds the lock, so values are dropped
        // after it.
        let guard = runtime.nogil_lock.lock(py);
        superseded_by_swap(py, &self.base, &self.staged, &mut self.removed);
        let fresh = self.staged.get().executed(py);
        let shown: Vec<_> = fresh.iter().chain(&self.revived).cloned().collect();
        // Work may go on in any of these, the generation that the swap supersedes included.
        let alive = runtime.alive(py);
        let how = self.succession(py, &fresh);
        let (old, freed) = self.swap(&fresh, how, &guard);
        // Earlier generations may share the modules that this update was the first to load.
        for instance in &fresh {
            if self.base.get().find(py, instance.get().name.as_str()).is_none() {
                sharing::share(&Scope::new(py, runtime, &self.staged), &alive, instance);
            }
        }
        let pending = in_place::published(py, &self.staged);
        self.record(py, &shown);
        for instance in &shown {
            entry::show_instance(py, runtime, instance);
        }
        drop(guard);
        drop(old);
        // It is current: an error from here on does not refuse it.
        let concluded = panics::caught(|| {
            let foreign = foreign_patches::pending(py, &shown, &self.removed);
            for patches in pending.into_iter().chain([foreign]) {
                patches.carry_out(py);
            }
            self.conclude_environ(py);
            let mut notes = in_place::notes(py, &self.staged);
            runtime.retire(freed);
            lingering::record(py, runtime, &self.removed);
            lingering::give_up(py, runtime, self.staged.get());
            self.tidy(py);
            let ended = registrations::EndedExecutions::of(py, &self.staged);
            self.staged.get().staging.clear();
            self.notify(py, "published");
            notes.extend(ended.published(py, runtime, &self.removed, &self.revived, registered));
            notes.extend(self.forget_lookups(py, &fresh));
            Ok(notes)
        });
        Ok(concluded.unwrap_or_else(|error| {
            let _ = log::complain(
                py,
                "the update was published, but cleaning up after it failed",
                error,
            );
            Vec::new()
        }))
    }

    /// Records the instances of the current generation, `shown` being those that are new in it.
    fn record(&self, py: Python<'py>, shown: &[Bound<'py, LiveModule>]) {
        let mut records = self.runtime.records.lock();
        for instance in &self.removed {
            records.graph.remove(&instance.get().name);
        }
        for instance in shown {
            records.adopt(instance.get());
        }
        for change in self.staged.get().staging.in_place(py) {
            records.adopt(change.get().stays.get());
        }
        records.awaiting.retain(|waiting| !self.revived.iter().any(|r| r.is(waiting)));
        records.awaiting.extend(self.removed.iter().map(|i| i.clone().unbind()));
        records.published += 1;
    }

    /// How it relates to the generation that it supersedes.
    fn succession(&self, py: Python<'py>, fresh: &[Bound<'py, LiveModule>]) -> Succession {
        if let Some(back) = self.back {
            return back;
        }
        let staging = &self.staged.get().staging;
        if !fresh.is_empty() || !self.removed.is_empty() || !staging.in_place(py).is_empty() {
            return Succession::Another;
        }
        // A change that waits for a restart is in no generation.
        let changed = self.base.get().view().changes(&self.staged.get().view());
        *self.staged.get().changed_without_effect.lock() = changed;
        let same = succession::answers_as_before(py, self.runtime, &self.staged);
        if same { Succession::Quiet } else { Succession::Another }
    }

    fn swap(
        &self,
        fresh: &[Bound<'py, LiveModule>],
        how: Succession,
        _guard: &NoGilGuard<'_>,
    ) -> (Vec<Py<Generation>>, Freed<Py<Generation>>) {
        let generations = &self.runtime.generations;
        let mut dropped = Vec::new();
        // 1. Superseded instances answer for the generation that they were last part of. It is still
        //    the current one, so this makes no difference yet.
        for instance in &self.removed {
            dropped.extend(instance.get().set_home(Some(self.base.clone().unbind())));
        }
        // 2. The swap, and at once its entry in the lifecycle: no code of the program runs in
        //    between, so the process cannot fork there.
        dropped.extend(self.staged.get().staging.set_base(None));
        dropped.push(generations.swap(self.staged.clone().unbind()));
        let freed = generations.commit(self.staged.get().id, how);
        self.ended.set(true);
        // 3. New instances answer for the current generation, which they are part of.
        for instance in fresh.iter().chain(&self.revived) {
            dropped.extend(instance.get().set_home(None));
        }
        (dropped, freed)
    }

    /// Abandons the staged generation; nothing has changed.
    pub fn abort(&self, py: Python<'py>) {
        let runtime = self.runtime;
        self.ended.set(true);
        if let Err(error) = panics::caught(|| in_place::take_back(py, &self.staged)) {
            let _ = log::complain(py, "new code could not be taken back", error);
        }
        drop(runtime.generations.abandon(self.staged.get().id));
        self.tidy(py);
        self.take_back_environ(py);
        let executed = self.staged.get().executed(py);
        let abandoned = executed.iter().chain(&self.removed).map(|instance| &instance.get().name);
        disposal::empty_caches(abandoned.chain(&self.failed), py);
        self.forget_lookups_of_plan(py);
        self.unmap(py, &self.staged.get().staging.executed(py));
        lingering::give_up(py, runtime, self.staged.get());
        for name in std::mem::take(&mut *self.staged.get().staging.had_no_entry.lock()) {
            if let Ok(ours) = facade::of(py, runtime, &name) {
                let _ = entry::restore_if_ours(py, runtime, &name, &ours, None);
            }
        }
        // Some of these names only the abandoned generation had.
        for instance in executed {
            let name = &instance.get().name;
            if let Ok(shown) = facade::of(py, runtime, name) {
                entry::forget(py, runtime, name, &shown);
            }
        }
        let registrations = registrations::EndedExecutions::of(py, &self.staged);
        self.staged.get().staging.clear();
        self.notify(py, "abandoned");
        registrations.abandoned(py, &self.removed, self.error.as_ref());
    }

    fn notify(&self, py: Python<'py>, end: &str) {
        if self.prepared {
            participants::notify(py, self.runtime, &self.staged, end);
        }
    }

    /// Makes submodule attributes plain again where all generations agree, and removes deleted names
    /// from `sys.modules`.
    fn tidy(&self, py: Python<'py>) {
        let _guard = self.runtime.nogil_lock.lock(py);
        let executed = self.staged.get().executed(py);
        let of = |instance: &Bound<'py, LiveModule>| instance.get().name.clone();
        let mut names: Vec<_> = self.removed.iter().chain(&executed).map(of).collect();
        names.extend(std::mem::take(&mut *self.staged.get().staging.later.lock()));
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
