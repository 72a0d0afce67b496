//! One staged generation: how is it begun, run, and published or abandoned?
//!
//! Nothing that the current generation holds is written to; what staging has to
//! touch that is shared (submodule attributes, `sys.modules`) answers by generation
//! or is put back. Publishing is one swap: before it an asker gets the old world,
//! after it the new one, and instances are told apart by their own field.

use std::sync::atomic::Ordering;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use transfuse_engine::{EdgeKind, ModuleName, Plan, Policy, Reason, Step, Target, View};

use crate::disposal;
use crate::doubt;
use crate::engine::Engine;
use crate::facade;
use crate::generation::Generation;
use crate::hook;
use crate::in_place::{self, Note};
use crate::instance::Instance;
use crate::loading::{self, Ensured};
use crate::patches;
use crate::pin::Pin;
use crate::planning::{Intent, policy_now};
use crate::sharing;
use crate::standing::{self, Standing};
use crate::submodules;
use crate::time_limit::Limit;
use crate::unplanned::{left_behind, outdated};
use crate::verify;

/// One staged generation, until it is published or abandoned.
pub struct Attempt<'py> {
    engine: &'static Engine,
    base: Bound<'py, Generation>,
    staged: Bound<'py, Generation>,
    /// What the staged generation was not given: to be run, or deleted.
    removed: Vec<Bound<'py, Instance>>,
    /// Instances of an earlier generation that it brings back.
    revived: Vec<Bound<'py, Instance>>,
    /// The module whose code raised.
    failed: Option<ModuleName>,
    /// Whether it serves what the files say, or what a kept generation did.
    on_disk: bool,
    /// Whether others were asked, who have to hear how it ends.
    asked: bool,
}

impl<'py> Attempt<'py> {
    /// A generation that shares everything with the current one but what is to be run or is gone, and
    /// what the plan did not know of: instances from the execution `since` on, see `unplanned.rs`.
    pub fn begin(
        py: Python<'py>,
        engine: &'static Engine,
        view: View,
        steps: &[Step],
        deleted: &[ModuleName],
        since: u64,
    ) -> PyResult<Self> {
        let _turn = engine.turn.take(py);
        let base = engine.current(py);
        let instances = base.get().instances.bind(py).copy()?;
        let mut removed = Vec::new();
        let planned: Vec<_> = steps.iter().map(|step| &step.name).chain(deleted).collect();
        let outdated = outdated(py, engine, &base, &view, &planned, since);
        for name in planned.into_iter().chain(&outdated) {
            if let Some(instance) = base.get().find(py, name.as_str())
                && instances.contains(name.as_str())?
            {
                instances.del_item(name.as_str())?;
                removed.push(instance);
            }
        }
        let id = engine.generations.stage();
        let staged = Bound::new(py, Generation::new(id, view, instances.unbind()))?;
        staged.get().set_base(Some(base.clone().unbind()));
        engine.generations.hold(id, staged.clone().unbind());
        engine.diverged.store(true, Ordering::Release);
        for instance in &removed {
            if let Some(parent) = instance.get().name.parent()
                && let Some(package) = base.get().find(py, parent.as_str())
                && staged.get().holds(py, &package)
            {
                submodules::diverge(py, &package, instance.get().name.tail())?;
            }
        }
        let revived = Vec::new();
        let (failed, on_disk, asked) = (None, true, false);
        Ok(Attempt { engine, base, staged, removed, revived, failed, on_disk, asked })
    }

    /// A generation that has what an earlier one has. What that one disposed of is run again, with
    /// its importers: those are the steps.
    pub fn back_to(
        py: Python<'py>,
        engine: &'static Engine,
        target: &Bound<'py, Generation>,
    ) -> PyResult<(Self, Vec<Step>)> {
        let _turn = engine.turn.take(py);
        let base = engine.current(py);
        let instances = target.get().instances.bind(py).copy()?;
        let again = to_run_again(py, target);
        for name in &again {
            instances.del_item(name.as_str())?;
        }
        let mut removed = Vec::new();
        for instance in base.get().instances.bind(py).values().iter() {
            let instance = instance.cast_into::<Instance>()?;
            let there = instances.get_item(instance.get().name.as_str())?;
            if !there.is_some_and(|there| there.is(&instance)) {
                removed.push(instance);
            }
        }
        let mut revived = Vec::new();
        for instance in instances.values().iter() {
            let instance = instance.cast_into::<Instance>()?;
            if !base.get().holds(py, &instance) {
                revived.push(instance);
            }
        }
        let view = target.get().view();
        let id = engine.generations.stage();
        let staged = Bound::new(py, Generation::new(id, view, instances.unbind()))?;
        staged.get().set_base(Some(base.clone().unbind()));
        engine.generations.hold(id, staged.clone().unbind());
        let steps = again.into_iter().map(|name| Step { name, reason: Reason::Changed }).collect();
        let (failed, on_disk, asked) = (None, false, false);
        Ok((Attempt { engine, base, staged, removed, revived, failed, on_disk, asked }, steps))
    }

    /// Executes the steps, pinned to the staged generation.
    pub fn run(&mut self, py: Python<'py>, plan: &Plan) -> PyResult<()> {
        let pin = Pin::staging(py, self.engine, &self.staged)?;
        let pin = pin.bind(py);
        Pin::resume(pin)?;
        doubt::take();
        let mut outcome = Ok(());
        self.staged.get().expect(plan.steps.len());
        let limit = Limit::begin(self.engine.settings().time_limit);
        for step in plan.turns.iter().map(|place| &plan.steps[*place]) {
            match loading::ensure_own(py, self.engine, &self.staged, &step.name) {
                Ok(Ensured::Live(_) | Ensured::Foreign | Ensured::Missing(_)) => {}
                Err(error) => {
                    self.failed = Some(raiser(py, &error)?.unwrap_or_else(|| step.name.clone()));
                    outcome = Err(error);
                    break;
                }
            }
        }
        drop(limit);
        pin.get().suspend(py)?;
        pin.get().close();
        outcome.and_then(|()| in_place::prepare(py, &self.staged))
    }

    /// Asks whoever else has a say in it. Raises if somebody refuses.
    /// `wanted` is what it would serve, also where a part of that waits for a restart.
    pub fn verify(&mut self, py: Python<'py>, wanted: &View) -> PyResult<()> {
        self.asked = true;
        verify::ask(py, self.engine, &self.staged, wanted, self.on_disk)
    }

    /// Modules that turned out to be changed by what ran, or may be, and are shared.
    pub fn wider(&self, py: Python<'py>) -> Vec<(ModuleName, Reason)> {
        let mut wider: Vec<_> = doubt::take()
            .into_iter()
            .map(|(who, whose)| (who, Reason::AffectedBy(whose)))
            .collect();
        let in_place = self.staged.get().in_place(py).into_iter().map(|c| c.get().shadow(py));
        for instance in self.staged.get().executed(py).into_iter().chain(in_place) {
            for edge in instance.get().edges() {
                if edge.kind == EdgeKind::Affects
                    && let Target::Module(name) = edge.to
                    && let Some(other) = self.base.get().find(py, name.as_str())
                    && self.staged.get().holds(py, &other)
                    && !self.staged.get().takes_in_place(py, &other)
                    && policy_now(py, self.engine, other.get()) != Policy::Never
                {
                    wider.push((name, Reason::AffectedBy(instance.get().name.clone())));
                }
            }
        }
        wider.extend(in_place::concerned(py, self.engine, &self.staged));
        wider
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
    pub fn widen(&self, intent: &mut Intent, wider: Vec<(ModuleName, Reason)>) -> bool {
        let before = intent.seeds.len();
        for (name, reason) in wider {
            if !intent.seeds.iter().any(|(known, _)| *known == name) {
                intent.seeds.push((name, reason));
            }
        }
        intent.seeds.len() > before
    }

    /// Makes the staged generation current. Raises, and nothing has changed, if a module cannot
    /// take its new code in place.
    pub fn publish(mut self, py: Python<'py>) -> PyResult<Vec<Note>> {
        let engine = self.engine;
        in_place::apply(py, &self.staged).inspect_err(|_| self.abandon(py))?;
        // What took its code in place is the same instance before and after.
        self.removed.retain(|instance| !self.staged.get().holds(py, instance));
        let turn = engine.turn.take(py);
        left_behind(py, &self.base, &self.staged, &mut self.removed);
        let fresh = self.staged.get().executed(py);
        // 1. What is superseded answers for the generation it was last part of, which is still the
        //    current one: nobody can tell the difference yet.
        for instance in &self.removed {
            instance.get().set_home(Some(self.base.clone().unbind()));
        }
        // 2. The swap.
        self.staged.get().set_base(None);
        let old = engine.generations.show(self.staged.clone().unbind());
        // 3. What is new answers for the current generation, which it is part of.
        for instance in fresh.iter().chain(&self.revived) {
            instance.get().set_home(None);
        }
        drop(old);
        // What this update was the first to load may be the same for those before it.
        for instance in &fresh {
            if self.base.get().find(py, instance.get().name.as_str()).is_none() {
                sharing::share(py, engine, &self.staged, instance);
            }
        }
        in_place::published(py, &self.staged);
        let notes = in_place::notes(py, &self.staged);
        {
            let mut book = engine.book.lock().unwrap();
            for instance in &self.removed {
                book.graph.remove(&instance.get().name);
            }
            for instance in fresh.iter().chain(&self.revived) {
                book.adopt(instance.get());
            }
            for change in self.staged.get().in_place(py) {
                book.adopt(change.get().stays());
            }
            book.awaiting.retain(|waiting| !self.revived.iter().any(|r| r.is(waiting)));
            book.awaiting.extend(self.removed.iter().map(|i| i.clone().unbind()));
            book.published += 1;
        }
        let freed = engine.generations.publish(self.staged.get().id);
        for instance in fresh.iter().chain(&self.revived) {
            show(py, engine, instance);
        }
        drop(turn);
        let shown: Vec<_> = fresh.iter().chain(&self.revived).cloned().collect();
        patches::publish(py, &shown, &self.removed);
        engine.retire(freed);
        superseded(py, engine, &self.removed);
        self.tidy(py);
        self.staged.get().forget_executed();
        self.tell(py, "published");
        Ok(notes)
    }

    /// Lets go of the staged generation; nothing has changed.
    pub fn abandon(&self, py: Python<'py>) {
        let engine = self.engine;
        if let Err(error) = in_place::take_back(py, &self.staged) {
            let _ = disposal::complain(py, "new code could not be taken back", error);
        }
        drop(engine.generations.abandon(self.staged.get().id));
        self.tidy(py);
        let executed = self.staged.get().executed(py);
        let given_up = executed.iter().chain(&self.removed).map(|instance| &instance.get().name);
        disposal::empty_caches(given_up.chain(&self.failed), py);
        // Names that only the abandoned generation had.
        for instance in executed {
            let name = &instance.get().name;
            if let Ok(shown) = facade::of(py, engine, name) {
                sharing::forget(py, engine, name, &shown);
            }
        }
        self.staged.get().forget_executed();
        self.tell(py, "abandoned");
    }

    fn tell(&self, py: Python<'py>, end: &str) {
        if self.asked {
            verify::tell(py, self.engine, &self.staged, end);
        }
    }

    /// Submodule attributes become plain again where all agree; names that are gone leave
    /// `sys.modules`.
    fn tidy(&self, py: Python<'py>) {
        let _turn = self.engine.turn.take(py);
        let mut names: Vec<ModuleName> =
            self.removed.iter().map(|instance| instance.get().name.clone()).collect();
        names.extend(
            self.staged.get().executed(py).iter().map(|instance| instance.get().name.clone()),
        );
        for name in names {
            if let Some(parent) = name.parent()
                && let Some(package) = self.engine.current(py).get().find(py, parent.as_str())
            {
                let _ = submodules::settle(py, self.engine, &package);
            }
            self.engine.hide_if_gone(py, &name);
        }
    }
}

/// Puts what foreign code is to see of an instance into `sys.modules`, unless somebody has removed
/// or replaced what stood there.
fn show(py: Python<'_>, engine: &Engine, instance: &Bound<'_, Instance>) {
    let name = instance.get().key.bind(py);
    if let Ok(Standing::Ours) = standing::of(py, engine, &engine.current(py), name)
        && let Ok(shown) = hook::outward(py, engine, instance)
    {
        let _ = standing::show(py, engine, name, &shown);
    }
}

/// The modules of a generation that were disposed of, and all who import them; and those that have
/// taken other code in place since.
fn to_run_again(py: Python<'_>, generation: &Bound<'_, Generation>) -> Vec<ModuleName> {
    let all = generation.get().all(py);
    let mut again: Vec<ModuleName> = all
        .iter()
        .filter(|instance| instance.get().is_disposed())
        .map(|instance| instance.get().name.clone())
        .collect();
    let mut next = 0;
    while next < again.len() {
        let of = Target::Module(again[next].clone());
        next += 1;
        for instance in &all {
            let name = &instance.get().name;
            let imports = instance
                .get()
                .edges()
                .iter()
                .any(|edge| edge.kind == EdgeKind::ModuleLevel && edge.to == of);
            if imports && !again.contains(name) {
                again.push(name.clone());
            }
        }
    }
    let view = generation.get().view();
    again.extend(all.iter().map(|instance| instance.get()).filter_map(|instance| {
        let then = view.get(instance.path.as_ref()?)?.digest();
        (instance.source()?.digest() != then).then(|| instance.name.clone())
    }));
    again
}

/// Notes what should go now, so that `status` can tell what has not gone.
fn superseded(py: Python<'_>, engine: &Engine, removed: &[Bound<'_, Instance>]) {
    let added = removed.iter().filter_map(|instance| PyWeakrefReference::new(instance).ok());
    let added: Vec<_> = added.map(Bound::unbind).collect();
    let before = std::mem::take(&mut engine.book.lock().unwrap().superseded);
    let alive = before.into_iter().filter(|weak| weak.bind(py).upgrade().is_some());
    let all: Vec<_> = alive.chain(added).collect();
    engine.book.lock().unwrap().superseded.extend(all);
}

/// The module whose module-level code was the last on the way to the error.
fn raiser(py: Python<'_>, error: &PyErr) -> PyResult<Option<ModuleName>> {
    let mut raiser = None;
    let mut next = error.traceback(py).map(|traceback| traceback.into_any());
    while let Some(entry) = next {
        let frame = entry.getattr(intern!(py, "tb_frame"))?;
        let code = frame.getattr(intern!(py, "f_code"))?;
        if code.getattr(intern!(py, "co_name"))?.eq("<module>")? {
            let name = frame.getattr(intern!(py, "f_globals"))?.get_item("__name__")?;
            raiser = ModuleName::new(&name.extract::<String>()?).ok().or(raiser);
        }
        next = Some(entry.getattr(intern!(py, "tb_next"))?).filter(|next| !next.is_none());
    }
    Ok(raiser)
}
