//! How does an update go from its intent to a published generation?
//!
//! Runs in the updating thread: plan, stage, and if the plan turns out to be too
//! narrow, widen it and begin again. Whatever is raised on the way leaves the
//! current generation as it was.

use pyo3::exceptions::PySyntaxError;
use pyo3::prelude::*;
use transfuse_engine::{ModuleName, Plan, Reason};

use crate::cpython::exceptions;
use crate::state::runtime::Runtime;
use crate::state::staging_area::InPlaceNote;
use crate::update::planning::{UpdateRequest, draw_plan, without_restarts};
use crate::update::staged_update::StagedUpdate;

/// How often a plan may grow while it is being staged.
const WIDENINGS: usize = 20;

/// What came of staging.
pub struct Staged {
    /// What was planned, widened where it had to be.
    pub plan: Plan,
    /// How it ended.
    pub end: StagingOutcome,
}

/// How staging ended.
pub enum StagingOutcome {
    /// The staged generation is current. With what could not be done in place, by module.
    Published(Vec<InPlaceNote>),
    /// Nothing has changed, because of this.
    Refused(PyErr),
    /// Nothing has changed: somebody is still saving files, so this was but a part.
    Interrupted,
}

/// Plans, stages and publishes. Whatever is raised on the way leaves the current generation as it was.
///
/// `saved` is asked when staging is over: has everybody finished saving files?
pub fn run_update(
    py: Python<'_>,
    runtime: &'static Runtime,
    mut intent: UpdateRequest,
    saved: &mut dyn FnMut() -> bool,
) -> Staged {
    let mut plan = Plan::default();
    for _ in 0..WIDENINGS {
        plan = match draw_plan(py, runtime, &intent) {
            Ok(plan) => plan,
            Err(error) => return Staged { plan, end: StagingOutcome::Refused(error) },
        };
        let view = without_restarts(py, runtime, intent.view.clone(), &plan.restart);
        let deleted = deleted(&intent.seeds);
        let attempt = StagedUpdate::begin(py, runtime, view, &plan.steps, &deleted, intent.since);
        let mut attempt = match attempt {
            Ok(attempt) => attempt,
            Err(error) => return Staged { plan, end: StagingOutcome::Refused(error) },
        };
        let ran = attempt.run(py, &plan);
        let newly_affected = attempt.newly_affected(py);
        if !newly_affected.is_empty() && attempt.widen(&mut intent, newly_affected) {
            attempt.abandon(py);
            continue;
        }
        if !saved() {
            attempt.abandon(py);
            return Staged { plan, end: StagingOutcome::Interrupted };
        }
        match ran {
            Ok(()) => {
                let verified = attempt
                    .check_lazy_targets(py, &intent.changes)
                    .and_then(|()| attempt.verify(py, &intent.view))
                    .inspect_err(|_| attempt.abandon(py));
                let end = match verified.and_then(|()| attempt.publish(py)) {
                    Ok(notes) => StagingOutcome::Published(notes),
                    Err(error) if exceptions::is_outdated(py, &error) => {
                        StagingOutcome::Interrupted
                    }
                    Err(error) => StagingOutcome::Refused(error),
                };
                return Staged { plan, end };
            }
            Err(error) => {
                let also = attempt.imported_by_failed(py, &plan.steps);
                let syntax = error.is_instance_of::<PySyntaxError>(py);
                attempt.abandon(py);
                if !syntax && !also.is_empty() && attempt.widen(&mut intent, also) {
                    // Perhaps it fails only because what it imports was not run with it.
                    let wide = retry(py, runtime, &intent);
                    if let Some(staged) = wide {
                        return staged;
                    }
                }
                return Staged { plan, end: StagingOutcome::Refused(error) };
            }
        }
    }
    let error = exceptions::misuse("the plan kept growing while it was staged");
    Staged { plan, end: StagingOutcome::Refused(error) }
}

/// One more try with a wider plan; none if that fails too, so that the first error is reported.
fn retry(py: Python<'_>, runtime: &'static Runtime, intent: &UpdateRequest) -> Option<Staged> {
    let plan = draw_plan(py, runtime, intent).ok()?;
    let view = without_restarts(py, runtime, intent.view.clone(), &plan.restart);
    let mut attempt =
        StagedUpdate::begin(py, runtime, view, &plan.steps, &deleted(&intent.seeds), intent.since)
            .ok()?;
    let ran = attempt.run(py, &plan).is_ok() && attempt.newly_affected(py).is_empty();
    let ran = ran && attempt.check_lazy_targets(py, &intent.changes).is_ok();
    if ran && attempt.verify(py, &intent.view).is_ok() {
        let notes = attempt.publish(py).ok()?;
        return Some(Staged { plan, end: StagingOutcome::Published(notes) });
    }
    attempt.abandon(py);
    None
}

fn deleted(seeds: &[(ModuleName, Reason)]) -> Vec<ModuleName> {
    seeds.iter().filter(|(_, why)| *why == Reason::Deleted).map(|(name, _)| name.clone()).collect()
}
