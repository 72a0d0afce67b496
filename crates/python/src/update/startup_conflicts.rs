//! Has the next application's startup met state that the running one uses?
//!
//! Its startup starts a scheduler that lies in a module which did not run: the running application
//! has started it. A fresh process would have one of its own, so that module has to run as well. It is
//! found by the lines that the error came by: the live modules whose code is there, and those that the
//! global names on these lines were imported from. The next update that runs the same code runs
//! them at once.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use transfuse_engine::{ModuleName, Plan, Reason};

use crate::effects::ownership::origins;
use crate::state::generation::Generation;
use crate::state::{caller, runtime::Runtime};

/// A module whose code the startup ran, and one whose state it met.
pub type Met = (ModuleName, ModuleName);

/// The modules to which an error of the staged application's startup leads, apart from those that run.
pub fn met(py: Python<'_>, runtime: &Runtime, error: &PyErr, plan: &Plan) -> Vec<Met> {
    let current = runtime.current(py);
    let mut all = find(py, &current, error).unwrap_or_default();
    let runs = |name: &ModuleName| plan.steps.iter().any(|step| step.name == *name);
    all.retain(|(_, of)| !runs(of) && current.get().find(py, of.as_str()).is_some());
    all
}

/// The conflicts that startups of the modules of a plan had before.
pub fn known(runtime: &Runtime, plan: &Plan) -> Vec<(ModuleName, Reason)> {
    let records = runtime.records.lock();
    let all = records.met_by_startups.iter();
    all.filter(|(by, _)| plan.steps.iter().any(|step| step.name == *by)).map(seed).collect()
}

/// The seed of a plan that has the module of which state was met.
pub fn seed((by, of): &Met) -> (ModuleName, Reason) {
    (of.clone(), Reason::AffectedBy(by.clone()))
}

fn find(py: Python<'_>, current: &Bound<'_, Generation>, error: &PyErr) -> PyResult<Vec<Met>> {
    let lines = py.import("transfuse.updates.failing_lines")?;
    let lines = lines.call_method1("failing_lines", (error.value(py),))?;
    let mut found = Vec::new();
    for (globals, names) in lines.extract::<Vec<(Bound<'_, PyDict>, Vec<String>)>>()? {
        let Some(module) = caller::module_of_globals(py, &globals) else { continue };
        let by = &module.get().name;
        found.push((by.clone(), by.clone()));
        for name in names {
            let Some(value) = globals.get_item(&name)? else { continue };
            for of in origins(current, &module, &value) {
                found.push((by.clone(), of));
            }
        }
    }
    Ok(found)
}
