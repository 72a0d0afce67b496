//! How does an update go from a change to a published generation?
//!
//! Plan, stage, verify, publish; if the plan turns out to be too narrow, again with a wider one. Runs
//! in the updating thread. Any error leaves the current generation as it was. `staged_update` does
//! one attempt, `planning` draws the plan.

use pyo3::{exceptions::PySyntaxError, prelude::*};
use transfuse_engine::Plan;

use crate::cpython::exceptions;
use crate::state::{runtime::Runtime, staging_area::InPlaceNote};
use crate::update::{planning::UpdateRequest, planning::draw_plan, staged_update::StagedUpdate};

/// How often an update is staged, each time with a wider plan.
const ATTEMPTS: usize = 20;

pub struct Staged {
    /// The plan, widened where necessary.
    pub plan: Plan,
    pub end: StagingOutcome,
}

pub enum StagingOutcome {
    /// The staged generation is current. With what could not be done in place, by module.
    Published(Vec<InPlaceNote>),
    /// Nothing has changed, because of this error.
    Refused(PyErr),
    /// Nothing has changed: files are still being saved, so this was only a part of the change.
    Interrupted,
}

enum Attempt {
    /// The update is over.
    Ended(StagingOutcome),
    /// The request was widened; after this error, if its modules failed.
    Widened(Option<PyErr>),
}

/// Plans, stages and publishes. `is_quiet` says, when the modules have run, that no file was saved
/// meanwhile.
pub fn run_update(
    py: Python<'_>,
    runtime: &'static Runtime,
    mut request: UpdateRequest,
    is_quiet: &mut dyn FnMut() -> bool,
) -> Staged {
    let mut plan = Plan::default();
    // The failure that the wider plan may cure. If it does not, this is what is reported.
    let mut failed: Option<(Plan, PyErr)> = None;
    for _ in 0..ATTEMPTS {
        let retries = failed.is_some();
        let attempt = attempt(py, runtime, &mut request, &mut plan, &mut || retries || is_quiet());
        let end = match (attempt, failed) {
            (Ok(Attempt::Ended(end @ StagingOutcome::Published(_))), _) => end,
            (_, Some((plan, error))) => {
                return Staged { plan, end: StagingOutcome::Refused(error) };
            }
            (Ok(Attempt::Ended(end)), None) => end,
            (Err(error), None) => StagingOutcome::Refused(error),
            (Ok(Attempt::Widened(error)), None) => {
                failed = error.map(|error| (plan.clone(), error));
                continue;
            }
        };
        return Staged { plan, end };
    }
    let error = exceptions::misuse("the plan kept growing while it was staged");
    Staged { plan, end: StagingOutcome::Refused(error) }
}

/// Plans and stages once, and publishes unless the plan has to be wider.
fn attempt(
    py: Python<'_>,
    runtime: &'static Runtime,
    request: &mut UpdateRequest,
    plan: &mut Plan,
    is_quiet: &mut dyn FnMut() -> bool,
) -> PyResult<Attempt> {
    *plan = draw_plan(py, runtime, request)?;
    let mut update = StagedUpdate::begin(py, runtime, request, plan)?;
    let ran = update.run(py, plan);
    if request.widen(update.newly_affected(py)) {
        update.abort(py);
        return Ok(Attempt::Widened(None));
    }
    if !is_quiet() {
        update.abort(py);
        return Ok(Attempt::Ended(StagingOutcome::Interrupted));
    }
    if let Err(error) = ran {
        // Perhaps it failed only because a module that it imports was not run with it.
        let imported = update.imported_by_failed(py, &plan.steps);
        update.abort(py);
        let widened = !error.is_instance_of::<PySyntaxError>(py) && request.widen(imported);
        return if widened { Ok(Attempt::Widened(Some(error))) } else { Err(error) };
    }
    let prepared = update.prepare(py, &request.view).inspect_err(|_| update.abort(py));
    Ok(Attempt::Ended(match prepared.and_then(|()| update.commit(py)) {
        Ok(notes) => StagingOutcome::Published(notes),
        Err(error) if exceptions::is_outdated(py, &error) => StagingOutcome::Interrupted,
        Err(error) => StagingOutcome::Refused(error),
    }))
}
