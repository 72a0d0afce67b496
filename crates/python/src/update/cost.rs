//! How long would an update take, by the last runs of its modules?
//!
//! Python knows how long a fresh process takes, and whether one can be had
//! (`transfuse/updates/cost.py`). An explicit update is made in place in any case.

use std::time::Duration;

use pyo3::{intern, prelude::*};
use transfuse_engine::Plan;

use crate::state::runtime::Runtime;
use crate::update::planning::UpdateRequest;

/// Raises if fresh processes are to serve the change, because that takes less time.
pub fn check(
    py: Python<'_>,
    runtime: &Runtime,
    request: &UpdateRequest,
    plan: &Plan,
) -> PyResult<()> {
    if !request.automatic {
        return Ok(());
    }
    let seconds = estimate(runtime, plan).as_secs_f64();
    let cost = py.import(intern!(py, "transfuse.updates.cost"))?;
    cost.call_method1(intern!(py, "check"), (seconds, plan.steps.len())).map(drop)
}

fn estimate(runtime: &Runtime, plan: &Plan) -> Duration {
    let records = runtime.records.lock();
    plan.steps.iter().filter_map(|step| records.took.get(&step.name)).sum()
}
