//! How does an update go from a change to a published generation?
//!
//! Plan, stage, verify, publish; if the plan turns out to be too narrow, it is widened and
//! staging goes on. Runs in the updating thread. Any error leaves the current generation as it was:
//! an update that is dropped before its end aborts. `planning` draws the plan.

use std::collections::HashSet;

use pyo3::exceptions::{PyAttributeError, PyImportError, PySyntaxError};
use pyo3::{prelude::*, types::PyBytes};
use transfuse_engine::Plan;

use crate::code::pyc;
use crate::cpython::{exceptions, log, traceback::module_of_error};
use crate::state::{attempt, runtime::Runtime, staging_area::InPlaceNote};
use crate::update::cost;
use crate::update::startup_conflicts::{self, Met};
use crate::update::{planning::UpdateRequest, planning::draw_plan, staged_update::StagedUpdate};

/// The result of staging.
pub struct Staged {
    /// The plan, widened where necessary.
    pub plan: Plan,
    pub end: StagingOutcome,
}

pub enum StagingOutcome {
    /// The staged generation is current. With the changes that could not be made in place, by module.
    Published(Vec<InPlaceNote>),
    /// Nothing has changed, because of this error.
    Refused(PyErr),
    /// Nothing has changed: files are still being saved, so this was only a part of the change.
    Interrupted,
}

/// Are files still being saved?
pub trait Quiet {
    /// Was no file saved since the comparison?
    fn holds(&mut self) -> bool;
    /// Is none saved for a while either? Asked when the code misses something that may be to come.
    fn lasts(&mut self) -> bool;
}

/// Plans, stages and publishes. `quiet` says, when the modules have run, that no file was saved
/// meanwhile.
pub fn run_update(
    py: Python<'_>,
    runtime: &'static Runtime,
    mut request: UpdateRequest,
    quiet: &mut dyn Quiet,
) -> Staged {
    let mut plan = Plan::default();
    let end = match stage(py, runtime, &mut request, &mut plan, quiet) {
        Ok(published @ StagingOutcome::Published(_)) => published,
        // Whatever came of it.
        _ if attempt::is_given_up() => StagingOutcome::Interrupted,
        end => end.unwrap_or_else(StagingOutcome::Refused),
    };
    Staged { plan, end }
}

/// Plans and stages, with a wider plan for as long as that finds modules to add, and publishes.
fn stage(
    py: Python<'_>,
    runtime: &'static Runtime,
    request: &mut UpdateRequest,
    plan: &mut Plan,
    quiet: &mut dyn Quiet,
) -> PyResult<StagingOutcome> {
    *plan = first_plan(py, runtime, request)?;
    if let Err(error) = compile_changed(py, runtime, request, plan) {
        return if quiet.holds() { Err(error) } else { Ok(StagingOutcome::Interrupted) };
    }
    cost::check(py, runtime, request, plan)?;
    let mut update = StagedUpdate::begin(py, runtime, request, plan)?;
    // The first error of a startup, and the modules added to the plan because of such errors.
    let (mut refusal, mut met): (Option<(PyErr, Plan)>, Vec<Met>) = (None, Vec::new());
    loop {
        let ran = update.run(py, plan, request.in_main_thread);
        if update.lacks_main_thread() && !request.in_main_thread {
            request.in_main_thread = true;
            drop(update);
            update = StagedUpdate::begin(py, runtime, request, plan)?;
            continue;
        }
        let (affected, stopped) = update.concerned(py, ran.is_ok());
        if request.widen(affected) {
            *plan = draw_plan(py, runtime, request)?;
            update = update.widen(py, request, plan, stopped)?;
            continue;
        }
        if !quiet.holds() {
            return Ok(StagingOutcome::Interrupted);
        }
        if let Err(error) = ran {
            if let Some((first, narrow)) = refusal {
                *plan = narrow;
                return Err(first);
            }
            return failed(py, request, plan, quiet, update, error);
        }
        let error = match publish(py, request, plan, update) {
            Ok(outcome) => {
                runtime.records.lock().met_by_startups.extend(met);
                return Ok(outcome);
            }
            Err(error) => error,
        };
        let more = startup_conflicts::met(py, runtime, &error, plan);
        let is_wider = request.widen(more.iter().map(startup_conflicts::seed).collect());
        let (first, narrow) = refusal.take().unwrap_or_else(|| (error, plan.clone()));
        if !is_wider {
            *plan = narrow;
            return Err(first);
        }
        refusal = Some((first, narrow));
        met.extend(more);
        *plan = draw_plan(py, runtime, request)?;
        update = StagedUpdate::begin(py, runtime, request, plan)?;
    }
}

/// A module raised: files may still be on their way, or it cannot run twice, or other modules have to run with it.
fn failed<'py>(
    py: Python<'py>,
    request: &mut UpdateRequest,
    plan: &mut Plan,
    quiet: &mut dyn Quiet,
    update: StagedUpdate<'py>,
    error: PyErr,
) -> PyResult<StagingOutcome> {
    if is_missing(py, &error) && !quiet.lasts() {
        return Ok(StagingOutcome::Interrupted);
    }
    if hold_module(py, request, plan, &update, &error)? {
        let runtime = update.runtime;
        drop(update);
        return stage(py, runtime, request, plan, quiet);
    }
    retry(py, request, plan, update, error)
}

/// The plan of a request, with the conflicts that startups of these modules had before.
fn first_plan(
    py: Python<'_>,
    runtime: &'static Runtime,
    request: &mut UpdateRequest,
) -> PyResult<Plan> {
    let mut plan = draw_plan(py, runtime, request)?;
    while request.widen(startup_conflicts::known(runtime, &plan)) {
        plan = draw_plan(py, runtime, request)?;
    }
    if request.back.is_some() && !plan.restart.is_empty() {
        return Err(exceptions::needs_fresh_processes(&plan.restart));
    }
    Ok(plan)
}

/// Compiles the changed sources of the plan before any code runs: a syntax error costs nothing else.
fn compile_changed(
    py: Python<'_>,
    runtime: &Runtime,
    request: &UpdateRequest,
    plan: &Plan,
) -> PyResult<()> {
    let current = runtime.current(py);
    for step in &plan.steps {
        let Some(instance) = current.get().find(py, step.name.as_str()) else { continue };
        let (Some(path), Some(file)) = (&instance.get().path, &instance.get().file) else {
            continue;
        };
        let changed = request.changes.iter().any(|change| change.path == *path);
        if runtime.records.lock().compiled_by_others.contains(path) {
            continue;
        }
        let text = request.view.get(path).filter(|_| changed).and_then(|source| source.text());
        // The precompiled file saves compiling it once more when it runs.
        text.map(|text| pyc::code(py, file, &text)).transpose()?;
    }
    Ok(())
}

/// Does the code miss something that may be to come?
fn is_missing(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyImportError>(py) || error.is_instance_of::<PyAttributeError>(py)
}

/// Holds the module that failed, if a foreign registry has refused it because it ran before.
fn hold_module(
    py: Python<'_>,
    request: &UpdateRequest,
    plan: &Plan,
    update: &StagedUpdate<'_>,
    error: &PyErr,
) -> PyResult<bool> {
    let Some(name) = module_of_error(py, error) else { return Ok(false) };
    let Some(old) = update.base.get().find(py, name.as_str()) else { return Ok(false) };
    let instance = old.get();
    let (Some(path), Some(file)) = (&instance.path, &instance.file) else { return Ok(false) };
    let in_plan = plan.steps.iter().any(|step| step.name == name);
    let held = update.runtime.records.lock().held.contains_key(&name);
    if !in_plan || held || !instance.is_ready() {
        return Ok(false);
    }
    let Some(new) = request.view.get(path).and_then(|source| source.text()) else {
        return Ok(false);
    };
    let (old, new) = (PyBytes::new(py, &instance.text()?), PyBytes::new(py, &new));
    let reason: Option<String> = py
        .import("transfuse.updates.registered_twice")?
        .call_method1("reason", (error.value(py), error.traceback(py), file, old, new))?
        .extract()?;
    let Some(reason) = reason else { return Ok(false) };
    update.runtime.records.lock().held.insert(name, reason);
    Ok(true)
}

/// A module failed, perhaps only because a module that it imports was not run with it: stages once
/// more with these. If that is not published, the first error is the one to report.
fn retry<'py>(
    py: Python<'py>,
    request: &mut UpdateRequest,
    plan: &mut Plan,
    update: StagedUpdate<'py>,
    error: PyErr,
) -> PyResult<StagingOutcome> {
    let imported = update.imported_by_failed(py, &plan.steps);
    let runtime = update.runtime;
    if error.is_instance_of::<PySyntaxError>(py) || !request.widen(imported) {
        return Err(error);
    }
    let first = std::mem::take(plan);
    let staged = draw_plan(py, runtime, request).and_then(|wider| {
        *plan = wider;
        let mut update = update.widen(py, request, plan, HashSet::new())?;
        update.run(py, plan, request.in_main_thread)?;
        let (affected, _) = update.newly_affected(py);
        match request.widen(affected) {
            true => Ok(StagingOutcome::Interrupted),
            false => publish(py, request, plan, update),
        }
    });
    match staged {
        Ok(published @ StagingOutcome::Published(_)) => Ok(published),
        _ => {
            *plan = first;
            Err(error)
        }
    }
}

/// Lets the participants prepare, and publishes.
fn publish<'py>(
    py: Python<'py>,
    request: &UpdateRequest,
    plan: &Plan,
    mut update: StagedUpdate<'py>,
) -> PyResult<StagingOutcome> {
    update.check_lazy_targets(py, &request.changes)?;
    if let Err(error) = update.prepare(py, &request.view) {
        return match exceptions::is_outdated(py, &error) {
            true => Ok(StagingOutcome::Interrupted),
            false => Err(error),
        };
    }
    if !attempt::may_commit() {
        return Ok(StagingOutcome::Interrupted);
    }
    let mut told = update.lost_state(py);
    told.extend(update.former_code_handed_on(py));
    told.extend(update.former_code_in_force(py));
    for (module, what) in &plan.notes {
        log::warning(py, &format!("{module} {what}"));
    }
    told.extend(plan.notes.iter().cloned());
    match update.commit(py) {
        Ok(notes) => Ok(StagingOutcome::Published(notes.into_iter().chain(told).collect())),
        Err(error) => {
            attempt::commit_failed();
            Err(error)
        }
    }
}
