//! What becomes of executions that were staged in vain?
//!
//! Nothing leads to them, but a library may know of them until they are collected. SQLAlchemy configures the
//! mapped classes of all registries of the process at once, and fails for one that is half gone
//! (`transfuse/frameworks/sqlalchemy.py`). And a module that was loaded inside a package whose own code has
//! failed is no start of its own: it would run that package.

use pyo3::{intern, prelude::*, types::PyDict};
use transfuse_engine::ModuleName;

use crate::cpython::log::complain;
use crate::state::live_module::LiveModule;
use crate::update::staged_update::StagedUpdate;

impl<'py> StagedUpdate<'py> {
    /// Those of this update that have left the staged generation again.
    pub(super) fn given_up(&self, py: Python<'py>) -> Vec<Bound<'py, LiveModule>> {
        let mut executed = self.staged.get().staging.executed(py);
        executed.retain(|instance| !self.staged.get().holds(py, instance));
        executed
    }

    /// Takes the mapped classes of executions out of SQLAlchemy's registries, if nothing else uses these.
    pub(super) fn unmap(&self, py: Python<'py>, given_up: &[Bound<'py, LiveModule>]) {
        let orm = intern!(py, "sqlalchemy.orm");
        if given_up.is_empty() || !self.runtime.sys_modules.bind(py).contains(orm).unwrap_or(false)
        {
            return;
        }
        let mut in_use = self.base.get().all(py);
        in_use.extend(self.staged.get().all(py));
        in_use.retain(|one| !given_up.iter().any(|other| other.is(one)));
        let namespaces = |all: &[Bound<'py, LiveModule>]| -> Vec<Bound<'py, PyDict>> {
            all.iter().map(|one| one.get().namespace(py)).collect()
        };
        let lists = (namespaces(given_up), namespaces(&in_use));
        let unmapped = py
            .import(intern!(py, "transfuse.frameworks.sqlalchemy"))
            .and_then(|adapter| adapter.call_method1(intern!(py, "unmap"), lists));
        if let Err(error) = unmapped {
            let _ = complain(py, "SQLAlchemy may know of classes that were given up", error);
        }
    }

    /// Whether a module was loaded inside a package whose own code has failed.
    pub(super) fn is_without_package(&self, py: Python<'py>, name: &ModuleName) -> bool {
        let mut around = std::iter::successors(name.parent(), ModuleName::parent);
        around.any(|package| {
            self.base.get().find(py, package.as_str()).is_none()
                && self.runtime.records.lock().failed.contains(&package)
        })
    }
}
