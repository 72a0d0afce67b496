//! What would an update run?
//!
//! The decision is the engine's `plan`, a pure function; here it is given what only the binding
//! knows: which modules are loaded, what their new source says of itself, who keeps what.

use std::collections::HashMap;
use std::path::PathBuf;

use pyo3::exceptions::PySyntaxError;
use pyo3::prelude::*;
use transfuse_engine::{
    ChangeKind, DependencyGraph, FileChange, ModuleFacts, ModuleName, Plan, Policy, Reason,
    Restart, RestartCode, SourceSnapshot, plan,
};

use crate::effects::retention::retains;
use crate::state::generation::Generation;
use crate::state::live_module::LiveModule;
use crate::state::policy::{self, effective_policy};
use crate::state::runtime::Runtime;

/// What an update starts from.
pub struct UpdateRequest {
    /// What the next generation knows.
    pub view: SourceSnapshot,
    /// The files that differ.
    pub changes: Vec<FileChange>,
    /// The modules that these are, with the reason.
    pub seeds: Vec<(ModuleName, Reason)>,
    /// From which execution on the seeds do not know of instances, see `update/concurrent_loads.rs`.
    pub since: u64,
}

/// What the planner asks, answered from the current generation.
struct CurrentFacts<'a, 'py> {
    py: Python<'py>,
    runtime: &'a Runtime,
    current: Bound<'py, Generation>,
    /// Changed modules -> the policy that their new source asks for.
    wishes: &'a HashMap<ModuleName, Policy>,
}

impl CurrentFacts<'_, '_> {
    fn find(&self, name: &ModuleName) -> Option<Bound<'_, LiveModule>> {
        self.current.get().find(self.py, name.as_str())
    }
}

impl ModuleFacts for CurrentFacts<'_, '_> {
    fn is_loaded(&self, name: &ModuleName) -> bool {
        self.find(name).is_some_and(|found| found.get().is_ready())
    }

    fn policy(&self, name: &ModuleName) -> Policy {
        match self.wishes.get(name) {
            Some(&policy) => policy,
            None => self.find(name).map_or(Policy::Overlay, |found| {
                effective_policy(self.py, self.runtime, found.get())
            }),
        }
    }

    fn retains(&self, holder: &ModuleName, of: &ModuleName) -> bool {
        match (self.find(holder), self.find(of)) {
            (Some(holder), Some(of)) => retains(self.py, &holder, &of),
            _ => false,
        }
    }

    fn rank(&self, name: &ModuleName) -> u64 {
        self.find(name).map_or(u64::MAX, |found| found.get().rank())
    }
}

/// What an update would run. Raises what reading the special variables of a new source raises.
pub fn draw_plan(py: Python<'_>, runtime: &Runtime, intent: &UpdateRequest) -> PyResult<Plan> {
    let current = runtime.current(py);
    let mut wishes = HashMap::new();
    for (name, _) in &intent.seeds {
        let Some(instance) = current.get().find(py, name.as_str()) else { continue };
        let (Some(path), Some(file)) = (&instance.get().path, &instance.get().file) else {
            continue;
        };
        let text = intent.view.get(path).and_then(|source| source.text());
        let policy = match text {
            // What cannot even be parsed is reported when it is run; until then nothing changes.
            Some(text) => match policy::declared_policy(py, runtime, name, &text, file) {
                Ok(declared_policy) => declared_policy.policy,
                Err(error) if error.is_instance_of::<PySyntaxError>(py) => Policy::Overlay,
                Err(error) => return Err(error),
            },
            None => instance.get().policy(),
        };
        // A module that was never to be run again does not run to say that it may be.
        let never = instance.get().policy() == Policy::Never;
        wishes.insert(name.clone(), if never { Policy::Never } else { policy });
    }
    let graph: DependencyGraph = runtime.records.lock().graph.clone();
    let mut plan =
        plan(&graph, &intent.seeds, &CurrentFacts { py, runtime, current, wishes: &wishes });
    plan.restart.extend(compiled(py, runtime, &intent.changes));
    Ok(plan)
}

/// Compiled modules that are loaded and differ.
fn compiled(py: Python<'_>, runtime: &Runtime, changes: &[FileChange]) -> Vec<Restart> {
    let extensions = runtime.records.lock().extensions.clone();
    let loaded = |name: &ModuleName| runtime.sys_modules.bind(py).contains(name.as_str());
    let restart = |change: &FileChange| {
        let name = extensions.get(&change.path).filter(|name| loaded(name).unwrap_or(false))?;
        let what = if change.kind == ChangeKind::Deleted { "was deleted" } else { "changed" };
        Some(Restart {
            name: name.to_string(),
            code: RestartCode::Extension,
            what: format!("{name} {what} and is compiled: restart the server"),
            path: Some(change.path.clone()),
        })
    };
    changes.iter().filter_map(restart).collect()
}

/// Changes that wait for a restart keep their old content.
pub fn without_restarts(
    py: Python<'_>,
    runtime: &Runtime,
    view: SourceSnapshot,
    restart: &[Restart],
) -> SourceSnapshot {
    let current = runtime.current(py);
    let old = current.get().view();
    let mut view = view;
    for path in held_back(py, &current, restart) {
        if let Some(source) = old.get(&path) {
            view = view.with(path, source.clone());
        }
    }
    view
}

/// The files of changes that wait for a restart.
pub fn held_back(
    py: Python<'_>,
    current: &Bound<'_, Generation>,
    restart: &[Restart],
) -> Vec<PathBuf> {
    let path = |entry: &Restart| {
        let instance = || current.get().find(py, &entry.name);
        entry.path.clone().or_else(|| instance()?.get().path.clone())
    };
    restart.iter().filter_map(path).collect()
}
