//! What does code that an update supersedes leave in force?
//!
//! Signal handlers, and handlers of `logging` that functions made: `transfuse/registrations/in_force.py`.

use pyo3::{intern, prelude::*};

use crate::cpython::log;
use crate::state::staging_area::InPlaceNote;
use crate::update::staged_update::StagedUpdate;

impl StagedUpdate<'_> {
    /// What stays in force after the swap. Logs it.
    pub fn former_code_in_force(&self, py: Python<'_>) -> Vec<InPlaceNote> {
        let superseded: Vec<_> = self.removed.iter().map(|one| one.get().module.bind(py)).collect();
        let told = || {
            let package = py.import(intern!(py, "transfuse.registrations.in_force"))?;
            let notes = package.call_method1(intern!(py, "notes"), (superseded,))?;
            notes.extract::<Vec<InPlaceNote>>()
        };
        let found = told().unwrap_or_else(|error| {
            let _ = log::complain(py, "former code may go on handling signals", error);
            Vec::new()
        });
        for (module, what) in &found {
            log::warning(py, &format!("{module}: {what}"));
        }
        found
    }
}
