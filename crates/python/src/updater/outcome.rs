//! Does a change lead to an update, and how is its result recorded?
//!
//! `update::pipeline` plans, stages and publishes. Here are the reasons not to begin, and what later
//! updates need to know; `ending` records the update.

use std::time::Instant;

use pyo3::{prelude::*, types::PyDict};
use transfuse_engine::{
    Cause, FileChange, GenerationState, ModuleName, Outcome, Plan, Reason, Restart, SourceSnapshot,
    Succession,
};

use crate::cpython::{exceptions, log, panics};
use crate::state::{
    command::BackTo, notify, runtime::Runtime, set_aside::SetAsideFiles, staging_area::InPlaceNote,
};
use crate::update::concurrent_loads::loads_since;
use crate::update::pipeline::{self, Staged, StagingOutcome};
use crate::update::planning::{self, UpdateRequest};
use crate::update::{disposal, project_files, report, seeds};
use crate::updater::ending::Ending;
use crate::updater::pending_change::{Conclusion, PendingChange};
use crate::updater::stager::{QuietFiles, Stager, Watched};
use crate::updater::tried::{Content, Tried, content_of};

/// Updates to pending changes, and remembers what the next update needs to know.
pub struct Updater {
    runtime: &'static Runtime,
    /// Content of which no further update is made.
    tried: Tried,
    /// The modules that wait for a restart, as of the last update.
    waiting_modules: Vec<Restart>,
    /// The settings and requirements that wait for a restart.
    waiting_project: Vec<Restart>,
    /// The thread that runs code of the program.
    pub(super) stager: Stager,
    /// Whether the last update was refused because too many generations are in use.
    retry_when_drained: bool,
    /// Whether the project's files could not be read at the last attempt.
    project_files_failed: bool,
}

/// The purpose of an update.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub cause: Cause,
    /// Whether it was not asked for, so that it waits until it is quiet, and tries nothing again.
    pub automatic: bool,
    /// A module that runs in any case.
    pub reload: Option<&'a ModuleName>,
    /// The rollback that it is, and what it then answers as.
    pub back: Option<(BackTo, Succession)>,
}

impl Wanted<'_> {
    pub fn of(cause: Cause) -> Self {
        Wanted { cause, automatic: false, reload: None, back: None }
    }
}

/// What an update of a change came to.
pub enum Concluded {
    /// It was published or refused.
    Reported(Py<PyDict>),
    Unchanged,
    /// Files were saved meanwhile: they are to be compared again.
    Interrupted,
}

impl Updater {
    pub fn new(runtime: &'static Runtime) -> Updater {
        Updater {
            runtime,
            tried: Tried::default(),
            waiting_modules: Vec::new(),
            waiting_project: Vec::new(),
            stager: Stager::new(runtime),
            retry_when_drained: false,
            project_files_failed: false,
        }
    }

    /// Has Python read the project's files again, if one of them has changed, and apply what can be
    /// applied, before any module runs. Sends and returns a report if that changes anything.
    pub fn reread_project_files(
        &mut self,
        py: Python<'_>,
        change: &mut PendingChange<'_>,
    ) -> Option<Py<PyDict>> {
        if !change.take_project_files_changed() {
            return None;
        }
        let reread = project_files::reread(py, self.runtime, true);
        self.project_files_failed = reread.is_err();
        let report = match reread {
            Ok(reread) => {
                let differs = reread.restart != self.waiting_project || !reread.notes.is_empty();
                self.waiting_project.clone_from(&reread.restart);
                self.store_waiting();
                let generation = self.runtime.current(py).get().id;
                differs.then(|| report::of_project(py, generation, &reread)).transpose()
            }
            Err(error) => {
                let (outcome, cause, started) = (Outcome::Refused, Cause::Saved, Instant::now());
                let ending = Ending { outcome, cause, back: None, started };
                self.record(py, &ending, &[], &Plan::default(), Err(error)).map(Some)
            }
        };
        match report {
            Ok(report) => report.inspect(|report| notify::send(py, self.runtime, report.bind(py))),
            Err(error) => {
                let _ = log::complain(py, "changed settings could not be reported", error);
                None
            }
        }
    }

    /// Updates without having been asked to, so an error is for the log.
    pub fn update_automatically(&mut self, py: Python<'_>, change: PendingChange<'_>) {
        let cause = if change.is_release { Cause::Release } else { Cause::Saved };
        let wanted = Wanted { automatic: true, ..Wanted::of(cause) };
        if let Err(error) = self.update(py, change, &wanted) {
            let _ = log::complain(py, "an update failed", error);
        }
    }

    /// Updates to a change and sends a report, but for a rollback. A panic refuses the update.
    pub fn update(
        &mut self,
        py: Python<'_>,
        mut change: PendingChange<'_>,
        wanted: &Wanted<'_>,
    ) -> PyResult<Concluded> {
        let started = Instant::now();
        let content = content_of(&change.snapshot, &change.changes);
        let attempt = panics::caught(|| self.attempt(py, &mut change, &content, wanted));
        let Staged { plan, end } = match attempt {
            Ok(Some(staged)) => staged,
            Ok(None) => return self.nothing_to_do(py, change, &content),
            Err(error) => Staged { plan: Plan::default(), end: StagingOutcome::Refused(error) },
        };
        let changes = std::mem::take(&mut change.changes);
        let Wanted { cause, back, .. } = *wanted;
        let to = back.map(|(to, _)| to);
        let ending = |outcome| Ending { outcome, cause, back: to, started };
        if !matches!(end, StagingOutcome::Interrupted) {
            self.stager.concluded();
        }
        let report = match end {
            StagingOutcome::Interrupted => return Ok(Concluded::Interrupted),
            StagingOutcome::Published(notes) => {
                let current = self.runtime.current(py);
                let held_back = planning::held_back(py, &current, &plan.restart);
                self.tried.publish(content, &held_back, self.runtime.settings());
                change.conclude(Conclusion::PublishedBut(held_back));
                self.waiting_modules.clone_from(&plan.restart);
                self.store_waiting();
                self.store_refused();
                let outcome = back.map_or(Outcome::Published, |_| Outcome::RolledBack);
                self.record(py, &ending(outcome), &changes, &plan, Ok(notes))?
            }
            StagingOutcome::Refused(error) => {
                // The other refusals are not about this content.
                if change.unreadable.is_empty() && !self.retry_when_drained {
                    self.tried.refuse(content);
                    self.store_refused();
                }
                change.conclude(Conclusion::Unchanged);
                self.record(py, &ending(Outcome::Refused), &changes, &plan, Err(error))?
            }
        };
        if back.is_none() {
            notify::send(py, self.runtime, report.bind(py));
        }
        Ok(Concluded::Reported(report))
    }

    /// No update is made of a change. Reports if that ends a refusal: files have the content again that
    /// is served, or that waits for a restart.
    fn nothing_to_do(
        &mut self,
        py: Python<'_>,
        change: PendingChange<'_>,
        content: &Content,
    ) -> PyResult<Concluded> {
        let is_fixed = if change.changes.is_empty() {
            change.conclude(Conclusion::Unchanged);
            self.nothing_differs()
        } else if self.tried.waits(content, &self.runtime.settings()) {
            self.tried.keep_waiting();
            self.store_refused();
            let waiting = content.iter().map(|(path, _)| path.clone()).collect();
            change.conclude(Conclusion::PublishedBut(waiting));
            self.nothing_fails()
        } else {
            false
        };
        if is_fixed { Ok(Concluded::Reported(self.fixed(py)?)) } else { Ok(Concluded::Unchanged) }
    }

    /// Stages an update; none if nothing differs, or only content that was set aside.
    fn attempt(
        &mut self,
        py: Python<'_>,
        change: &mut PendingChange<'_>,
        content: &Content,
        wanted: &Wanted<'_>,
    ) -> PyResult<Option<Staged>> {
        let Wanted { automatic, reload, .. } = *wanted;
        let runtime = self.runtime;
        report::unreadable(py, runtime);
        if let Some((path, error)) = change.unreadable.first() {
            return Err(exceptions::unreadable(path, error));
        }
        if change.changes.is_empty() && reload.is_none() {
            return Ok(None);
        }
        let error = self.too_many_draining();
        self.retry_when_drained = error.is_some();
        error.map_or(Ok(()), Err)?;
        let waits = reload.is_none() && self.tried.waits(content, &self.runtime.settings());
        if waits || automatic && self.tried.is_refused(content) {
            return Ok(None);
        }
        let since = loads_since(py, runtime);
        let (view, changes) = (change.snapshot.clone(), change.changes.clone());
        let mut seeds = seeds::of_changes(py, runtime, &view, &changes);
        seeds.extend(reload.map(|name| (name.clone(), Reason::Asked)));
        let back = wanted.back.map(|(_, succession)| succession);
        let request =
            UpdateRequest { view, changes, seeds, since, back, automatic, in_main_thread: false };
        let (listener, files) = change.parts();
        let watched = Watched { snapshot: Some(files), yields: back.is_none() };
        let staged = self.stager.run(py, listener, &watched, move |py, ask| {
            let mut quiet = QuietFiles { ask, automatic };
            Ok(pipeline::run_update(py, runtime, request, &mut quiet))
        })?;
        let interrupted = || Staged { plan: Plan::default(), end: StagingOutcome::Interrupted };
        Ok(Some(staged.unwrap_or_else(interrupted)))
    }

    /// The error of an update for which too many generations are in use.
    fn too_many_draining(&self) -> Option<PyErr> {
        let runtime = self.runtime;
        let resident = runtime.settings().resident;
        let draining = runtime
            .generations
            .alive(|_, _, state| matches!(state, GenerationState::Draining { .. }));
        let count = draining.into_iter().filter(|draining| *draining).count();
        (count > 0 && count >= resident).then(|| {
            let units = runtime.units.describe(runtime.generations.current(|c| c.get().id.0), count);
            exceptions::still_in_use(&format!(
                "{units} (the setting resident is {resident}); the update is tried again when one is over"
            ))
        })
    }

    /// Is there room now for an update that was refused because there was none? Says so once.
    pub fn take_retry(&mut self) -> bool {
        if !self.retry_when_drained || self.too_many_draining().is_some() {
            return false;
        }
        self.retry_when_drained = false;
        self.runtime.settings().watch
    }

    /// No automatic update is to try this content of these files again.
    pub fn was_tried(&mut self, snapshot: &SourceSnapshot, changes: &[FileChange]) {
        self.tried.refuse(content_of(snapshot, changes));
        self.store_refused();
    }

    /// The same for content that was refused before this process started.
    pub fn were_refused(&mut self, content: SetAsideFiles) {
        self.tried.refuse(content.into_iter().collect());
        self.store_refused();
    }

    /// Takes over the changes that wait for a restart in the workers that gave this process its
    /// content.
    pub fn take_over_waiting(&mut self) {
        let given = &self.runtime.given.waiting;
        let differs = |entry: &&Restart| {
            let path = entry.path.as_ref();
            path.is_some_and(|path| self.tried.has(path))
        };
        let waiting: Vec<Restart> = given.iter().filter(differs).cloned().collect();
        let paths: Vec<_> = waiting.iter().filter_map(|entry| entry.path.clone()).collect();
        self.tried.waits_in_others(&paths, self.runtime.settings());
        self.waiting_modules = waiting;
        self.store_refused();
        self.store_waiting();
    }

    /// An automatic update may try everything again.
    pub fn forget_tried(&mut self) {
        self.tried.clear();
    }

    /// Stores what was refused: a process that starts does not take it from disk.
    fn store_refused(&self) {
        *self.runtime.refused.lock() = self.tried.refusal().iter().cloned().collect();
    }

    /// Nothing waits for a restart any more: a rollback has set it aside.
    pub fn nothing_waits(&mut self) {
        self.tried.nothing_waits();
        self.waiting_modules.clear();
        self.store_waiting();
    }

    /// Reports that files which were refused have the content again that is served.
    fn fixed(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let report = self.unchanged(py);
        report.bind(py).set_item("fixed", true)?;
        notify::send(py, self.runtime, report.bind(py));
        Ok(report)
    }

    /// The files have the content that is served, so no refused update is left to report, and nothing
    /// waits for a restart. Was there one, or did something wait?
    fn nothing_differs(&mut self) -> bool {
        self.tried.clear();
        self.store_refused();
        let waited = !self.waiting_modules.is_empty();
        self.nothing_waits();
        self.nothing_fails() || waited
    }

    /// No refused update is left to report. Was one?
    fn nothing_fails(&mut self) -> bool {
        if self.project_files_failed {
            return false;
        }
        let before = self.runtime.records.lock().failing.take();
        // Dropped with this function, outside the lock: its objects may run Python code.
        before.is_some()
    }

    /// Stores for `status` the changes that wait for a restart.
    fn store_waiting(&self) {
        let all = self.waiting_modules.iter().chain(&self.waiting_project).cloned().collect();
        self.runtime.records.lock().waiting = all;
    }

    /// Records how an update ended, and returns its report. Disposes of superseded modules, or of those
    /// that were staged in vain.
    pub fn record(
        &mut self,
        py: Python<'_>,
        ending: &Ending,
        changes: &[FileChange],
        plan: &Plan,
        result: Result<Vec<InPlaceNote>, PyErr>,
    ) -> PyResult<Py<PyDict>> {
        let report = ending.record(py, self.runtime, changes, plan, result)?;
        self.dispose(py);
        Ok(report)
    }

    /// Disposes of drained generations, in the thread that has made them.
    pub fn dispose(&mut self, py: Python<'_>) {
        let runtime = self.runtime;
        let disposed = self.stager.call(py, move |py| disposal::dispose_drained(py, runtime));
        if let Err(error) = disposed {
            let _ = log::complain(py, "former code could not be disposed of", error);
        }
    }

    pub fn unchanged(&self, py: Python<'_>) -> Py<PyDict> {
        let report = report::unchanged(py, self.runtime.current(py).get().id);
        let waiting: Vec<_> = self
            .waiting_modules
            .iter()
            .chain(&self.waiting_project)
            .map(report::of_restart)
            .collect();
        let _ = report.bind(py).set_item("restart", waiting);
        let _ = report::add_set_aside(report.bind(py), self.runtime);
        report
    }
}
