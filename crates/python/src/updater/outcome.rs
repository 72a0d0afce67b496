//! Does a change lead to an update, and what is kept of how it ended?
//!
//! `update::pipeline` plans, stages and publishes. Here are the reasons not to begin, and the records
//! that `status`, the log and later updates need.

use std::{path::PathBuf, time::Instant};

use pyo3::{prelude::*, types::PyDict};
use transfuse_engine::{
    Digest, FileChange, GenerationState, ModuleName, Outcome, Plan, Reason, Record, Restart,
    SourceSnapshot,
};

use crate::cpython::{exceptions, log, panics};
use crate::state::{notify, runtime::Runtime, staging_area::InPlaceNote};
use crate::update::concurrent_loads::loads_since;
use crate::update::pipeline::{self, Quiet, Staged, StagingOutcome};
use crate::update::planning::{self, UpdateRequest};
use crate::update::{disposal, project_files, report, seeds};
use crate::updater::pending_change::{Conclusion, PendingChange};

/// Updates to pending changes, and remembers what the next update needs to know.
pub struct Updater {
    runtime: &'static Runtime,
    /// `[(/srv/shop/tax.py, its digest)]`: the content that the last refused update would have
    /// served, or that a rollback replaced. No automatic update tries it again.
    set_aside: Option<Vec<(PathBuf, Option<Digest>)>>,
    /// The modules that wait for a restart, as of the last update.
    waiting_modules: Vec<Restart>,
    /// The settings and requirements that wait for a restart.
    waiting_project: Vec<Restart>,
    /// Whether the last update was refused because too many generations are in use.
    retry_when_drained: bool,
    /// Whether the project's files could not be read at the last attempt.
    project_files_failed: bool,
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
            set_aside: None,
            waiting_modules: Vec::new(),
            waiting_project: Vec::new(),
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
            Err(error) => self.refuse(py, Instant::now(), &[], &Plan::default(), error).map(Some),
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
        if let Err(error) = self.update(py, change, true, None) {
            let _ = log::complain(py, "an update failed", error);
        }
    }

    /// Updates to a change and sends a report. A panic refuses the update.
    pub fn update(
        &mut self,
        py: Python<'_>,
        mut change: PendingChange<'_>,
        automatic: bool,
        reload: Option<&ModuleName>,
    ) -> PyResult<Concluded> {
        let started = Instant::now();
        let wanted = contents(&change.snapshot, &change.changes);
        let attempt = panics::caught(|| self.attempt(py, &mut change, &wanted, automatic, reload));
        let Staged { plan, end } = match attempt {
            Ok(Some(staged)) => staged,
            Ok(None) => {
                if change.changes.is_empty() {
                    change.conclude(Conclusion::Unchanged);
                    self.nothing_differs();
                }
                return Ok(Concluded::Unchanged);
            }
            Err(error) => Staged { plan: Plan::default(), end: StagingOutcome::Refused(error) },
        };
        let changes = std::mem::take(&mut change.changes);
        let report = match end {
            StagingOutcome::Interrupted => return Ok(Concluded::Interrupted),
            StagingOutcome::Published(notes) => {
                let current = self.runtime.current(py);
                let held_back = planning::held_back(py, &current, &plan.restart);
                change.conclude(Conclusion::PublishedBut(held_back));
                self.waiting_modules.clone_from(&plan.restart);
                self.store_waiting();
                self.set_aside = (!plan.restart.is_empty()).then_some(wanted);
                self.record(py, Outcome::Published, started, &changes, &plan, Ok(notes))?
            }
            StagingOutcome::Refused(error) => {
                // The other refusals are not about this content.
                if change.unreadable.is_empty() && !self.retry_when_drained {
                    self.set_aside = Some(wanted);
                }
                change.conclude(Conclusion::Unchanged);
                self.refuse(py, started, &changes, &plan, error)?
            }
        };
        notify::send(py, self.runtime, report.bind(py));
        Ok(Concluded::Reported(report))
    }

    /// Stages an update; none if nothing differs, or only content that was set aside.
    fn attempt(
        &mut self,
        py: Python<'_>,
        change: &mut PendingChange<'_>,
        wanted: &[(PathBuf, Option<Digest>)],
        automatic: bool,
        reload: Option<&ModuleName>,
    ) -> PyResult<Option<Staged>> {
        let runtime = self.runtime;
        report::unreadable(py, runtime);
        if let Some((path, error)) = change.unreadable.first() {
            return Err(exceptions::unreadable(path, error, runtime.current(py).get().id.0));
        }
        if change.changes.is_empty() && reload.is_none() {
            return Ok(None);
        }
        let error = self.too_many_draining();
        self.retry_when_drained = error.is_some();
        error.map_or(Ok(()), Err)?;
        if automatic && self.set_aside.as_deref() == Some(wanted) {
            return Ok(None);
        }
        let since = loads_since(py, runtime);
        let (view, changes) = (change.snapshot.clone(), change.changes.clone());
        let mut seeds = seeds::of_changes(py, runtime, &view, &changes);
        seeds.extend(reload.map(|name| (name.clone(), Reason::Asked)));
        let request = UpdateRequest { view, changes, seeds, since };
        let mut quiet = QuietFiles { py, change, automatic };
        Ok(Some(pipeline::run_update(py, runtime, request, &mut quiet)))
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

    /// No automatic update is to serve this content of these files.
    pub fn set_aside(&mut self, snapshot: &SourceSnapshot, changes: &[FileChange]) {
        self.set_aside = Some(contents(snapshot, changes));
    }

    /// The files have the content that is served, so no refused update is left to report.
    fn nothing_differs(&mut self) {
        self.set_aside = None;
        self.waiting_modules.clear();
        self.store_waiting();
        if !self.project_files_failed {
            let before = self.runtime.records.lock().failing.take();
            // Dropped here, outside the lock: what it refers to may run Python code.
            drop(before);
        }
    }

    /// Stores for `status` what waits for a restart.
    fn store_waiting(&self) {
        let all = self.waiting_modules.iter().chain(&self.waiting_project).cloned().collect();
        self.runtime.records.lock().waiting = all;
    }

    /// Records an update that changed nothing, and returns its report.
    pub fn refuse(
        &self,
        py: Python<'_>,
        started: Instant,
        changes: &[FileChange],
        plan: &Plan,
        error: PyErr,
    ) -> PyResult<Py<PyDict>> {
        self.runtime.records.lock().refused += 1;
        self.record(py, Outcome::Refused, started, changes, plan, Err(error))
    }

    /// Records how an update ended, and returns its report. Disposes of what it superseded.
    pub fn record(
        &self,
        py: Python<'_>,
        outcome: Outcome,
        started: Instant,
        changes: &[FileChange],
        plan: &Plan,
        result: Result<Vec<InPlaceNote>, PyErr>,
    ) -> PyResult<Py<PyDict>> {
        let (notes, error) = match result {
            Ok(notes) => (notes, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let record = Record {
            generation: self.runtime.current(py).get().id,
            outcome,
            changed: changes.to_vec(),
            ran: plan.steps.clone(),
            took: started.elapsed(),
            error: error.as_ref().map(ToString::to_string),
        };
        let report = report::of_record(py, &record, &plan.restart, &notes, error)?;
        let failing = (outcome == Outcome::Refused).then(|| report.clone_ref(py));
        let before = {
            let mut records = self.runtime.records.lock();
            records.history.push(record);
            std::mem::replace(&mut records.failing, failing)
        };
        // Dropped here, outside the lock: what it refers to may run Python code.
        drop(before);
        if outcome != Outcome::Refused {
            disposal::dispose_drained(py, self.runtime);
        }
        Ok(report)
    }

    pub fn unchanged(&self, py: Python<'_>) -> Py<PyDict> {
        report::unchanged(py, self.runtime.current(py).get().id)
    }
}

/// Asks whether files are still being saved; an explicit update does not.
struct QuietFiles<'a, 'l, 'py> {
    py: Python<'py>,
    change: &'a mut PendingChange<'l>,
    automatic: bool,
}

impl Quiet for QuietFiles<'_, '_, '_> {
    fn holds(&mut self) -> bool {
        let change = &mut *self.change;
        !self.automatic || self.py.detach(|| change.is_still_quiet())
    }

    fn lasts(&mut self) -> bool {
        let change = &mut *self.change;
        !self.automatic || self.py.detach(|| change.stays_quiet())
    }
}

/// The changed files with their content in `snapshot`.
fn contents(snapshot: &SourceSnapshot, changes: &[FileChange]) -> Vec<(PathBuf, Option<Digest>)> {
    let digest = |path: &PathBuf| snapshot.get(path).map(|source| source.digest());
    changes.iter().map(|change| (change.path.clone(), digest(&change.path))).collect()
}
