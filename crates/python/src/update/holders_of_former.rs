//! Which modules stay as they are, and keep what they took of modules that run again?
//!
//! A registry refuses them a second time, or a framework keeps what they made for the life of the process.
//! So former code stays in use until a restart, and each plan says so.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use pyo3::{intern, prelude::*};
use transfuse_engine::{EdgeKind, ModuleName, Plan, Policy, Restart, RestartCode, Target};

use crate::cpython::log;
use crate::state::{policy::effective_policy, runtime::Runtime};

/// Adds to the changes of a plan that need a restart what these modules keep. `held`: the modules that cannot run twice,
/// each with the reason.
pub fn add_restarts(
    py: Python<'_>,
    runtime: &Runtime,
    plan: &mut Plan,
    held: &HashMap<ModuleName, String>,
) {
    for (name, of) in kept(py, runtime, plan, held) {
        let why = match ModuleName::new(&name).ok().and_then(|name| held.get(&name)) {
            Some(why) => format!(", and cannot run twice ({why})"),
            None => " when it was loaded: Django cannot load it twice".to_owned(),
        };
        let of = Vec::from_iter(of).join(", ");
        let what = format!("{name} keeps what it took of {of}{why}; restart the server");
        match plan.restart.iter_mut().find(|entry| entry.name == name) {
            // Its own file has changed too; the entry must name the other modules as well.
            Some(entry) => entry.what = format!("{}; {what}", entry.what),
            None => {
                let code = RestartCode::NeverPolicy;
                plan.restart.push(Restart { name, code, what, path: None });
            }
        }
    }
}

/// Module -> those that run again, or have run again, of which it keeps something.
fn kept(
    py: Python<'_>,
    runtime: &Runtime,
    plan: &Plan,
    held: &HashMap<ModuleName, String>,
) -> BTreeMap<String, BTreeSet<String>> {
    let again = RunAgain::of(py, runtime, plan);
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    let (theirs, given) = kept_by_frameworks(py);
    for name in theirs.iter().filter_map(|name| ModuleName::new(name).ok()) {
        let taken = again.taken_by(&name);
        if !taken.is_empty() && again.has_policy_never(&name) {
            found.insert(name.to_string(), taken);
        }
    }
    found.extend(held.keys().map(|name| (name.to_string(), again.taken_by(name))));
    for (name, of) in given {
        if ModuleName::new(&of).is_ok_and(|of| again.does(&of, None)) {
            found.entry(name).or_default().insert(of);
        }
    }
    found.retain(|_, of| !of.is_empty());
    found
}

/// The modules of which Django keeps something, and pairs of a module of an application's configuration and
/// one of whose code that configuration keeps something.
fn kept_by_frameworks(py: Python<'_>) -> (Vec<String>, Vec<(String, String)>) {
    let kept = || -> PyResult<_> {
        let modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?;
        match modules.call_method1(intern!(py, "get"), ("transfuse.frameworks.django",))? {
            adapter if adapter.is_none() => Ok(Default::default()),
            adapter => adapter.call_method0(intern!(py, "kept"))?.extract(),
        }
    };
    kept().unwrap_or_else(|error| {
        let _ = log::complain(py, "it is unknown what Django keeps of former code", error);
        Default::default()
    })
}

/// The modules that run now, or have run again since they were first loaded.
struct RunAgain<'a, 'py> {
    py: Python<'py>,
    runtime: &'a Runtime,
    steps: HashSet<&'a str>,
}

impl<'a, 'py> RunAgain<'a, 'py> {
    fn of(py: Python<'py>, runtime: &'a Runtime, plan: &'a Plan) -> Self {
        let steps = plan.steps.iter().map(|step| step.name.as_str()).collect();
        RunAgain { py, runtime, steps }
    }

    /// Whether a module does, since `holder` was loaded if there is one.
    fn does(&self, name: &ModuleName, holder: Option<u64>) -> bool {
        let since = || {
            let one = self.runtime.current(self.py).get().find(self.py, name.as_str())?;
            let (started, first) = (one.get().started(), one.get().rank());
            Some(started > first && holder.is_none_or(|holder| started > holder))
        };
        self.steps.contains(name.as_str()) || since().unwrap_or(false)
    }

    /// Those of which a module took something while its code ran.
    fn taken_by(&self, name: &ModuleName) -> BTreeSet<String> {
        let holder = self.runtime.current(self.py).get().find(self.py, name.as_str());
        let Some(holder) = holder.filter(|_| !self.steps.contains(name.as_str())) else {
            return BTreeSet::new();
        };
        let edges = holder.get().edges().into_iter();
        let taken = edges.filter(|edge| edge.kind == EdgeKind::ModuleLevel);
        taken
            .filter_map(|edge| match edge.to {
                Target::Module(of) if self.does(&of, Some(holder.get().started())) => {
                    Some(of.to_string())
                }
                _ => None,
            })
            .collect()
    }

    fn has_policy_never(&self, name: &ModuleName) -> bool {
        let holder = self.runtime.current(self.py).get().find(self.py, name.as_str());
        holder.is_some_and(|holder| {
            effective_policy(self.py, self.runtime, holder.get()) == Policy::Never
        })
    }
}
