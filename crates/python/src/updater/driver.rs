//! Who carries updates out, one at a time?
//!
//! A thread of its own (made by Python's `threading`, so that code it runs finds
//! an ordinary thread). It waits without the GIL (`listening.rs`) and stages and
//! publishes with it. Everything in [`Driver`] belongs to that thread alone.
//! What is to be served that is not on disk is `off_disk`'s, what is told of the end `outcome`'s.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crossbeam_channel::Receiver;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use transfuse_engine::{Change, Digest, ModuleName, Outcome, Plan, Reason, Restart, State, View};

use crate::cpython::thread::thread;
use crate::cpython::{exceptions, log, panics};
use crate::state::command::Command;
use crate::state::notify;
use crate::state::runtime::Engine;
use crate::update::concurrent_loads::unplanned;
use crate::update::pipeline::{self, End};
use crate::update::planning::{self, Intent};
use crate::update::{disposal, project_files, report, seeds};
use crate::updater::listener::{Found, Heard, Listener};

/// How often who asks for an update looks again because other workers have seen later files.
const TRIES: usize = 50;

/// The updating thread's own things.
pub struct Driver {
    pub(super) engine: &'static Engine,
    pub(super) listener: Listener,
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
    pub(super) fails_beside: bool,
}

impl Driver {
    /// Starts to watch. `dirs` are the folders that the scan saw.
    pub fn new(engine: &'static Engine, commands: Receiver<Command>, dirs: &[PathBuf]) -> Driver {
        Driver {
            engine,
            listener: Listener::new(engine, commands, dirs),
            refused: None,
            waiting_modules: Vec::new(),
            waiting_project: Vec::new(),
            waits_for_room: false,
            interrupted: false,
            fails_beside: false,
        }
    }

    /// Until it is told to stop.
    pub fn run(&mut self, py: Python<'_>) {
        let _ended = Ended(self.engine);
        self.engine.updating_thread.store(thread(), Ordering::Release);
        self.leave_be(py, self.engine.given.clone());
        loop {
            let heard = py.detach(|| self.listener.next());
            if matches!(heard, Heard::Command(Command::Stop)) {
                return;
            }
            let done = panics::caught(|| {
                match heard {
                    Heard::Command(command) => self.obey(py, command),
                    Heard::Changed => self.automatic(py),
                }
                Ok(())
            });
            if let Err(error) = done {
                let _ = log::complain(py, "an update could not be told of", error);
            }
        }
    }

    fn obey(&mut self, py: Python<'_>, command: Command) {
        match command {
            Command::Update(reply) => {
                let _ = reply.send(panics::caught(|| self.asked(py, None)));
            }
            Command::Reload(name, reply) => {
                let _ = reply.send(panics::caught(|| self.asked(py, Some(name))));
            }
            Command::Plan(reply) => {
                let _ = reply.send(panics::caught(|| self.plan(py)));
            }
            Command::Rollback(to, reply) => {
                let done = panics::caught(|| self.rollback(py, to));
                if let Ok(done) = &done {
                    notify::send(py, self.engine, done.bind(py));
                }
                let _ = reply.send(done);
            }
            Command::Adopt(contents, reply) => {
                let _ = reply.send(panics::caught(|| self.adopt(py, contents)));
            }
            Command::Dispose => {
                disposal::dispose_drained(py, self.engine);
                self.no_longer_crowded(py);
            }
            Command::Stop => {}
        }
    }

    fn automatic(&mut self, py: Python<'_>) {
        let found = py.detach(|| {
            let found = self.listener.look(true);
            // What was read while somebody was writing is but a part of a save.
            found.filter(|_| self.listener.is_saved())
        });
        let Some(found) = found else { return };
        if found.project
            && let Some(told) = self.beside(py)
        {
            notify::send(py, self.engine, told.bind(py));
        }
        match self.update(py, found, true, None) {
            Ok(Some(done)) => notify::send(py, self.engine, done.bind(py)),
            Ok(None) => {}
            Err(error) => {
                let _ = log::complain(py, "an update failed", error);
            }
        }
    }

    /// Somebody asked for an update, or for one in which this module runs in any case.
    fn asked(&mut self, py: Python<'_>, also: Option<ModuleName>) -> PyResult<Py<PyDict>> {
        for _ in 0..TRIES {
            self.interrupted = false;
            let done = self.asked_once(py, also.clone())?;
            if !self.interrupted {
                return Ok(done);
            }
        }
        Ok(self.unchanged(py))
    }

    fn asked_once(&mut self, py: Python<'_>, also: Option<ModuleName>) -> PyResult<Py<PyDict>> {
        let found = py.detach(|| {
            self.listener.catch_up();
            self.listener.look(false)
        });
        let beside = match &found {
            Some(found) if found.project => self.beside(py),
            _ => None,
        };
        if let Some(told) = &beside {
            notify::send(py, self.engine, told.bind(py));
        }
        let done = match found {
            Some(found) => self.update(py, found, false, also)?,
            None if also.is_some() => {
                let view = self.engine.current(py).get().view();
                self.update(py, Found { view, ..Found::default() }, false, also)?
            }
            None => None,
        };
        if let Some(done) = &done {
            notify::send(py, self.engine, done.bind(py));
        }
        Ok(done.or(beside).unwrap_or_else(|| self.unchanged(py)))
    }

    /// Settings or requirements may be others: what can be applied is, before any module runs. None
    /// if they say what they said.
    fn beside(&mut self, py: Python<'_>) -> Option<Py<PyDict>> {
        self.listener.beside_considered();
        let considered = project_files::consider(py, self.engine, true);
        self.fails_beside = considered.is_err();
        let told = match considered {
            Ok(considered) => {
                let waits = considered.restart != self.waiting_project;
                let news = waits || !considered.notes.is_empty();
                self.waiting_project.clone_from(&considered.restart);
                self.note_waiting();
                let generation = self.engine.current(py).get().id;
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
        found: Found,
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
        found: Found,
        automatic: bool,
        also: Option<ModuleName>,
    ) -> PyResult<Option<Py<PyDict>>> {
        let begun = Instant::now();
        let engine = self.engine;
        let Found { view, changes, unreadable, .. } = found;
        report::unreadable(py, engine);
        if let Some((path, error)) = unreadable.into_iter().next() {
            let error = exceptions::unreadable(&path, &error, engine.current(py).get().id.0);
            return self.refuse(py, begun, &changes, &Plan::default(), error).map(Some);
        }
        if changes.is_empty() && also.is_none() {
            self.listener.concluded();
            self.refused = None;
            self.waiting_modules.clear();
            self.note_waiting();
            if !self.fails_beside {
                self.no_longer_fails();
            }
            return Ok(None);
        }
        if let Some(error) = self.crowded() {
            self.listener.concluded();
            self.waits_for_room = true;
            return self.refuse(py, begun, &changes, &Plan::default(), error).map(Some);
        }
        let since = unplanned(py, engine);
        let mut seeds = seeds::of_changes(py, engine, &view, &changes);
        seeds.extend(also.map(|name| (name, Reason::Asked)));
        let intent = Intent { view, changes: changes.clone(), seeds, since };
        let wanted = wanted(&intent.view, &changes);
        if automatic && self.refused.as_ref() == Some(&wanted) {
            return Ok(None);
        }
        let staged = pipeline::update(py, engine, intent, &mut || {
            !automatic || py.detach(|| self.listener.is_saved())
        });
        match staged.end {
            End::Interrupted => {
                self.interrupted = true;
                Ok(None)
            }
            End::Published(notes) => {
                self.listener.concluded();
                let restart = &staged.plan.restart;
                let held_back = planning::held_back(py, &engine.current(py), restart);
                self.listener.served(held_back.into_iter().collect());
                self.waiting_modules.clone_from(restart);
                self.note_waiting();
                self.refused = (!staged.plan.restart.is_empty()).then_some(wanted);
                let done =
                    self.record(py, Outcome::Published, begun, &changes, &staged.plan, Ok(notes))?;
                disposal::dispose_drained(py, engine);
                Ok(Some(done))
            }
            End::Refused(error) => {
                self.listener.concluded();
                self.refused = Some(wanted);
                self.refuse(py, begun, &changes, &staged.plan, error).map(Some)
            }
        }
    }

    /// Why there cannot be one more generation now.
    fn crowded(&self) -> Option<PyErr> {
        let engine = self.engine;
        let resident = engine.settings().resident;
        let draining =
            engine.generations.alive(|_, _, state| matches!(state, State::Draining { .. }));
        let count = draining.into_iter().filter(|draining| *draining).count();
        let told = || engine.units.told(engine.generations.current(|c| c.get().id.0), count);
        (count > 0 && count >= resident).then(|| {
            exceptions::still_in_use(&format!(
                "{} (the setting resident is {resident}); the update is tried again when one is over",
                told()
            ))
        })
    }

    /// A generation is over: an update that there was no room for is tried again.
    fn no_longer_crowded(&mut self, py: Python<'_>) {
        if !self.waits_for_room || self.crowded().is_some() {
            return;
        }
        self.waits_for_room = false;
        if self.engine.settings().watch {
            let found = py.detach(|| self.listener.look(false));
            let done = found.map(|found| self.update(py, found, true, None));
            match done {
                Some(Ok(Some(done))) => notify::send(py, self.engine, done.bind(py)),
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
            self.listener.look(false)
        });
        let Some(Found { view, changes, .. }) = found else {
            return Ok(self.unchanged(py));
        };
        let since = unplanned(py, self.engine);
        let seeds = seeds::of_changes(py, self.engine, &view, &changes);
        let intent = Intent { view, changes: changes.clone(), seeds, since };
        let mut plan = planning::draw_plan(py, self.engine, &intent)?;
        plan.restart.extend(project_files::consider(py, self.engine, false)?.restart);
        report::of_plan(py, self.engine.current(py).get().id, &changes, &plan)
    }
}

/// Says so when the thread ends without having been told to: by a fault while it waited.
struct Ended(&'static Engine);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.updating_ended.store(true, Ordering::Release);
    }
}

/// What an update would serve: the changed files with their content.
pub(super) fn wanted(view: &View, changes: &[Change]) -> Vec<(PathBuf, Option<Digest>)> {
    let digest = |path: &PathBuf| view.get(path).map(|source| source.digest());
    changes.iter().map(|change| (change.path.clone(), digest(&change.path))).collect()
}
