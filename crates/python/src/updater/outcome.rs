//! What is told, and what is kept, of how an update ended?

use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use transfuse_engine::{FileChange, Outcome, Plan, Record};

use crate::state::staging_area::InPlaceNote;
use crate::update::report;
use crate::updater::driver::Driver;

impl Driver {
    /// What waits for a restart is told by `status`.
    pub(super) fn note_waiting(&self) {
        let all = self.waiting_modules.iter().chain(&self.waiting_project).cloned().collect();
        self.runtime.records.lock().waiting = all;
    }

    /// The files say what is served: somebody has taken back what was refused.
    pub(super) fn no_longer_fails(&self) {
        let before = self.runtime.records.lock().failing.take();
        // Dropped here, outside the lock: what it refers to may run Python code.
        drop(before);
    }

    pub(super) fn refuse(
        &mut self,
        py: Python<'_>,
        begun: Instant,
        changes: &[FileChange],
        plan: &Plan,
        error: PyErr,
    ) -> PyResult<Py<PyDict>> {
        self.runtime.records.lock().refused += 1;
        self.record(py, Outcome::Refused, begun, changes, plan, Err(error))
    }

    pub(super) fn record(
        &mut self,
        py: Python<'_>,
        outcome: Outcome,
        begun: Instant,
        changes: &[FileChange],
        plan: &Plan,
        came: Result<Vec<InPlaceNote>, PyErr>,
    ) -> PyResult<Py<PyDict>> {
        let (notes, error) = match came {
            Ok(notes) => (notes, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let record = Record {
            generation: self.runtime.current(py).get().id,
            outcome,
            changed: changes.to_vec(),
            ran: plan.steps.clone(),
            took: begun.elapsed(),
            error: error.as_ref().map(ToString::to_string),
        };
        let made = report::of_record(py, &record, &plan.restart, &notes, error)?;
        let failing = (outcome == Outcome::Refused).then(|| made.clone_ref(py));
        let before = {
            let mut records = self.runtime.records.lock();
            records.history.push(record);
            std::mem::replace(&mut records.failing, failing)
        };
        // Dropped here, outside the lock: what it refers to may run Python code.
        drop(before);
        Ok(made)
    }

    pub(super) fn unchanged(&self, py: Python<'_>) -> Py<PyDict> {
        let generation = self.runtime.current(py).get().id;
        report::unchanged(py, generation)
    }
}
