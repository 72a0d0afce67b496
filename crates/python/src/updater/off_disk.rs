//! How does a process come to serve content that is not on disk?
//!
//! By a rollback (`rollback`), or by adopting what other workers serve while the files have content
//! that they refused or left. Files that differ on disk are set aside. `update::staged_update` does the
//! staging.

use std::{collections::HashMap, path::PathBuf, time::Instant};

use pyo3::{prelude::*, types::PyDict};
use transfuse_engine::{
    Budget, Cause, FileChange, FileSystem, GenerationId, Source, SourceSnapshot, Succession,
    is_source,
};

use crate::state::command::{AdoptCommand, BackTo, SourceOverrides};
use crate::state::{generation::Generation, notify, set_aside::Aside};
use crate::update::{report, succession};
use crate::updater::outcome::{Concluded, Wanted};
use crate::updater::{driver::Driver, pending_change::PendingChange, rollback::TRIES};

/// A snapshot in which these files have these contents.
pub fn with_contents(
    snapshot: &SourceSnapshot,
    contents: &SourceOverrides,
    budget: &Budget,
) -> SourceSnapshot {
    contents.iter().fold(snapshot.clone(), |snapshot, (path, content)| {
        // A file that is neither source nor known as data is one that code reads by generation.
        let is_served =
            !is_source(path) && snapshot.get(path).is_none_or(|known| known.is_served());
        match content {
            content if is_served => {
                snapshot.with(path.clone(), Source::served(content.as_deref(), budget))
            }
            Some(content) => snapshot.with(path.clone(), Source::new(content, budget)),
            None => snapshot.without(path),
        }
    })
}

/// How many of these files have another digest than this.
fn differing(view: &SourceSnapshot, digests: &HashMap<PathBuf, String>) -> usize {
    let differs = |(path, digest): &(&PathBuf, &String)| {
        view.get(path).is_some_and(|known| known.digest().to_string() != **digest)
    };
    digests.iter().filter(differs).count()
}

fn was_refused(report: &Bound<'_, PyDict>) -> PyResult<bool> {
    report.get_item("outcome")?.map_or(Ok(false), |outcome| outcome.eq("refused"))
}

impl Driver {
    /// Serves the content that another worker serves, where it differs from the served one here.
    pub(super) fn adopt(&mut self, py: Python<'_>, command: AdoptCommand) -> PyResult<Py<PyDict>> {
        let AdoptCommand { mut contents, aside, back, others } = command;
        let started = Instant::now();
        if back.is_some() {
            // Of the files of a rollback, those are not among the contents that it serves as they are.
            let has_content = |path: &&PathBuf| {
                is_source(path)
                    || self.runtime.view().get(path).is_none_or(|known| known.is_served())
            };
            for path in aside.iter().filter(has_content) {
                let on_disk = || self.runtime.system.read(path).ok();
                contents.entry(path.clone()).or_insert_with(on_disk);
            }
        }
        let current = self.runtime.view();
        let snapshot = with_contents(&current, &contents, &self.runtime.budget);
        let changes: Vec<FileChange> =
            contents.keys().filter_map(|path| current.change(&snapshot, path)).collect();
        if let Some(back) = back {
            py.detach(|| self.listener.catch_up());
            succession::fold(py, self.runtime);
            let target = self.kept_with(py, &snapshot, &others, GenerationId(back.0));
            let is_closer = |target: &Bound<'_, Generation>| {
                differing(&target.get().view(), &others) < differing(&current, &others)
            };
            if changes.is_empty() && !target.as_ref().is_some_and(is_closer) {
                // Both have gone back by themselves.
                self.ignore_until_changed(py, contents.into_keys().collect(), Aside::All);
                return Ok(self.updater.unchanged(py));
            }
            if let Some(target) = &target
                && !self.runtime.generations.is_recalled(target.get().id)
            {
                let changes = current.changes(&target.get().view());
                return self.go_back(py, target, &changes, back, Cause::Worker, started);
            }
            let known = target.map(|target| Succession::Back(target.get().id));
            let back = (back, known.unwrap_or(Succession::BackToUnknown));
            let others = contents.into_keys().collect();
            return self.serve_again(py, (snapshot, changes), back, Cause::Worker, others);
        }
        let change = self.listener.assume(snapshot, changes);
        let concluded = self.updater.update(py, change, &Wanted::of(Cause::Worker))?;
        self.ignore_until_changed(py, contents.into_keys().collect(), Aside::Of(&aside));
        Ok(match concluded {
            Concluded::Reported(report) => report,
            Concluded::Unchanged | Concluded::Interrupted => self.updater.unchanged(py),
        })
    }

    /// Serves sources again that this process has no modules of, as a rollback; sets aside what is on
    /// disk of all that differs, and of these `others`.
    pub(super) fn serve_again(
        &mut self,
        py: Python<'_>,
        (snapshot, changes): (SourceSnapshot, Vec<FileChange>),
        back: (BackTo, Succession),
        cause: Cause,
        others: Vec<PathBuf>,
    ) -> PyResult<Py<PyDict>> {
        // What was refused is left as well; the update takes it for served.
        let pending = self.listener.pending.iter().cloned();
        let changed = changes.iter().map(|change| change.path.clone());
        let paths = changed.chain(others).chain(pending).collect();
        let wanted = Wanted { back: Some(back), ..Wanted::of(cause) };
        for _ in 0..TRIES {
            let change = self.listener.assume(snapshot.clone(), changes.clone());
            *self.runtime.going_back.lock() = Some(back.0);
            let concluded = self.updater.update(py, change, &wanted);
            *self.runtime.going_back.lock() = None;
            match concluded? {
                Concluded::Interrupted => {}
                Concluded::Reported(report) => {
                    if !was_refused(report.bind(py))? {
                        self.ignore_until_changed(py, paths, Aside::All);
                        self.updater.nothing_waits();
                        report::add_set_aside(report.bind(py), self.runtime)?;
                    }
                    notify::send(py, self.runtime, report.bind(py));
                    return Ok(report);
                }
                Concluded::Unchanged => break,
            }
        }
        self.ignore_until_changed(py, paths, Aside::All);
        Ok(self.updater.unchanged(py))
    }

    /// The kept generation that has this source and these templates, and the most of the other files:
    /// of data that a module reads by itself no content is kept that it could be loaded from. Of
    /// several, it is the `named` one: each has another one before it, to which the next rollback goes.
    fn kept_with<'py>(
        &self,
        py: Python<'py>,
        snapshot: &SourceSnapshot,
        others: &HashMap<PathBuf, String>,
        named: GenerationId,
    ) -> Option<Bound<'py, Generation>> {
        let generations = &self.runtime.generations;
        let named = generations.alias(named);
        let kept = generations.all_kept();
        let all = kept.iter().rev();
        let found = all.filter_map(|id| generations.kept(*id, |found| found.bind(py).clone()));
        let sought = snapshot.fingerprint();
        let has_all = |view: &SourceSnapshot| {
            let mut served = snapshot.iter().filter(|(_, source)| source.is_served());
            view.fingerprint() == sought
                && served.all(|(path, source)| {
                    view.get(path).is_some_and(|known| known.digest() == source.digest())
                })
        };
        found.filter(|generation| has_all(&generation.get().view())).min_by_key(|generation| {
            let generation = generation.get();
            (differing(&generation.view(), others), generation.id != named)
        })
    }

    /// No automatic update is to take the content on disk of these files, and of all others that
    /// differ from the served content, whatever events are still to come.
    pub(super) fn ignore_until_changed(
        &mut self,
        py: Python<'_>,
        paths: Vec<PathBuf>,
        aside: Aside<'_>,
    ) {
        if paths.is_empty() {
            return;
        }
        let change = py.detach(|| {
            self.listener.add_paths(paths);
            self.listener.collect_changes(false)
        });
        if let Some(PendingChange { snapshot, changes, .. }) = change {
            let (left, refused): (Vec<_>, Vec<_>) =
                changes.into_iter().partition(|change| match aside {
                    Aside::All => true,
                    Aside::Of(paths) => paths.contains(&change.path),
                });
            self.runtime.set_aside.lock().add(&snapshot, &left);
            self.updater.was_tried(&snapshot, &refused);
        }
    }
}
