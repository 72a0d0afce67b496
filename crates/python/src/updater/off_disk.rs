//! How does a process come to serve what is not on disk?
//!
//! By going back to a kept generation, or by taking over what other workers serve
//! while the files say something that they have refused. Either way the files are
//! let be until one of them changes once more.

use std::path::PathBuf;
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use transfuse_engine::{Budget, GenerationId, Outcome, Plan, Source, SourceSnapshot};

use crate::cpython::exceptions;
use crate::state::command::SourceOverrides;
use crate::state::notify;
use crate::update::disposal;
use crate::update::staged_update::StagedUpdate;
use crate::updater::driver::{Driver, wanted};
use crate::updater::listener::CollectedChanges;

/// A view in which these files say that.
pub fn with_contents(
    view: &SourceSnapshot,
    contents: &SourceOverrides,
    budget: &Budget,
) -> SourceSnapshot {
    contents.iter().fold(view.clone(), |view, (path, content)| match content {
        Some(content) => view.with(path.clone(), Source::new(content, budget)),
        None => view.without(path),
    })
}

impl Driver {
    /// Serves a kept generation again.
    pub(super) fn rollback(&mut self, py: Python<'_>, to: Option<u64>) -> PyResult<Py<PyDict>> {
        let begun = Instant::now();
        let runtime = self.runtime;
        let kept = runtime.generations.all_kept();
        let target = to.map(GenerationId).or_else(|| kept.last().copied());
        let held = target
            .and_then(|id| runtime.generations.kept(id, |generation| generation.bind(py).clone()));
        let Some(target) = held else {
            let list: Vec<String> = kept.iter().map(ToString::to_string).collect();
            return Err(exceptions::generation(&match (to, list.is_empty()) {
                (_, true) => "there is no earlier generation to go back to".to_owned(),
                (None, _) => "there is no earlier generation that is still kept".to_owned(),
                (Some(to), false) => {
                    format!("generation {to} is not kept; these are: {}", list.join(", "))
                }
            }));
        };
        let changes = runtime.current(py).get().view().changes(&target.get().view());
        let (mut attempt, steps) = StagedUpdate::for_rollback(py, runtime, &target)?;
        let plan = Plan { start_order: (0..steps.len()).collect(), steps, restart: Vec::new() };
        if let Err(error) =
            attempt.run(py, &plan).and_then(|()| attempt.verify(py, &target.get().view()))
        {
            attempt.abandon(py);
            return self.refuse(py, begun, &changes, &plan, error);
        }
        let notes = match attempt.publish(py) {
            Ok(notes) => notes,
            Err(error) => return self.refuse(py, begun, &changes, &plan, error),
        };
        self.ignore_until_changed(py, changes.iter().map(|change| change.path.clone()).collect());
        let done = self.record(py, Outcome::RolledBack, begun, &changes, &plan, Ok(notes))?;
        disposal::dispose_drained(py, runtime);
        Ok(done)
    }

    /// Serves what another worker serves, where that differs from what is served here.
    pub(super) fn adopt(
        &mut self,
        py: Python<'_>,
        contents: SourceOverrides,
    ) -> PyResult<Py<PyDict>> {
        let current = self.runtime.current(py).get().view();
        let view = with_contents(&current, &contents, &self.runtime.budget);
        let changes: Vec<_> =
            contents.keys().filter_map(|path| current.change(&view, path)).collect();
        let found = CollectedChanges { view, changes, ..CollectedChanges::default() };
        let done = self.update(py, found, false, None)?;
        if let Some(done) = &done {
            notify::send(py, self.runtime, done.bind(py));
        }
        self.ignore_until_changed(py, contents.into_keys().collect());
        Ok(done.unwrap_or_else(|| self.unchanged(py)))
    }

    /// The files still say otherwise. That is no reason for an update until one of them changes once
    /// more, whatever events are still on their way.
    pub(super) fn ignore_until_changed(&mut self, py: Python<'_>, paths: Vec<PathBuf>) {
        if paths.is_empty() {
            return;
        }
        let found = py.detach(|| {
            self.listener.look_again_at(paths);
            self.listener.collect_changes(false)
        });
        if let Some(CollectedChanges { view, changes, .. }) = found {
            self.refused = Some(wanted(&view, &changes));
        }
    }
}
