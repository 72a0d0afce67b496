//! Which modules would an update run?
//!
//! The decision is the engine's `plan`, a pure function. It gets the facts that only the binding
//! knows from here: which modules are loaded, which policy their new source declares, which values
//! an importer retains.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use pyo3::{exceptions::PySyntaxError, intern, prelude::*, types::PyDict, types::PyModule};
use transfuse_engine::{
    ChangeKind, DependencyGraph, EdgeKind, FileChange, Kept, ModuleFacts, ModuleName, Plan, Policy,
    Reason, Restart, RestartCode, SourceSnapshot, Succession, plan,
};

use crate::cpython::snapshot;
use crate::effects::{
    kept_values, kept_values::KeptValues, retention, subclasses::ListedBases, submodule_use,
};
use crate::state::live_module::LiveModule;
use crate::state::policy::{self, effective_policy};
use crate::{state::generation::Generation, state::runtime::Runtime, update::holders_of_former};

pub struct UpdateRequest {
    /// The sources of the next generation.
    pub view: SourceSnapshot,
    pub changes: Vec<FileChange>,
    /// The modules of these files, with the reason to run each.
    pub seeds: Vec<(ModuleName, Reason)>,
    /// The first execution whose instance the seeds may miss, see `update/concurrent_loads.rs`.
    pub since: u64,
    /// Whether it is the rollback of another worker, and to which generation.
    pub back: Option<Succession>,
    /// Whether it was not asked for.
    pub automatic: bool,
    /// Whether a module that the plan does not name runs in the main thread, and with it all.
    pub in_main_thread: bool,
}

impl UpdateRequest {
    /// Adds seeds; false if each of them was there before.
    pub fn widen(&mut self, seeds: Vec<(ModuleName, Reason)>) -> bool {
        let before = self.seeds.len();
        for (name, reason) in seeds {
            if !self.seeds.iter().any(|(known, _)| *known == name) {
                self.seeds.push((name, reason));
            }
        }
        self.seeds.len() > before
    }
}

/// A module, and one that a function of it imports, or whose functions it calls, with the names of these.
type Question = (ModuleName, ModuleName, Vec<String>);

/// Facts about the modules of the current generation, for the planner.
struct CurrentFacts<'a, 'py> {
    py: Python<'py>,
    runtime: &'a Runtime,
    current: Bound<'py, Generation>,
    /// Changed modules -> the policy that their new source declares, `shop.tax -> fresh`.
    declared: &'a HashMap<ModuleName, Policy>,
    /// Modules that cannot run twice, and why.
    held: &'a HashMap<ModuleName, String>,
    /// The classes that live code asks for their subclasses. Made when it is first needed.
    listed: OnceCell<ListedBases>,
    /// What may have been kept, for each question that was asked.
    kept_values: RefCell<HashMap<Question, KeptValues>>,
    /// A module -> its functions that return plain values of their imports, `rate`.
    returned: RefCell<HashMap<ModuleName, BTreeSet<String>>>,
    /// The namespaces of all modules. Made when they are first needed.
    namespaces: OnceCell<Bound<'py, PyDict>>,
}

impl CurrentFacts<'_, '_> {
    /// What functions may have put into foreign places, of modules that run now.
    fn kept_beyond(&self, plan: &Plan) -> Vec<(String, String)> {
        let mut notes = Vec::new();
        for ((by, of, _), found) in self.kept_values.borrow().iter() {
            let runs = plan.steps.iter().any(|step| step.name == *of);
            for place in found.beyond.iter().filter(|_| runs) {
                let what = format!(
                    "may keep in {place} what a function took of {of}; that stays until a restart: \
                     import the value at module level"
                );
                notes.push((by.to_string(), what));
            }
        }
        notes.sort();
        notes.dedup();
        notes
    }

    fn find(&self, name: &ModuleName) -> Option<Bound<'_, LiveModule>> {
        self.current.get().find(self.py, name.as_str())
    }
}

impl ModuleFacts for CurrentFacts<'_, '_> {
    fn is_loaded(&self, name: &ModuleName) -> bool {
        self.find(name).is_some_and(|found| found.get().is_ready())
    }

    fn policy(&self, name: &ModuleName) -> Policy {
        match self.declared.get(name) {
            _ if self.held.contains_key(name) => Policy::Never,
            Some(&policy) => policy,
            None => self.find(name).map_or(Policy::Overlay, |found| {
                effective_policy(self.py, self.runtime, found.get())
            }),
        }
    }

    fn keepers(&self, holders: &[ModuleName], of: &[ModuleName]) -> Vec<(ModuleName, ModuleName)> {
        let found = |names: &[ModuleName]| -> Vec<_> {
            names.iter().filter_map(|name| self.find(name)).collect()
        };
        let (holders, of) = (found(holders), found(of));
        let pairs = retention::keepers(&holders, &of).into_iter();
        let name = |of: &Bound<'_, LiveModule>| of.get().name.clone();
        pairs.map(|(holder, module)| (name(&holders[holder]), name(&of[module]))).collect()
    }

    fn kept_values(&self, by: &ModuleName, of: &ModuleName, through: bool) -> Kept {
        let Some(holder) = self.find(by) else { return Kept::default() };
        let returning: Vec<String> = match through {
            true => self.returned.borrow().get(of).into_iter().flatten().cloned().collect(),
            false => Vec::new(),
        };
        let question = (by.clone(), of.clone(), returning);
        let known = self.kept_values.borrow().get(&question).cloned();
        let found = known.unwrap_or_else(|| {
            let all = self.namespaces.get_or_init(|| {
                let all = kept_values::namespaces(self.py, self.current.get());
                all.unwrap_or_else(|_| PyDict::new(self.py))
            });
            kept_values::kept(&holder, (of, self.find(of).as_ref()), &question.2, all)
        });
        let mut all = self.returned.borrow_mut();
        let returned = all.entry(by.clone()).or_default();
        returned.extend(found.returned.iter().cloned());
        let mut modules = holder.get().keepers.through(of);
        modules.extend(found.modules.iter().filter_map(|name| ModuleName::new(name).ok()));
        let kept = Kept { modules, returning: returned.len() };
        self.kept_values.borrow_mut().insert(question, found);
        kept
    }

    fn reaches(
        &self,
        user: &ModuleName,
        package: &ModuleName,
        kind: EdgeKind,
        of: &ModuleName,
    ) -> bool {
        let user = self.find(user);
        user.is_some_and(|user| submodule_use::reaches(self.py, user.get(), package, kind, of))
    }

    fn looks_into(&self, user: &ModuleName, package: &ModuleName) -> bool {
        let find = |name: &ModuleName| self.find(name);
        self.find(user).is_some_and(|user| submodule_use::looks_into(user.get(), package, find))
    }

    fn listed_bases(&self, name: &ModuleName) -> Vec<ModuleName> {
        let Some(module) = self.find(name) else { return Vec::new() };
        self.listed
            .get_or_init(|| ListedBases::of(self.py, self.current.get()))
            .modules_of_bases(&module)
    }

    fn rank(&self, name: &ModuleName) -> u64 {
        self.find(name).map_or(u64::MAX, |found| found.get().rank())
    }
}

/// Draws the plan of an update. Fails if the special variables of a new source are invalid.
pub fn draw_plan(py: Python<'_>, runtime: &Runtime, request: &UpdateRequest) -> PyResult<Plan> {
    let current = runtime.current(py);
    let mut declared = HashMap::new();
    for (name, _) in &request.seeds {
        let Some(instance) = current.get().find(py, name.as_str()) else { continue };
        let (Some(path), Some(file)) = (&instance.get().path, &instance.get().file) else {
            continue;
        };
        let text = request.view.get(path).and_then(|source| source.text());
        let policy = match text {
            // A syntax error is reported when the module runs.
            Some(text) => match policy::declared_policy(py, runtime, name, &text, file) {
                Ok(declared_policy) => declared_policy.policy,
                Err(error) if error.is_instance_of::<PySyntaxError>(py) => Policy::Overlay,
                Err(error) => return Err(error),
            },
            None => instance.get().policy(),
        };
        // A module that is never to run again does not run to declare another policy.
        let never = instance.get().policy() == Policy::Never;
        declared.insert(name.clone(), if never { Policy::Never } else { policy });
    }
    let (graph, held): (DependencyGraph, _) = {
        let records = runtime.records.lock();
        (records.graph.clone(), records.held.clone())
    };
    let facts = CurrentFacts {
        py,
        runtime,
        current,
        declared: &declared,
        held: &held,
        listed: OnceCell::new(),
        kept_values: RefCell::default(),
        returned: RefCell::default(),
        namespaces: OnceCell::new(),
    };
    let mut plan = plan(&graph, &request.seeds, &facts);
    plan.notes = facts.kept_beyond(&plan);
    for entry in &mut plan.restart {
        if let Some((_, why)) = held.iter().find(|(name, _)| name.as_str() == entry.name) {
            // With the reason for which it was to run, which need not be a change of its own.
            let policy = "and its policy is \"never\"";
            entry.what = entry.what.replace(policy, &format!("and cannot run twice ({why})"));
        }
    }
    holders_of_former::add_restarts(py, runtime, &mut plan, &held);
    plan.restart.extend(compiled(py, runtime, &request.changes));
    plan.restart.extend(foreign_loaded(py, runtime, &request.changes));
    Ok(plan)
}

/// The loaded compiled modules whose files changed.
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

/// The changed source of modules that a loader of other code keeps to itself.
fn foreign_loaded(py: Python<'_>, runtime: &Runtime, changes: &[FileChange]) -> Vec<Restart> {
    let loaded = runtime.records.lock().foreign_loaders.clone();
    let current = runtime.current(py);
    let restart = |change: &FileChange| {
        let (name, loader) = loaded.get(&change.path)?;
        let foreign = runtime.sys_modules.bind(py).contains(name.as_str()).unwrap_or(false)
            && current.get().find(py, name.as_str()).is_none();
        foreign.then(|| Restart {
            name: name.to_string(),
            code: RestartCode::ForeignLoader,
            what: format!("{name} changed and was loaded by {loader}: restart the server"),
            path: Some(change.path.clone()),
        })
    };
    let mut restarts: Vec<_> = changes.iter().filter_map(restart).collect();
    restarts.extend(loaded_from_data(py, runtime, changes));
    restarts
}

/// The modules that a loader of other code made of files that are no live source, `conf.json`.
fn loaded_from_data(py: Python<'_>, runtime: &Runtime, changes: &[FileChange]) -> Vec<Restart> {
    let is_data = |change: &&FileChange| {
        let compiled = runtime.records.lock().extensions.contains_key(&change.path);
        !compiled && change.path.extension().is_none_or(|end| end != "py")
    };
    let data: Vec<_> = changes.iter().filter(is_data).collect();
    if data.is_empty() {
        return Vec::new();
    }
    let loaded = snapshot::items(runtime.sys_modules.bind(py)).into_iter();
    let restart = |(name, module): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let namespace = module.cast_exact::<PyModule>().ok()?.dict();
        let spec = namespace.get_item(intern!(py, "__spec__")).ok().flatten()?;
        let origin = spec.getattr_opt(intern!(py, "origin")).ok().flatten()?;
        let origin = origin.extract::<PathBuf>().ok()?;
        let change = data.iter().find(|change| change.path == origin)?;
        let loader = spec.getattr_opt(intern!(py, "loader")).ok().flatten()?;
        let loader = loader.get_type().fully_qualified_name().ok()?;
        Some(Restart {
            name: name.to_string(),
            code: RestartCode::ForeignLoader,
            what: format!("{name} changed and was loaded by {loader}: restart the server"),
            path: Some(change.path.clone()),
        })
    };
    loaded.filter_map(restart).collect()
}

/// The snapshot in which changes that wait for a restart keep their old content.
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
