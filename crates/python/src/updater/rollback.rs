//! How does a rollback serve a former generation again?
//!
//! It makes a new generation with the content of a kept one, and sets aside what is on disk. Nothing
//! is loaded, unless modules of the kept one were disposed of or shut down since, or another process
//! has served it: then it is an update to its sources (`off_disk`). Refused where nothing would
//! change.

use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use pyo3::{prelude::*, types::PyDict};
use transfuse_engine::{
    Cause, FileChange, GenerationId, Outcome, Plan, SourceSnapshot, Step, Succession, is_source,
};

use crate::cpython::exceptions;
use crate::state::{
    attempt, command::BackTo, command::RollbackCommand, generation::Generation, notify,
    set_aside::Aside, staging_area::InPlaceNote,
};
use crate::update::concurrent_loads::loads_since;
use crate::update::planning::{self, UpdateRequest};
use crate::update::{report, rerun, seeds, staged_update::StagedUpdate, succession};
use crate::updater::{driver::Driver, ending::Ending, stager::Watched};

/// How often a rollback starts again because another worker was in the way, or because the
/// application that it goes back to was shut down meanwhile.
pub(super) const TRIES: usize = 5;

impl Driver {
    pub(super) fn rollback(
        &mut self,
        py: Python<'_>,
        command: RollbackCommand,
    ) -> PyResult<Py<PyDict>> {
        let started = Instant::now();
        py.detach(|| self.listener.catch_up());
        succession::fold(py, self.runtime);
        self.refuse_late(py, command)?;
        let target = self.target(py, command)?;
        let back = self.served_at(target.get().id);
        if self.runtime.generations.is_recalled(target.get().id) {
            return self.go_back_by_sources(py, &target, back, command.dry_run);
        }
        let changes = self.runtime.view().changes(&target.get().view());
        if changes.is_empty() {
            // The same was served again by an update, such as one that accepted it.
            let current = self.runtime.current(py).get().id;
            return Err(exceptions::generation(&nothing_changes(current, Some(target.get().id))));
        }
        if command.dry_run {
            let plan = rerun::plan(py, self.runtime, &target);
            return report::of_rollback_plan(py, self.runtime, &changes, &plan, back);
        }
        self.go_back(py, &target, &changes, back, Cause::Rollback, started)
    }

    /// Serves a kept generation again, and reports it.
    pub(super) fn go_back(
        &mut self,
        py: Python<'_>,
        target: &Bound<'_, Generation>,
        changes: &[FileChange],
        back: BackTo,
        cause: Cause,
        started: Instant,
    ) -> PyResult<Py<PyDict>> {
        *self.runtime.going_back.lock() = Some(back);
        let mut staged = self.stage_rollback(py, target);
        for _ in 1..TRIES {
            let error = staged.as_ref().ok().and_then(|(_, ended)| ended.as_ref().err());
            if !error.is_some_and(|error| exceptions::is_outdated(py, error)) {
                break;
            }
            staged = self.stage_rollback(py, target);
        }
        *self.runtime.going_back.lock() = None;
        let (plan, ended) = staged?;
        let outcome = if ended.is_ok() { Outcome::RolledBack } else { Outcome::Refused };
        if ended.is_ok() {
            let paths = changes.iter().map(|change| change.path.clone()).collect();
            self.ignore_until_changed(py, paths, Aside::All);
            self.updater.nothing_waits();
        }
        let ending = Ending { outcome, cause, back: Some(back), started };
        let report = self.updater.record(py, &ending, changes, &plan, ended)?;
        notify::send(py, self.runtime, report.bind(py));
        Ok(report)
    }

    /// Serves what another process has served, of which there are only the sources.
    fn go_back_by_sources(
        &mut self,
        py: Python<'_>,
        target: &Bound<'_, Generation>,
        back: BackTo,
        dry_run: bool,
    ) -> PyResult<Py<PyDict>> {
        let runtime = self.runtime;
        let view = with_sources(&runtime.view(), &target.get().view());
        let changes = runtime.view().changes(&view);
        let id = target.get().id;
        if changes.is_empty() {
            // It differs in data that a module reads by itself, say.
            let current = runtime.current(py).get().id;
            return Err(exceptions::generation(&nothing_changes(current, Some(id))));
        }
        let succession = Succession::Back(id);
        if !dry_run {
            let of = (view, changes);
            return self.serve_again(py, of, (back, succession), Cause::Rollback, Vec::new());
        }
        let since = loads_since(py, runtime);
        let seeds = seeds::of_changes(py, runtime, &view, &changes);
        let told = changes.clone();
        let back_as = Some(succession);
        let request = UpdateRequest {
            view,
            changes,
            seeds,
            since,
            back: back_as,
            automatic: false,
            in_main_thread: false,
        };
        let plan = planning::draw_plan(py, runtime, &request)?;
        let made = report::of_rollback_plan(py, runtime, &told, &plan, back)?;
        made.bind(py).set_item("restart", report::restarts(&plan.restart))?;
        Ok(made)
    }

    fn stage_rollback(
        &mut self,
        py: Python<'_>,
        target: &Bound<'_, Generation>,
    ) -> PyResult<(Plan, PyResult<Vec<InPlaceNote>>)> {
        let (runtime, target) = (self.runtime, target.clone().unbind());
        let watched = Watched { snapshot: None, yields: false };
        let staged = self.updater.stager.run(py, &mut self.listener, &watched, move |py, _| {
            let target = target.bind(py);
            let (mut update, plan) = StagedUpdate::for_rollback(py, runtime, target)?;
            let asks = |step: &Step| {
                let there = target.get().find(py, step.name.as_str());
                there.is_some_and(|there| there.get().in_main_thread())
            };
            let in_main_thread = plan.steps.iter().any(asks);
            let ended = update
                .run(py, &plan, in_main_thread)
                .and_then(|()| update.prepare(py, &target.get().view()))
                .and_then(|()| match attempt::may_commit() {
                    true => update.commit(py),
                    false => Err(exceptions::misuse("Transfuse is being uninstalled")),
                });
            Ok((plan, ended))
        })?;
        staged.ok_or_else(|| exceptions::misuse("Transfuse is being uninstalled"))
    }

    /// A rollback that was meant for one generation does nothing to another.
    fn refuse_late(&self, py: Python<'_>, command: RollbackCommand) -> PyResult<()> {
        let current = self.runtime.current(py).get().id;
        if command.only_from && current != command.from {
            return Err(exceptions::generation(&format!(
                "generation {current} is served by now, and not {}",
                command.from
            )));
        }
        Ok(())
    }

    /// The kept generation that a rollback goes back to.
    fn target<'py>(
        &self,
        py: Python<'py>,
        command: RollbackCommand,
    ) -> PyResult<Bound<'py, Generation>> {
        let generations = &self.runtime.generations;
        let current = self.runtime.current(py).get().id;
        let kept = generations.all_kept();
        let named = command.to.map(|to| generations.alias(to));
        let id = named.or_else(|| generations.before(command.from));
        if id == Some(current) {
            let asked = command.to.filter(|to| *to != current);
            return Err(exceptions::generation(&nothing_changes(current, asked)));
        }
        let found = id.and_then(|id| generations.kept(id, |found| found.bind(py).clone()));
        found.ok_or_else(|| exceptions::generation(&refusal(command.to, id, &kept)))
    }

    /// The number of a generation, and when it was first served.
    fn served_at(&self, id: GenerationId) -> BackTo {
        let records = self.runtime.records.lock();
        let record = records
            .history
            .iter()
            .find(|record| record.generation == id && record.outcome != Outcome::Refused);
        let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).ok().map(|d| d.as_secs_f64());
        (id.0, record.and_then(|record| seconds(record.at)))
    }
}

/// `current` with the sources of `target`, and with the files that code reads by generation. Other
/// data files are not kept, and stay as they are.
fn with_sources(current: &SourceSnapshot, target: &SourceSnapshot) -> SourceSnapshot {
    let changes = current.changes(target).into_iter();
    let counts =
        |path: &Path| is_source(path) || target.get(path).is_some_and(|source| source.is_served());
    changes.filter(|change| counts(&change.path)).fold(current.clone(), |view, change| match target
        .get(&change.path)
    {
        Some(source) => view.with(change.path, source.clone()),
        None => view.without(&change.path),
    })
}

/// The reason to refuse a rollback to the content of the current generation.
fn nothing_changes(current: GenerationId, same: Option<GenerationId>) -> String {
    let same = same.map_or_else(String::new, |same| format!(", which answers as {same} did"));
    format!("nothing would change: generation {current} is served{same}")
}

/// Why there is no such generation to go back to.
fn refusal(asked: Option<GenerationId>, id: Option<GenerationId>, kept: &[GenerationId]) -> String {
    let list: Vec<String> = kept.iter().map(ToString::to_string).collect();
    match (asked, list.is_empty()) {
        (Some(number), false) => {
            format!("generation {number} is not kept; these are: {}", list.join(", "))
        }
        (None, false) if id.is_none() => format!(
            "there is no earlier generation to go back to; name one of those that were left, with \
             --to: {}",
            list.join(", ")
        ),
        (None, false) => format!(
            "what was served before is not kept any more; these generations are, name one with \
             --to: {}",
            list.join(", ")
        ),
        (_, true) => "there is no earlier generation to go back to".to_owned(),
    }
}
