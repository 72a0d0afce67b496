//! How does a process come to serve what is not on disk?
//!
//! By going back to a kept generation, or by taking over what other workers serve
//! while the files say something that they have refused. Either way the files are
//! let be until one of them changes once more.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use transfuse_engine::{
    Budget, Digest, GenerationId, Outcome, Plan, Source, System, View, busy, is_source, scan,
};

use crate::updater::driver::{Driver, wanted};
use crate::state::request::ask;
use crate::update::staged_update::Attempt;
use crate::state::command::Command;
use crate::update::disposal;
use crate::state::runtime;
use crate::cpython::exceptions;
use crate::updater::listener::Found;
use crate::update::report;

/// `/srv/shop/tax.py` to what it is to say; none: it is not to be there.
pub type Contents = HashMap<PathBuf, Option<Vec<u8>>>;

/// A view in which these files say that.
pub fn with_contents(view: &View, contents: &Contents, budget: &Budget) -> View {
    contents.iter().fold(view.clone(), |view, (path, content)| match content {
        Some(content) => view.with(path.clone(), Source::new(content, budget)),
        None => view.without(path),
    })
}

impl Driver {
    /// Serves a kept generation again.
    pub(super) fn rollback(&mut self, py: Python<'_>, to: Option<u64>) -> PyResult<Py<PyDict>> {
        let begun = Instant::now();
        let engine = self.engine;
        let kept = engine.generations.all_kept();
        let target = to.map(GenerationId).or_else(|| kept.last().copied());
        let held = target
            .and_then(|id| engine.generations.kept(id, |generation| generation.bind(py).clone()));
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
        let changes = engine.current(py).get().view().changes(&target.get().view());
        let (mut attempt, steps) = Attempt::back_to(py, engine, &target)?;
        let plan = Plan { turns: (0..steps.len()).collect(), steps, restart: Vec::new() };
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
        self.leave_be(py, changes.iter().map(|change| change.path.clone()).collect());
        let done = self.record(py, Outcome::RolledBack, begun, &changes, &plan, Ok(notes))?;
        disposal::dispose_drained(py, engine);
        Ok(done)
    }

    /// Serves what another worker serves, where that differs from what is served here.
    pub(super) fn adopt(&mut self, py: Python<'_>, contents: Contents) -> PyResult<Py<PyDict>> {
        let current = self.engine.current(py).get().view();
        let view = with_contents(&current, &contents, &self.engine.budget);
        let changes: Vec<_> =
            contents.keys().filter_map(|path| current.change(&view, path)).collect();
        let found = Found { view, changes, ..Found::default() };
        let done = self.update(py, found, false, None)?;
        if let Some(done) = &done {
            report::send(py, self.engine, done.bind(py));
        }
        self.leave_be(py, contents.into_keys().collect());
        Ok(done.unwrap_or_else(|| self.unchanged(py)))
    }

    /// The files still say otherwise. That is no reason for an update until one of them changes once
    /// more, whatever events are still on their way.
    pub(super) fn leave_be(&mut self, py: Python<'_>, paths: Vec<PathBuf>) {
        if paths.is_empty() {
            return;
        }
        let found = py.detach(|| {
            self.listener.look_again_at(paths);
            self.listener.look(false)
        });
        if let Some(Found { view, changes, .. }) = found {
            self.refused = Some(wanted(&view, &changes));
        }
    }
}

/// What is served: the generation's number, and the fingerprint of its source.
#[pyfunction]
pub fn view(py: Python<'_>) -> PyResult<(u64, String)> {
    let engine = runtime::required()?;
    let current = engine.current(py);
    let view = current.get().view();
    Ok((current.get().id.0, py.detach(|| view.fingerprint()).to_string()))
}

/// The fingerprint of what the update under way would serve, if somebody is asked about one.
#[pyfunction]
pub fn wanted_view(py: Python<'_>) -> PyResult<Option<String>> {
    let engine = runtime::required()?;
    let wanted = engine.wanted.lock().unwrap().clone();
    Ok(wanted.map(|view| py.detach(|| view.fingerprint()).to_string()))
}

/// Which files say on disk what is not served, and what is served of them; or what the update under
/// way would serve of them.
#[pyfunction]
#[pyo3(signature = (*, wanted))]
pub fn differing(py: Python<'_>, wanted: bool) -> PyResult<HashMap<PathBuf, Option<Py<PyBytes>>>> {
    let engine = runtime::required()?;
    let current = match engine.wanted.lock().unwrap().clone() {
        Some(staged) if wanted => staged,
        _ => engine.current(py).get().view(),
    };
    let found: Vec<_> = py.detach(|| {
        let _busy = busy();
        let disk = scan(&*engine.system, &engine.roots, &Budget::new(0), &mut |_| {}).view;
        let changes = disk.changes(&current).into_iter().filter(|c| is_source(&c.path));
        let text = |path: &PathBuf| {
            let source = current.get(path)?;
            let on_disk = || {
                let bytes = engine.system.read(path).ok()?;
                (Digest::of(&bytes) == source.digest()).then_some(bytes)
            };
            source.text().or_else(on_disk)
        };
        changes.map(|change| (text(&change.path), change.path)).collect()
    });
    Ok(found
        .into_iter()
        .map(|(text, path)| (path, text.map(|text| PyBytes::new(py, &text).unbind())))
        .collect())
}

/// Serves these contents, whatever is on disk.
#[pyfunction]
pub fn adopt(py: Python<'_>, contents: Contents) -> PyResult<Py<PyDict>> {
    ask(py, "adopt", None, |reply| Command::Adopt(contents, reply))
}

/// The next generation gets this number, or a higher one.
#[pyfunction]
pub fn number_from(least: u64) -> PyResult<()> {
    runtime::required()?.generations.number_from(least);
    Ok(())
}
