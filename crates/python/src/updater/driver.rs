//! Who carries updates out, one at a time?
//!
//! A thread of its own (made by Python's `threading`, so that code it runs finds
//! an ordinary thread). It waits without the GIL (`updater/listener.rs`) and stages and
//! publishes with it. Everything in [`Driver`] belongs to that thread alone.
//! What is to be served that is not on disk is `off_disk`'s, what is told of the end `outcome`'s.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crossbeam_channel::Receiver;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use transfuse_engine::{
    Digest, FileChange, GenerationState, ModuleName, Outcome, Plan, Reason, Restart, SourceSnapshot,
};

use crate::cpython::thread::thread;
use crate::cpython::{exceptions, log, panics};
use crate::state::command::Command;
use crate::state::notify;
use crate::state::runtime::Runtime;
use crate::update::concurrent_loads::loads_since;
use crate::update::pipeline::{self, StagingOutcome};
use crate::update::planning::{self, UpdateRequest};
use crate::update::{disposal, project_files, report, seeds};
use crate::updater::listener::{ChangeListener, CollectedChanges, Wakeup};

/// How often who asks for an update looks again because other workers have seen later files.
const TRIES: usize = 50;

/// The updating thread's own things.
pub struct Driver {
    pub(super) runtime: &'static Runtime,
    pub(super) listener: ChangeListener,
    /// What the last refused update would have served, or a rollback took back, so that it is not
    /// tried again until something changes.
    pub(super) refused: Option<Vec<(PathBuf, Option<Digest>)>>,
    /// What waits for a restart: modules, and what the files beside the code ask for.
    pub(super) waiting_modules: Vec<Restart>,
    pub(super) waiting_project: Vec<Restart>,
    /// Whether there was no room for one more generation.
    pub(super) waits_for_room: bool,
    /// Whether the last update stopped because there was more to come.
    pub(super) interrupted: bool,
    /// Whether the files beside the code cannot be followed, as told last.
    pub(super) project_files_failed: bool,
}

impl Driver {
    /// Starts to watch. `dirs` are the folders that the scan saw.
    pub fn new(runtime: &'static Runtime, commands: Receiver<Command>, dirs: &[PathBuf]) -> Driver {
        Driver {
            runtime,
            listener: ChangeListener::new(runtime, commands, dirs),
            refused: None,
            waiting_modules: Vec::new(),
            waiting_project: Vec::new(),
            waits_for_room: false,
            interrupted: false,
            project_files_failed: false,
        }
    }

    /// Until it is told to stop.
    pub fn run(&mut self, py: Python<'_>) {
        let _ended = Ended(self.runtime);
        self.runtime.updating_thread.store(thread(), Ordering::Release);
        self.ignore_until_changed(py, self.runtime.given.clone());
        loop {
            let heard = py.detach(|| self.listener.next());
            if matches!(heard, Wakeup::Command(Command::Stop)) {
                return;
            }
            let done = panics::caught(|| {
                match heard {
                    Wakeup::Command(command) => self.handle(py, command),
                    Wakeup::Changed => self.update_on_change(py),
                }
                Ok(())
            });
            if let Err(error) = done {
                let _ = log::complain(py, "an update could not be told of", error);
            }
        }
    }

    fn handle(&mut self, py: Python<'_>, command: Command) {
        match command {
            Command::Update(reply) => {
                let _ = reply.send(panics::caught(|| self.update_on_request(py, None)));
            }
            Command::Reload(name, reply) => {
                let _ = reply.send(panics::caught(|| self.update_on_request(py, Some(name))));
            }
            Command::Plan(reply) => {
                let _ = reply.send(panics::caught(|| self.plan(py)));
            }
            Command::Rollback(to, reply) => {
                let done = panics::caught(|| self.rollback(py, to));
                if let Ok(done) = &done {
                    notify::send(py, self.runtime, done.bind(py));
                }
                let _ = reply.send(done);
            }
            Command::Adopt(contents, reply) => {
                let _ = reply.send(panics::caught(|| self.adopt(py, contents)));
            }
            Command::Dispose => {
                disposal::dispose_drained(py, self.runtime);
                self.retry_if_room(py);
            }
            Command::Stop => {}
        }
    }

    fn update_on_change(&mut self, py: Python<'_>) {
        let found = py.detach(|| {
            let found = self.listener.collect_changes(true);
            // What was read while somebody was writing is but a part of a save.
            found.filter(|_| self.listener.is_saved())
        });
        let Some(found) = found else { return };
        if found.project
            && let Some(told) = self.reread_project_files(py)
        {
            notify::send(py, self.runtime, told.bind(py));
        }
        match self.update(py, found, true, None) {
            Ok(Some(done)) => notify::send(py, self.runtime, done.bind(py)),
            Ok(None) => {}
            Err(error) => {
                let _ = log::complain(py, "an update failed", error);
            }
        }
    }

    /// Somebody asked for an update, or for one in which this module runs in any case.
    fn update_on_request(
        &mut self,
        py: Python<'_>,
        also: Option<ModuleName>,
    ) -> PyResult<Py<PyDict>> {
        for _ in 0..TRIES {
            self.interrupted = false;
            let done = self.update_once(py, also.clone())?;
            if !self.interrupted {
                return Ok(done);
            }
        }
        Ok(self.unchanged(py))
    }

    fn update_once(&mut self, py: Python<'_>, also: Option<ModuleName>) -> PyResult<Py<PyDict>> {
        let found = py.detach(|| {
            self.listener.catch_up();
            self.listener.collect_changes(false)
        });
        let beside = match &found {
            Some(found) if found.project => self.reread_project_files(py),
            _ => None,
        };
        if let Some(told) = &beside {
            notify::send(py, self.runtime, told.bind(py));
        }
        let done = match found {
            Some(found) => self.update(py, found, false, also)?,
            None if also.is_some() => {
                let view = self.runtime.current(py).get().view();
                self.update(
                    py,
                    CollectedChanges { view, ..CollectedChanges::default() },
                    false,
                    also,
                )?
            }
            None => None,
        };
        if let Some(done) = &done {
            notify::send(py, self.runtime, done.bind(py));
        }
        Ok(done.or(beside).unwrap_or_else(|| self.unchanged(py)))
    }

    /// Settings or requirements may be others: what can be applied is, before any module runs. None
    /// if they say what they said.
    fn reread_project_files(&mut self, py: Python<'_>) -> Option<Py<PyDict>> {
        self.listener.project_files_reread();
        let considered = project_files::reread(py, self.runtime, true);
        self.project_files_failed = considered.is_err();
        let told = match considered {
            Ok(considered) => {
                let waits = considered.restart != self.waiting_project;
                let news = waits || !considered.notes.is_empty();
                self.waiting_project.clone_from(&considered.restart);
                self.note_waiting();
                let generation = self.runtime.current(py).get().id;
                news.then(|| report::of_project(py, generation, &considered)).transpose()
            }
            Err(error) => self.refuse(py, Instant::now(), &[], &Plan::default(), error).map(Some),
        };
        told.unwrap_or_else(|error| {
            let _ = log::complain(py, "the settings could not be looked at", error);
            None
        })
    }

    /// One update; none if there is nothing to do. A fault of ours refuses it.
    pub(super) fn update(
        &mut self,
        py: Python<'_>,
        found: CollectedChanges,
        automatic: bool,
        also: Option<ModuleName>,
    ) -> PyResult<Option<Py<PyDict>>> {
        let begun = Instant::now();
        let (changes, wanted) = (found.changes.clone(), wanted(&found.view, &found.changes));
        panics::caught(|| self.try_update(py, found, automatic, also)).or_else(|error| {
            self.listener.concluded();
            self.refused = Some(wanted);
            self.refuse(py, begun, &changes, &Plan::default(), error).map(Some)
        })
    }

    fn try_update(
        &mut self,
        py: Python<'_>,
        found: CollectedChanges,
        automatic: bool,
        also: Option<ModuleName>,
    ) -> PyResult<Option<Py<PyDict>>> {
        let begun = Instant::now();
        let runtime = self.runtime;
        let CollectedChanges { view, changes, unreadable, .. } = found;
        report::unreadable(py, runtime);
        if let Some((path, error)) = unreadable.into_iter().next() {
            let error = exceptions::unreadable(&path, &error, runtime.current(py).get().id.0);
            return self.refuse(py, begun, &changes, &Plan::default(), error).map(Some);
        }
        if changes.is_empty() && also.is_none() {
            self.listener.concluded();
            self.refused = None;
            self.waiting_modules.clear();
            self.note_waiting();
            if !self.project_files_failed {
                self.no_longer_fails();
            }
            return Ok(None);
        }
        if let Some(error) = self.too_many_draining() {
            self.listener.concluded();
            self.waits_for_room = true;
            return self.refuse(py, begun, &changes, &Plan::default(), error).map(Some);
        }
        let since = loads_since(py, runtime);
        let mut seeds = seeds::of_changes(py, runtime, &view, &changes);
        seeds.extend(also.map(|name| (name, Reason::Asked)));
        let intent = UpdateRequest { view, changes: changes.clone(), seeds, since };
        let wanted = wanted(&intent.view, &changes);
        if automatic && self.refused.as_ref() == Some(&wanted) {
            return Ok(None);
        }
        let staged = pipeline::run_update(py, runtime, intent, &mut || {
            !automatic || py.detach(|| self.listener.is_saved())
        });
        match staged.end {
            StagingOutcome::Interrupted => {
                self.interrupted = true;
                Ok(None)
            }
            StagingOutcome::Published(notes) => {
                self.listener.concluded();
                let restart = &staged.plan.restart;
                let held_back = planning::held_back(py, &runtime.current(py), restart);
                self.listener.served(held_back.into_iter().collect());
                self.waiting_modules.clone_from(restart);
                self.note_waiting();
                self.refused = (!staged.plan.restart.is_empty()).then_some(wanted);
                let done =
                    self.record(py, Outcome::Published, begun, &changes, &staged.plan, Ok(notes))?;
                disposal::dispose_drained(py, runtime);
                Ok(Some(done))
            }
            StagingOutcome::Refused(error) => {
                self.listener.concluded();
                self.refused = Some(wanted);
                self.refuse(py, begun, &changes, &staged.plan, error).map(Some)
            }
        }
    }

    /// Why there cannot be one more generation now.
    fn too_many_draining(&self) -> Option<PyErr> {
        let runtime = self.runtime;
        let resident = runtime.settings().resident;
        let draining = runtime
            .generations
            .alive(|_, _, state| matches!(state, GenerationState::Draining { .. }));
        let count = draining.into_iter().filter(|draining| *draining).count();
        let told = || runtime.units.describe(runtime.generations.current(|c| c.get().id.0), count);
        (count > 0 && count >= resident).then(|| {
            exceptions::still_in_use(&format!(
                "{} (the setting resident is {resident}); the update is tried again when one is over",
                told()
            ))
        })
    }

    /// A generation is over: an update that there was no room for is tried again.
    fn retry_if_room(&mut self, py: Python<'_>) {
        if !self.waits_for_room || self.too_many_draining().is_some() {
            return;
        }
        self.waits_for_room = false;
        if self.runtime.settings().watch {
            let found = py.detach(|| self.listener.collect_changes(false));
            let done = found.map(|found| self.update(py, found, true, None));
            match done {
                Some(Ok(Some(done))) => notify::send(py, self.runtime, done.bind(py)),
                Some(Err(error)) => {
                    let _ = log::complain(py, "an update failed", error);
                }
                _ => {}
            }
        }
    }

    fn plan(&mut self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let found = py.detach(|| {
            self.listener.catch_up();
            self.listener.collect_changes(false)
        });
        let Some(CollectedChanges { view, changes, .. }) = found else {
            return Ok(self.unchanged(py));
        };
        let since = loads_since(py, self.runtime);
        let seeds = seeds::of_changes(py, self.runtime, &view, &changes);
        let intent = UpdateRequest { view, changes: changes.clone(), seeds, since };
        let mut plan = planning::draw_plan(py, self.runtime, &intent)?;
        plan.restart.extend(project_files::reread(py, self.runtime, false)?.restart);
        report::of_plan(py, self.runtime.current(py).get().id, &changes, &plan)
    }
}

/// Says so when the thread ends without having been told to: by a fault while it waited.
struct Ended(&'static Runtime);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.updating_ended.store(true, Ordering::Release);
    }
}

/// What an update would serve: the changed files with their content.
pub(super) fn wanted(
    view: &SourceSnapshot,
    changes: &[FileChange],
) -> Vec<(PathBuf, Option<Digest>)> {
    let digest = |path: &PathBuf| view.get(path).map(|source| source.digest());
    changes.iter().map(|change| (change.path.clone(), digest(&change.path))).collect()
}
