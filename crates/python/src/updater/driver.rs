//! What does the updating thread do, one thing at a time?
//!
//! It is a thread of Python's `threading`, so that code it runs finds an ordinary thread. It waits
//! without the GIL (`listener`), and answers commands and changes with it. `outcome` decides whether
//! a change leads to an update and records how it ended; `off_disk` serves content that is not on
//! disk. [`Driver`] belongs to that thread alone.

use std::{path::PathBuf, sync::atomic::Ordering};

use crossbeam_channel::Receiver;
use pyo3::{prelude::*, types::PyDict};
use transfuse_engine::Cause;

use crate::cpython::{exceptions, log, panics, thread::thread};
use crate::state::{command::Command, command::UpdateCommand, runtime::Runtime, set_aside::Aside};
use crate::update::concurrent_loads::loads_since;
use crate::update::planning::{self, UpdateRequest};
use crate::update::{lost_state, project_files, report, seeds};
use crate::updater::listener::{ChangeListener, Wakeup};
use crate::updater::outcome::{Concluded, Updater, Wanted};
use crate::updater::pending_change::PendingChange;

/// How often an explicit update starts again because other workers have seen later files.
const TRIES: usize = 50;

pub struct Driver {
    pub(super) runtime: &'static Runtime,
    pub(super) listener: ChangeListener,
    pub(super) updater: Updater,
}

impl Driver {
    /// Starts to watch `dirs`, the folders that the scan saw.
    pub fn new(runtime: &'static Runtime, commands: Receiver<Command>, dirs: &[PathBuf]) -> Driver {
        let listener = ChangeListener::new(runtime, commands, dirs);
        Driver { runtime, listener, updater: Updater::new(runtime) }
    }

    pub fn run(&mut self, py: Python<'_>) {
        let _ended = EndOfUpdating(self.runtime);
        self.runtime.updating_thread.store(thread(), Ordering::Release);
        let aside = Aside::Of(&self.runtime.given.aside);
        self.ignore_until_changed(py, self.runtime.given.paths.clone(), aside);
        self.updater.take_over_waiting();
        let refused = &self.runtime.given.refused;
        if !refused.is_empty() {
            self.listener.add_paths(refused.keys().cloned());
            self.updater.were_refused(refused.clone());
        }
        loop {
            let wakeup = py.detach(|| self.listener.next());
            if matches!(wakeup, Wakeup::Command(Command::Stop)) {
                return;
            }
            let handled = panics::caught(|| {
                match wakeup {
                    Wakeup::Command(command) => self.handle(py, command),
                    Wakeup::Changed => self.update_on_change(py),
                }
                Ok(())
            });
            if let Err(error) = handled {
                let _ = log::complain(
                    py,
                    "the updating thread failed while it handled a request",
                    error,
                );
            }
        }
    }

    fn handle(&mut self, py: Python<'_>, command: Command) {
        self.runtime.urgent.begins(&command);
        let (reply, answer) = match command {
            Command::Update(command, reply) => {
                (reply, panics::caught(|| self.update_and_accept(py, &command)))
            }
            Command::Reload(name, reply) => {
                let wanted = Wanted { reload: Some(&name), ..Wanted::of(Cause::Update) };
                (reply, panics::caught(|| self.update_on_request(py, &wanted)))
            }
            Command::Plan(reply) => (reply, panics::caught(|| self.plan(py))),
            Command::ReadProject(reply) => (reply, panics::caught(|| self.read_project(py))),
            Command::Rollback(command, reply) => {
                (reply, panics::caught(|| self.rollback(py, command)))
            }
            Command::Adopt(command, reply) => (reply, panics::caught(|| self.adopt(py, command))),
            Command::Follow(path) => return self.listener.follow(&path),
            Command::Retry => {
                self.updater.forget_tried();
                return self.listener.expect_pending();
            }
            Command::Released => return self.listener.look_again(),
            Command::Dispose => {
                self.updater.dispose(py);
                self.retry_if_room(py);
                return;
            }
            Command::Stop => return,
        };
        // If the thread that asked is gone, its answer is dropped.
        let _ = reply.send(answer);
    }

    fn update_on_change(&mut self, py: Python<'_>) {
        let change = py.detach(|| {
            let change = self.listener.collect_changes(true);
            // A comparison that a save overlapped has only a part of it.
            change.and_then(|mut change| change.parts().0.is_still_quiet().then_some(change))
        });
        let Some(mut change) = change else { return };
        self.updater.reread_project_files(py, &mut change);
        self.updater.update_automatically(py, change);
    }

    /// Updates now, also to content that was set aside. It stays so if the update is refused.
    fn update_and_accept(
        &mut self,
        py: Python<'_>,
        command: &UpdateCommand,
    ) -> PyResult<Py<PyDict>> {
        let set_aside = &self.runtime.set_aside;
        let accepted = set_aside.lock().accept(command.accept.paths());
        self.listener.add_paths(accepted.keys().cloned());
        let refused = |runtime: &Runtime| runtime.records.lock().refused;
        let before = refused(self.runtime);
        let ended = self.update_on_request(py, &Wanted::of(command.cause));
        if ended.is_err() || refused(self.runtime) > before {
            set_aside.lock().restore(accepted);
        }
        ended
    }

    /// Updates now.
    fn update_on_request(&mut self, py: Python<'_>, wanted: &Wanted<'_>) -> PyResult<Py<PyDict>> {
        for _ in 0..TRIES {
            let mut change = match compare_now(py, &mut self.listener) {
                Some(change) => change,
                None if wanted.reload.is_some() => {
                    self.listener.assume(self.runtime.view(), Vec::new())
                }
                None => break,
            };
            let project_report = self.updater.reread_project_files(py, &mut change);
            match self.updater.update(py, change, wanted)? {
                Concluded::Interrupted if self.runtime.urgent.has_rollback() => {
                    return Err(exceptions::misuse(
                        "the update was given up, because a rollback was asked for meanwhile",
                    ));
                }
                Concluded::Interrupted => {}
                Concluded::Reported(report) => return Ok(report),
                Concluded::Unchanged => {
                    return Ok(project_report.unwrap_or_else(|| self.updater.unchanged(py)));
                }
            }
        }
        Ok(self.updater.unchanged(py))
    }

    /// A generation was disposed of: tries an update again for which there were too many.
    fn retry_if_room(&mut self, py: Python<'_>) {
        if self.updater.take_retry()
            && let Some(change) = py.detach(|| self.listener.collect_changes(false))
        {
            self.updater.update_automatically(py, change);
        }
    }

    fn read_project(&mut self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        self.listener.project_files_changed = true;
        let mut change = self.listener.assume(self.runtime.view(), Vec::new());
        let report = self.updater.reread_project_files(py, &mut change);
        Ok(report.unwrap_or_else(|| self.updater.unchanged(py)))
    }

    fn plan(&mut self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let Some(change) = compare_now(py, &mut self.listener) else {
            return Ok(self.updater.unchanged(py));
        };
        let PendingChange { snapshot: view, changes, .. } = change;
        let since = loads_since(py, self.runtime);
        let seeds = seeds::of_changes(py, self.runtime, &view, &changes);
        let (back, automatic) = (None, false);
        let request =
            UpdateRequest { view, changes, seeds, since, back, automatic, in_main_thread: false };
        let mut plan = planning::draw_plan(py, self.runtime, &request)?;
        plan.restart.extend(project_files::reread(py, self.runtime, false)?.restart);
        let lost = lost_state::of_plan(py, self.runtime, &request, &plan);
        report::of_plan(py, self.runtime.current(py).get().id, &request.changes, &plan, &lost)
    }
}

/// The change that includes everything written before now; none while a file is being written.
fn compare_now<'l>(py: Python<'_>, listener: &'l mut ChangeListener) -> Option<PendingChange<'l>> {
    py.detach(move || {
        listener.catch_up();
        listener.collect_changes(false)
    })
}

/// Records that the thread has ended, also if it ended without [`Command::Stop`].
struct EndOfUpdating(&'static Runtime);

impl Drop for EndOfUpdating {
    fn drop(&mut self) {
        self.0.updating_ended.store(true, Ordering::Release);
    }
}
