//! How does a process come to serve content that is not on disk?
//!
//! By a rollback to a kept generation, or by adopting what other workers serve while the files have
//! content that they refused. Either way an update is due only when one of the files changes once
//! more. `update::staged_update` does the staging.

use std::{path::PathBuf, time::Instant};

use pyo3::{prelude::*, types::PyDict};
use transfuse_engine::{Budget, GenerationId, Outcome, Plan, Source, SourceSnapshot};

use crate::state::{command::SourceOverrides, generation::Generation, notify};
use crate::updater::{driver::Driver, outcome::Concluded, pending_change::PendingChange};
use crate::{cpython::exceptions, update::staged_update::StagedUpdate};

/// A snapshot in which these files have these contents.
pub fn with_contents(
    snapshot: &SourceSnapshot,
    contents: &SourceOverrides,
    budget: &Budget,
) -> SourceSnapshot {
    contents.iter().fold(snapshot.clone(), |snapshot, (path, content)| match content {
        Some(content) => snapshot.with(path.clone(), Source::new(content, budget)),
        None => snapshot.without(path),
    })
}

impl Driver {
    /// Serves a kept generation again.
    pub(super) fn rollback(&mut self, py: Python<'_>, to: Option<u64>) -> PyResult<Py<PyDict>> {
        let started = Instant::now();
        let runtime = self.runtime;
        let target = self.kept(py, to)?;
        let target_view = target.get().view();
        let changes = runtime.view().changes(&target_view);
        let (mut update, steps) = StagedUpdate::for_rollback(py, runtime, &target)?;
        let plan = Plan { start_order: (0..steps.len()).collect(), steps, restart: Vec::new() };
        let prepared = update.run(py, &plan).and_then(|()| update.prepare(py, &target_view));
        let published = prepared.inspect_err(|_| update.abort(py)).and_then(|()| update.commit(py));
        let report = match published {
            Ok(notes) => {
                let paths = changes.iter().map(|change| change.path.clone()).collect();
                // What was saved before it, though no update has looked at it yet, is not due either.
                py.detach(|| self.listener.catch_up());
                self.ignore_until_changed(py, paths);
                self.updater.record(py, Outcome::RolledBack, started, &changes, &plan, Ok(notes))
            }
            Err(error) => self.updater.refuse(py, started, &changes, &plan, error),
        }?;
        notify::send(py, runtime, report.bind(py));
        Ok(report)
    }

    /// The kept generation of this number, or the last one.
    fn kept<'py>(&self, py: Python<'py>, number: Option<u64>) -> PyResult<Bound<'py, Generation>> {
        let generations = &self.runtime.generations;
        let kept = generations.all_kept();
        let id = number.map(GenerationId).or_else(|| kept.last().copied());
        let found = id.and_then(|id| generations.kept(id, |found| found.bind(py).clone()));
        found.ok_or_else(|| {
            let list: Vec<String> = kept.iter().map(ToString::to_string).collect();
            exceptions::generation(&match (number, list.is_empty()) {
                (_, true) => "there is no earlier generation to go back to".to_owned(),
                (None, _) => "there is no earlier generation that is still kept".to_owned(),
                (Some(number), false) => {
                    format!("generation {number} is not kept; these are: {}", list.join(", "))
                }
            })
        })
    }

    /// Serves what another worker serves, where that differs from what is served here.
    pub(super) fn adopt(
        &mut self,
        py: Python<'_>,
        contents: SourceOverrides,
    ) -> PyResult<Py<PyDict>> {
        let current = self.runtime.view();
        let snapshot = with_contents(&current, &contents, &self.runtime.budget);
        let changes = contents.keys().filter_map(|path| current.change(&snapshot, path)).collect();
        let change = self.listener.assume(snapshot, changes);
        let concluded = self.updater.update(py, change, false, None)?;
        self.ignore_until_changed(py, contents.into_keys().collect());
        Ok(match concluded {
            Concluded::Reported(report) => report,
            Concluded::Unchanged | Concluded::Interrupted => self.updater.unchanged(py),
        })
    }

    /// Sets aside the content of these files on disk, whatever events are still to come.
    pub(super) fn ignore_until_changed(&mut self, py: Python<'_>, paths: Vec<PathBuf>) {
        if paths.is_empty() {
            return;
        }
        let change = py.detach(|| {
            self.listener.add_paths(paths);
            self.listener.collect_changes(false)
        });
        if let Some(PendingChange { snapshot, changes, .. }) = change {
            self.updater.set_aside(&snapshot, &changes);
        }
    }
}
