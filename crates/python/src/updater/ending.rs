//! What is recorded and reported of an update that has ended?

use std::{time::Instant, time::SystemTime};

use pyo3::{prelude::*, types::PyDict};
use transfuse_engine::{Cause, FileChange, GenerationId, Outcome, Plan, Record};

use crate::state::{command::BackTo, runtime::Runtime, staging_area::InPlaceNote};
use crate::update::report;

/// How an update ended, for its record.
#[derive(Clone, Copy)]
pub struct Ending {
    pub outcome: Outcome,
    pub cause: Cause,
    pub back: Option<BackTo>,
    pub started: Instant,
}

impl Ending {
    /// Records it, and returns the report.
    pub fn record(
        &self,
        py: Python<'_>,
        runtime: &Runtime,
        changes: &[FileChange],
        plan: &Plan,
        result: Result<Vec<InPlaceNote>, PyErr>,
    ) -> PyResult<Py<PyDict>> {
        let (notes, error) = match result {
            Ok(notes) => (notes, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let Ending { outcome, cause, back, started } = *self;
        let is_partial = {
            let records = runtime.records.lock();
            records.history.is_partial(&plan.steps, !plan.restart.is_empty())
        };
        let record = Record {
            at: SystemTime::now(),
            until: None,
            partial: outcome == Outcome::Published && is_partial,
            cause,
            back_to: back.map(|(number, _)| GenerationId(number)),
            generation: runtime.current(py).get().id,
            outcome,
            changed: changes.to_vec(),
            ran: plan.steps.clone(),
            took: started.elapsed(),
            error: error.as_ref().map(ToString::to_string),
        };
        let report = report::of_record(py, &record, &plan.restart, &notes, error)?;
        report.bind(py).set_item("back_to", back)?;
        report::add_set_aside(report.bind(py), runtime)?;
        let failing = (outcome == Outcome::Refused).then(|| report.clone_ref(py));
        let before = {
            let mut records = runtime.records.lock();
            records.refused += u64::from(outcome == Outcome::Refused);
            records.history.push(record);
            std::mem::replace(&mut records.failing, failing)
        };
        // Dropped here, outside the lock: what it refers to may run Python code.
        drop(before);
        Ok(report)
    }
}
