//! What would an update run?
//!
//! The decision is the engine's `plan`, a pure function; here it is given what only the binding
//! knows: which modules are loaded, what their new source says of itself, who keeps what.

use std::collections::HashMap;

use pyo3::exceptions::PySyntaxError;
use pyo3::prelude::*;
use transfuse_engine::{
    Change, Facts, Graph, ModuleName, Plan, Policy, Reason, Restart, View, plan,
};

use crate::engine::Engine;
use crate::generation::Generation;
use crate::instance::Instance;
use crate::keeps::keeps;
use crate::namespace;

/// What an update starts from.
pub struct Intent {
    /// What the next generation knows.
    pub view: View,
    /// The files that differ.
    pub changes: Vec<Change>,
    /// The modules that these are, with the reason.
    pub seeds: Vec<(ModuleName, Reason)>,
}

/// What the planner asks, answered from the current generation.
struct Answers<'a, 'py> {
    py: Python<'py>,
    current: Bound<'py, Generation>,
    /// Changed modules -> the policy that their new source asks for.
    wishes: &'a HashMap<ModuleName, Policy>,
}

impl Answers<'_, '_> {
    fn find(&self, name: &ModuleName) -> Option<Bound<'_, Instance>> {
        self.current.get().find(self.py, name.as_str())
    }
}

impl Facts for Answers<'_, '_> {
    fn is_loaded(&self, name: &ModuleName) -> bool {
        self.find(name).is_some_and(|found| found.get().is_ready())
    }

    fn policy(&self, name: &ModuleName) -> Policy {
        match self.wishes.get(name) {
            Some(&policy) => policy,
            None => self.find(name).map_or(Policy::Overlay, |found| found.get().policy()),
        }
    }

    fn keeps(&self, holder: &ModuleName, of: &ModuleName) -> bool {
        match (self.find(holder), self.find(of)) {
            (Some(holder), Some(of)) => keeps(self.py, &holder, &of),
            _ => false,
        }
    }

    fn started(&self, name: &ModuleName) -> u64 {
        self.find(name).map_or(u64::MAX, |found| found.get().started)
    }
}

/// What an update would run. Raises what reading the special variables of a new source raises.
pub fn draw_plan(py: Python<'_>, engine: &Engine, intent: &Intent) -> PyResult<Plan> {
    let current = engine.current(py);
    let mut wishes = HashMap::new();
    for (name, _) in &intent.seeds {
        let Some(instance) = current.get().find(py, name.as_str()) else { continue };
        let (Some(path), Some(file)) = (&instance.get().path, &instance.get().file) else {
            continue;
        };
        let text = intent.view.get(path).and_then(|source| source.text());
        let policy = match text {
            // What cannot even be parsed is reported when it is run; until then nothing changes.
            Some(text) => match namespace::wish(py, engine, name, &text, file) {
                Ok(wish) => wish.policy,
                Err(error) if error.is_instance_of::<PySyntaxError>(py) => Policy::Overlay,
                Err(error) => return Err(error),
            },
            None => instance.get().policy(),
        };
        // A module that was never to be run again does not run to say that it may be.
        let never = instance.get().policy() == Policy::Never;
        wishes.insert(name.clone(), if never { Policy::Never } else { policy });
    }
    let graph: Graph = engine.book.lock().unwrap().graph.clone();
    Ok(plan(&graph, &intent.seeds, &Answers { py, current, wishes: &wishes }))
}

/// Changes that wait for a restart keep their old content.
pub fn without_restarts(py: Python<'_>, engine: &Engine, view: View, restart: &[Restart]) -> View {
    let current = engine.current(py);
    let old = current.get().view();
    let mut view = view;
    for entry in restart {
        if let Some(instance) = current.get().find(py, entry.name.as_str())
            && let Some(path) = &instance.get().path
            && let Some(source) = old.get(path)
        {
            view = view.with(path.clone(), source.clone());
        }
    }
    view
}
