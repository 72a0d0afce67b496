//! Sets `os.environ` and the working directory to what the modules in use have set, once an update has ended.
//!
//! While modules run, `loading/execute.rs` and `loading/namespace.rs` undo the changes of former runs. This file
//! undoes those of deleted modules, and those of a staged generation that is abandoned.

use pyo3::prelude::*;
use transfuse_engine::Plan;

use crate::effects::environ;
use crate::state::live_module::LiveModule;
use crate::update::staged_update::StagedUpdate;

impl<'py> StagedUpdate<'py> {
    /// The modules of the plan are about to run: those that are gone leave nothing that they could read.
    pub(super) fn begin_environ(&self, py: Python<'py>, plan: &Plan) {
        for instance in self.removed.iter().rev() {
            let name = &instance.get().name;
            if !plan.steps.iter().any(|step| step.name == *name) {
                environ::undo(py, instance.get());
            }
        }
        let mut setters: Vec<_> = self.removed.iter().collect();
        setters.retain(|instance| !instance.get().environ().is_empty());
        setters.sort_by_key(|instance| std::cmp::Reverse(instance.get().started()));
        // Any code that opens a relative path depends on the working directory.
        for instance in &setters {
            if self.staged.get().find(py, instance.get().name.as_str()).is_none() {
                environ::undo_directory(py, instance.get());
            }
        }
        let setters = setters.into_iter().map(|instance| instance.clone().unbind()).collect();
        self.staged.get().staging.set_setters(setters);
    }

    /// The environment is as the modules in use have left it.
    pub(super) fn take_back_environ(&self, py: Python<'py>) {
        let executed = self.staged.get().executed(py);
        let shadows = self.staged.get().staging.in_place(py);
        let shadows = shadows.iter().map(|change| change.get().shadow.bind(py).clone());
        let all: Vec<_> = executed.into_iter().chain(shadows).collect();
        for instance in all.iter().rev() {
            environ::undo(py, instance.get());
        }
        // In the order in which they were made: each change of the working directory begins in the one before.
        let mut removed: Vec<_> = self.removed.iter().collect();
        removed.sort_by_key(|former| former.get().started());
        for former in removed {
            environ::redo(py, former.get());
        }
        for instance in &all {
            if let Some(former) = self.base.get().find(py, instance.get().name.as_str()) {
                environ::redo(py, former.get());
            }
        }
    }

    /// Modules that went without running again leave nothing in the environment.
    pub(super) fn conclude_environ(&self, py: Python<'py>) {
        let executed = self.staged.get().executed(py);
        let ran = |one: &&Bound<'py, LiveModule>| {
            executed.iter().any(|other| other.get().name == one.get().name)
        };
        for instance in self.removed.iter().rev().filter(|one| !ran(one)) {
            environ::undo(py, instance.get());
        }
        for instance in &self.revived {
            environ::redo(py, instance.get());
        }
    }
}
