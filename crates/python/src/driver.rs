//! Who carries updates out, one at a time?
//!
//! A thread of its own (made by Python's `threading`, so that code it runs finds
//! an ordinary thread). It listens without the GIL to file system events and to
//! commands, lets the engine settle and compare, and stages and publishes with the
//! GIL. Everything in [`Driver`] belongs to that thread alone.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, never, select};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use transfuse_engine::{
    Batch, Change, Digest, Event, GenerationId, Outcome, Plan, Record, Settle, Settled, System,
    Watch, Window, refresh,
};

use crate::attempt::Attempt;
use crate::barrier::Barrier;
use crate::command::Command;
use crate::disposal;
use crate::engine::Engine;
use crate::errors;
use crate::loading::thread;
use crate::planning::{self, Intent};
use crate::report;
use crate::seeds;
use crate::staging::{self, End};

/// How long an explicit update waits for the system to have told everything.
const BARRIER: Duration = Duration::from_secs(2);
/// How long an update waits for a save that goes on and on.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often an explicit update looks again at a file that is being written.
const LOOKS: usize = 50;

/// The updating thread's own things.
pub struct Driver {
    engine: &'static Engine,
    commands: Receiver<Command>,
    events: Receiver<Event>,
    watch: Watch,
    /// None where the system does not tell: then every comparison is a full one.
    barrier: Option<Barrier>,
    settle: Settle,
    started: Instant,
    /// Paths that differ from what is served: dirty while updates are off, or refused.
    pending: BTreeSet<PathBuf>,
    /// Events were lost since the last comparison.
    rescan: bool,
    /// Since when an update waits for somebody to finish saving.
    interrupted: Option<Instant>,
    /// What the last refused update would have served, or a rollback took back, so that it is not
    /// tried again until something changes.
    refused: Option<Vec<(PathBuf, Option<Digest>)>>,
}

impl Driver {
    /// Starts to watch. `dirs` are the folders that the scan saw.
    pub fn new(engine: &'static Engine, commands: Receiver<Command>, dirs: &[PathBuf]) -> Driver {
        let (sender, events) = crossbeam_channel::unbounded();
        let barrier = if engine.settings.poll.is_some() { None } else { Barrier::new() };
        let native = barrier.as_ref().and_then(|barrier| {
            let mut all = dirs.to_vec();
            all.push(barrier.dir.clone());
            Watch::native(&all, sender.clone()).ok()
        });
        let (watch, barrier) = match native {
            Some(watch) => (watch, barrier),
            None => {
                let interval = engine.settings.poll.unwrap_or(Duration::from_secs(1));
                let system: Arc<dyn System> = engine.system.clone();
                (Watch::polling(system, engine.roots.clone(), interval, sender), None)
            }
        };
        let mut window = Window::default();
        if barrier.is_some() && cfg!(target_os = "linux") {
            // The system tells when a writer is done, so half a file need not be looked at.
            window.open = Duration::from_secs(2);
            window.cap = Duration::from_secs(3);
        }
        Driver {
            engine,
            commands,
            events,
            watch,
            barrier,
            settle: Settle::new(window),
            started: Instant::now(),
            pending: BTreeSet::new(),
            rescan: false,
            interrupted: None,
            refused: None,
        }
    }

    /// How changes become known, for `status`.
    pub fn watching(&self) -> &'static str {
        match (self.engine.settings.watch, &self.barrier) {
            (false, _) => "off",
            (true, Some(_)) => "native",
            (true, None) => "polling",
        }
    }

    /// Until it is told to stop.
    pub fn run(&mut self, py: Python<'_>) {
        self.engine.updating_thread.store(thread(), Ordering::Release);
        loop {
            let wait = match self.settle.next(self.now()) {
                Settled::Idle => None,
                Settled::Wait(until) => Some(until.saturating_sub(self.now())),
                Settled::Ready(batch) => {
                    self.note(batch);
                    if self.engine.settings.watch {
                        self.automatic(py);
                    }
                    continue;
                }
            };
            let (commands, events) = (&self.commands, &self.events);
            enum Heard {
                Command(Option<Command>),
                Event(Option<Event>),
                Time,
            }
            let heard = py.detach(|| {
                let timer = wait.map_or_else(never, crossbeam_channel::after);
                select! {
                    recv(commands) -> command => Heard::Command(command.ok()),
                    recv(events) -> event => Heard::Event(event.ok()),
                    recv(timer) -> _ => Heard::Time,
                }
            });
            match heard {
                Heard::Command(None | Some(Command::Stop)) => return,
                Heard::Command(Some(command)) => self.obey(py, command),
                Heard::Event(Some(event)) => self.hear(&event),
                Heard::Event(None) | Heard::Time => {}
            }
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn hear(&mut self, event: &Event) {
        let ours = match (&self.barrier, event.path()) {
            (Some(barrier), Some(path)) => barrier.has(path),
            _ => false,
        };
        let concerns = || {
            let graph = self.engine.book.lock().unwrap().graph.clone();
            Python::attach(|py| event.concerns(&self.engine.current(py).get().view(), &graph))
        };
        if !ours && concerns() {
            self.settle.event(self.now(), event);
        }
    }

    fn note(&mut self, batch: Batch) {
        match batch {
            Batch::Paths(paths) => self.pending.extend(paths),
            Batch::Rescan => self.rescan = true,
        }
    }

    fn obey(&mut self, py: Python<'_>, command: Command) {
        match command {
            Command::Update(reply) => {
                self.catch_up(py);
                let done = self.update(py, false).map(|done| match done {
                    Some(done) => {
                        report::send(py, self.engine, done.bind(py));
                        done
                    }
                    None => self.unchanged(py),
                });
                let _ = reply.send(done);
            }
            Command::Plan(reply) => {
                self.catch_up(py);
                let _ = reply.send(self.plan(py));
            }
            Command::Rollback(to, reply) => {
                let done = self.rollback(py, to);
                if let Ok(done) = &done {
                    report::send(py, self.engine, done.bind(py));
                }
                let _ = reply.send(done);
            }
            Command::Dispose => disposal::dispose_drained(py, self.engine),
            Command::Stop => {}
        }
    }

    /// Waits until all that was written before now is known, and takes it as settled.
    fn catch_up(&mut self, py: Python<'_>) {
        self.rescan |= !self.listen(py);
        // Asked for now: no quiet window.
        while let Settled::Ready(batch) = self.settle.next(Duration::MAX / 2) {
            self.note(batch);
        }
    }

    /// Hears all events of what was written before now; false if there is no telling.
    fn listen(&mut self, py: Python<'_>) -> bool {
        let Some(mark) = self.barrier.as_mut().and_then(Barrier::mark) else {
            while let Ok(event) = self.events.try_recv() {
                self.hear(&event);
            }
            return false;
        };
        let deadline = Instant::now() + BARRIER;
        let heard = loop {
            let events = &self.events;
            match py.detach(|| events.recv_deadline(deadline)) {
                Ok(event) if event.path() == Some(&mark) => break true,
                Ok(event) => self.hear(&event),
                Err(_) => break false,
            }
        };
        let _ = std::fs::remove_file(&mark);
        heard
    }

    /// Whether nobody has saved anything since the files were looked at. A save that goes on for too
    /// long is not waited for.
    fn is_saved(&mut self, py: Python<'_>, automatic: bool) -> bool {
        if !automatic {
            return true;
        }
        if self.barrier.is_some() {
            self.rescan |= !self.listen(py);
        }
        if self.settle.next(self.now()) == Settled::Idle {
            self.interrupted = None;
            return true;
        }
        let since = *self.interrupted.get_or_insert_with(Instant::now);
        since.elapsed() > PATIENCE
    }

    fn automatic(&mut self, py: Python<'_>) {
        match self.update(py, true) {
            Ok(Some(done)) => report::send(py, self.engine, done.bind(py)),
            Ok(None) => {}
            Err(error) => {
                let _ = disposal::complain(py, "an update failed", error);
            }
        }
    }

    /// What differs from what is served, once nobody is writing any more.
    fn compare(
        &mut self,
        py: Python<'_>,
        automatic: bool,
    ) -> Option<(Intent, Vec<(PathBuf, std::io::Error)>)> {
        let engine = self.engine;
        for _ in 0..LOOKS {
            let view = engine.current(py).get().view();
            let batch = if std::mem::take(&mut self.rescan) {
                Batch::Rescan
            } else {
                Batch::Paths(self.pending.clone())
            };
            let rescanned = batch == Batch::Rescan;
            let found = py
                .detach(|| refresh(&*engine.system, &engine.roots, &engine.budget, &view, &batch));
            for dir in &found.new_dirs {
                let _ = self.watch.add(dir);
            }
            if !found.unstable.is_empty() {
                self.rescan |= rescanned;
                if automatic {
                    let now = self.now();
                    self.settle.again(now, found.unstable);
                    return None;
                }
                py.detach(|| std::thread::park_timeout(Duration::from_millis(10)));
                continue;
            }
            // What is the same again needs no second look; what differs stays until it is served.
            self.pending = found.changes.iter().map(|change| change.path.clone()).collect();
            self.pending.extend(found.unreadable.iter().map(|(path, _)| path.clone()));
            let seeds = seeds::of_changes(py, engine, &found.view, &found.changes);
            let intent = Intent { view: found.view, changes: found.changes, seeds };
            return Some((intent, found.unreadable));
        }
        None
    }

    /// One update; none if there is nothing to do.
    fn update(&mut self, py: Python<'_>, automatic: bool) -> PyResult<Option<Py<PyDict>>> {
        let begun = Instant::now();
        let Some((intent, unreadable)) = self.compare(py, automatic) else { return Ok(None) };
        let engine = self.engine;
        if let Some((path, error)) = unreadable.into_iter().next() {
            let error = errors::unreadable(&path, &error, engine.current(py).get().id.0);
            let changes = intent.changes;
            return self.refuse(py, begun, &changes, &Plan::default(), error).map(Some);
        }
        if intent.changes.is_empty() {
            self.refused = None;
            return Ok(None);
        }
        let wanted = wanted(&intent);
        if automatic && self.refused.as_ref() == Some(&wanted) {
            return Ok(None);
        }
        let changes = intent.changes.clone();
        // What was read while somebody was writing is but a part of a save.
        if !self.is_saved(py, automatic) {
            return Ok(None);
        }
        let staged = staging::update(py, engine, intent, &mut || self.is_saved(py, automatic));
        match staged.end {
            End::Interrupted => Ok(None),
            End::Published => {
                let held_back = staged.plan.restart.iter().flat_map(|restart| {
                    engine
                        .current(py)
                        .get()
                        .find(py, restart.name.as_str())
                        .and_then(|instance| instance.get().path.clone())
                });
                self.pending = held_back.collect();
                self.refused = (!self.pending.is_empty()).then_some(wanted);
                let done =
                    self.record(py, Outcome::Published, begun, &changes, &staged.plan, None)?;
                disposal::dispose_drained(py, engine);
                Ok(Some(done))
            }
            End::Refused(error) => {
                self.refused = Some(wanted);
                self.refuse(py, begun, &changes, &staged.plan, error).map(Some)
            }
        }
    }

    fn refuse(
        &mut self,
        py: Python<'_>,
        begun: Instant,
        changes: &[Change],
        plan: &Plan,
        error: PyErr,
    ) -> PyResult<Py<PyDict>> {
        self.engine.book.lock().unwrap().refused += 1;
        self.record(py, Outcome::Refused, begun, changes, plan, Some(error))
    }

    fn record(
        &mut self,
        py: Python<'_>,
        outcome: Outcome,
        begun: Instant,
        changes: &[Change],
        plan: &Plan,
        error: Option<PyErr>,
    ) -> PyResult<Py<PyDict>> {
        let record = Record {
            generation: self.engine.current(py).get().id,
            outcome,
            changed: changes.to_vec(),
            ran: plan.steps.clone(),
            took: begun.elapsed(),
            error: error.as_ref().map(ToString::to_string),
        };
        let made = report::of_record(py, &record, &plan.restart, error)?;
        let mut book = self.engine.book.lock().unwrap();
        book.history.push(record);
        book.failing = if outcome == Outcome::Refused { Some(made.clone_ref(py)) } else { None };
        Ok(made)
    }

    fn unchanged(&self, py: Python<'_>) -> Py<PyDict> {
        let generation = self.engine.current(py).get().id;
        report::unchanged(py, generation)
    }

    fn plan(&mut self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let pending = self.pending.clone();
        let found = self.compare(py, false);
        self.pending.extend(pending);
        let Some((intent, _)) = found else { return Ok(self.unchanged(py)) };
        let plan = planning::draw_plan(py, self.engine, &intent)?;
        report::of_plan(py, self.engine.current(py).get().id, &intent.changes, &plan)
    }

    fn rollback(&mut self, py: Python<'_>, to: Option<u64>) -> PyResult<Py<PyDict>> {
        let begun = Instant::now();
        let engine = self.engine;
        let (kept, held) = {
            let book = engine.book.lock().unwrap();
            let kept = book.generations.kept();
            let wanted = to.map(GenerationId).or_else(|| kept.last().copied());
            let held = wanted.filter(|id| kept.contains(id)).and_then(|id| book.held.get(&id));
            (kept, held.map(|generation| generation.bind(py).clone()))
        };
        let Some(target) = held else {
            let list: Vec<String> = kept.iter().map(ToString::to_string).collect();
            return Err(errors::generation(&match (to, list.is_empty()) {
                (_, true) => "there is no earlier generation to go back to".to_owned(),
                (None, _) => "there is no earlier generation that is still kept".to_owned(),
                (Some(to), false) => {
                    format!("generation {to} is not kept; these are: {}", list.join(", "))
                }
            }));
        };
        let changes = engine.current(py).get().view().changes(&target.get().view());
        let (mut attempt, steps) = Attempt::back_to(py, engine, &target)?;
        let plan = Plan { steps, restart: Vec::new() };
        if let Err(error) = attempt.run(py, &plan.steps) {
            attempt.abandon(py);
            return self.refuse(py, begun, &changes, &plan, error);
        }
        attempt.publish(py);
        // The files still say otherwise. That is no reason for an update until one of them changes
        // once more, whatever events are still on their way.
        self.pending.extend(changes.iter().map(|change| change.path.clone()));
        if let Some((intent, _)) = self.compare(py, false) {
            self.refused = Some(wanted(&intent));
        }
        let done = self.record(py, Outcome::RolledBack, begun, &changes, &plan, None)?;
        disposal::dispose_drained(py, engine);
        Ok(done)
    }
}

/// What an update would serve: the changed files with their content.
fn wanted(intent: &Intent) -> Vec<(PathBuf, Option<Digest>)> {
    let digest = |path: &PathBuf| intent.view.get(path).map(|source| source.digest());
    intent.changes.iter().map(|change| (change.path.clone(), digest(&change.path))).collect()
}
