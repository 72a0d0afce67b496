//! Which state is lost when modules run again?
//!
//! A module's values are its own affair, but a database in memory is its connection: code that makes it
//! anew begins with an empty one. The plan says so, and so does the log before the swap.
//! `transfuse/frameworks/databases.py` recognizes such databases.

use pyo3::{intern, prelude::*};
use transfuse_engine::{Plan, Policy};

use crate::cpython::{log, snapshot};
use crate::state::live_module::LiveModule;
use crate::state::policy;
use crate::state::{runtime::Runtime, staging_area::InPlaceNote};
use crate::update::{planning::UpdateRequest, staged_update::StagedUpdate};

/// The state that an update with this plan would lose, as `("shop.models", "the database in memory
/// ...")`.
pub fn of_plan(
    py: Python<'_>,
    runtime: &Runtime,
    request: &UpdateRequest,
    plan: &Plan,
) -> Vec<InPlaceNote> {
    let current = runtime.current(py);
    let mut found = Vec::new();
    for step in &plan.steps {
        let Some(instance) = current.get().find(py, step.name.as_str()) else { continue };
        let names = in_memory(py, &instance);
        if names.is_empty() {
            continue;
        }
        let one = instance.get();
        let source = one.path.as_ref().and_then(|path| request.view.get(path)?.text());
        let declared = source.zip(one.file.as_ref()).and_then(|(text, file)| {
            policy::declared_policy(py, runtime, &one.name, &text, file).ok()
        });
        let (policy, preserve) = declared
            .map_or_else(|| (one.policy(), one.preserve()), |said| (said.policy, said.preserve));
        if matches!(policy, Policy::Overlay | Policy::Fresh) {
            let lost = names.into_iter().filter(|name| !preserve.contains(name));
            found.extend(lost.map(|name| note(one, &name)));
        }
    }
    found
}

impl StagedUpdate<'_> {
    /// The state that the swap loses: former instances hold it and their successors do not. Logs it.
    pub fn lost_state(&self, py: Python<'_>) -> Vec<InPlaceNote> {
        let mut found = Vec::new();
        for instance in &self.removed {
            let names = in_memory(py, instance);
            if names.is_empty() {
                continue;
            }
            let one = instance.get();
            let next = self.staged.get().find(py, one.name.as_str());
            let kept = next.map(|next| snapshot::items(&next.get().namespace(py)));
            for name in names {
                let Ok(Some(value)) = one.namespace(py).get_item(&name) else { continue };
                let has = |kept: &Vec<(Bound<'_, PyAny>, Bound<'_, PyAny>)>| {
                    kept.iter().any(|(_, there)| there.is(&value))
                };
                if !kept.as_ref().is_some_and(has) {
                    found.push(note(one, &name));
                }
            }
        }
        for (module, what) in &found {
            log::warning(py, &format!("{module}: {what}"));
        }
        found
    }
}

fn note(instance: &LiveModule, name: &str) -> InPlaceNote {
    let what = format!(
        "the database in memory behind {name} is replaced by an empty one when the module runs; \
         __preserve__ = [\"{name}\"] keeps it"
    );
    (instance.name.to_string(), what)
}

/// The names under which a module has databases in memory that it has made.
fn in_memory(py: Python<'_>, instance: &Bound<'_, LiveModule>) -> Vec<String> {
    let found = py.import(intern!(py, "transfuse.frameworks.databases")).and_then(|databases| {
        let namespace = instance.get().namespace(py);
        databases.call_method1(intern!(py, "in_memory"), (namespace,))?.extract::<Vec<String>>()
    });
    let mut names = found.unwrap_or_default();
    names.retain(|name| {
        instance.get().with_name_usage(|usage| usage.assigned.contains(name)) == Some(true)
    });
    names
}
