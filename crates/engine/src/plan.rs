//! Which modules does an update run, in which order, and why is each of them in it?
//!
//! A pure function of graph, changes and facts; it runs nothing. It starts at the seeds and goes to
//! a fixed point over the edges that lead to each module it takes in, so its cost follows the plan
//! and not the application (P12). Policies end it: nothing beyond a boundary runs. How a step is
//! run, and how a plan is widened when a step fails, is for the binding; the order is that of
//! `order`.

use crate::{
    EdgeKind, EngineError, Graph, ModuleName, Reason, Restart, RestartCode, Step, Target,
    order::order,
};
use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    fmt,
    str::FromStr,
};

/// What becomes of a module's old namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// New code runs in a copy of it.
    #[default]
    Overlay,
    /// New code runs in an empty one.
    Fresh,
    /// It stays, and its functions and classes take the new code. A boundary.
    Patch,
    /// It stays as it is; a change needs a restart. A boundary.
    Never,
}

impl FromStr for Policy {
    type Err = EngineError;

    fn from_str(given: &str) -> Result<Policy, EngineError> {
        match given {
            "overlay" => Ok(Policy::Overlay),
            "fresh" => Ok(Policy::Fresh),
            "patch" => Ok(Policy::Patch),
            "never" => Ok(Policy::Never),
            _ => Err(EngineError::UnknownPolicy { given: given.to_owned() }),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Policy::Overlay => "overlay",
            Policy::Fresh => "fresh",
            Policy::Patch => "patch",
            Policy::Never => "never",
        })
    }
}

/// What the planner asks of the current generation.
pub trait Facts {
    /// Has the current generation an instance of it?
    fn is_loaded(&self, name: &ModuleName) -> bool;
    /// The policy that its new source asks for.
    fn policy(&self, name: &ModuleName) -> Policy;
    /// Does the namespace of `holder` hold something of `of`, which only a function of it imported?
    fn keeps(&self, holder: &ModuleName, of: &ModuleName) -> bool;
    /// A number that says when it began to run for the first time, so that modules begin to run in
    /// the order in which they began then. By name, where it says nothing.
    fn rank(&self, name: &ModuleName) -> u64 {
        let _ = name;
        0
    }
}

/// What an update will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The modules to run, imports before importers.
    pub steps: Vec<Step>,
    /// Places in `steps`, in the order in which they are to be begun: beginning one may run others,
    /// by its import statements.
    pub turns: Vec<usize>,
    /// Changes that only a restart can apply.
    pub restart: Vec<Restart>,
}

/// What has to run because of `seeds`.
///
/// Only a loaded module runs: a seed that is not loaded (a new file, or one that nobody has
/// imported) and a seed that was deleted are no steps, but those who import them are.
pub fn plan(graph: &Graph, seeds: &[(ModuleName, Reason)], facts: &dyn Facts) -> Plan {
    let mut growth = Growth { graph, facts, reasons: HashMap::new(), todo: VecDeque::new() };
    let mut restart: Vec<Restart> = Vec::new();
    for (name, reason) in seeds {
        if facts.is_loaded(name) && facts.policy(name) == Policy::Never {
            if !restart.iter().any(|known| known.name == name.as_str()) {
                restart.push(never(name, reason));
            }
        } else {
            growth.admit(name, reason.clone());
        }
    }
    growth.run();
    let runs = |(name, reason): (&ModuleName, &Reason)| {
        (facts.is_loaded(name) && *reason != Reason::Deleted).then(|| name.clone())
    };
    let names: Vec<ModuleName> = growth.reasons.iter().filter_map(runs).collect();
    let ordered = order(graph, names, |name| facts.rank(name));
    let step = |name: ModuleName| Step { reason: growth.reasons[&name].clone(), name };
    restart.sort_by(|a, b| a.name.cmp(&b.name));
    Plan { steps: ordered.names.into_iter().map(step).collect(), turns: ordered.turns, restart }
}

fn never(name: &ModuleName, reason: &Reason) -> Restart {
    let what = format!("{name} {reason} and its policy is \"never\": restart the server");
    Restart { name: name.to_string(), code: RestartCode::NeverPolicy, what, path: None }
}

/// A plan that is growing.
struct Growth<'a> {
    /// Who imports whom.
    graph: &'a Graph,
    /// What the current generation says.
    facts: &'a dyn Facts,
    /// Every seed and every module that runs, with the reason found first.
    reasons: HashMap<ModuleName, Reason>,
    /// Those whose edges have not been followed yet, first in first out.
    todo: VecDeque<ModuleName>,
}

impl Growth<'_> {
    /// Takes a module in, unless it is in.
    fn admit(&mut self, name: &ModuleName, reason: Reason) {
        if let Entry::Vacant(entry) = self.reasons.entry(name.clone()) {
            entry.insert(reason);
            self.todo.push_back(name.clone());
        }
    }

    /// Takes a module in that follows from another, if it can run at all. Of two reasons the plainer
    /// one stays.
    fn follow(&mut self, name: &ModuleName, reason: impl FnOnce() -> Reason) {
        if let Some(known) = self.reasons.get_mut(name) {
            let other = reason();
            if other.rank() < known.rank() {
                *known = other;
            }
        } else if self.facts.is_loaded(name) && self.facts.policy(name) != Policy::Never {
            self.admit(name, reason());
        }
    }

    fn run(&mut self) {
        while let Some(name) = self.todo.pop_front() {
            let graph = self.graph;
            let patched = self.facts.is_loaded(&name) && self.facts.policy(&name) == Policy::Patch;
            let gone = self.reasons[&name] == Reason::Deleted;
            // A module that keeps its identity while its code runs is a boundary; a deleted one
            // keeps nothing.
            let boundary = patched && !gone;
            let created = self.reasons[&name] == Reason::Created;
            let failed = self.reasons[&name] == Reason::Changed && !self.facts.is_loaded(&name);
            for (from, kind) in graph.importers(&name) {
                let of = || name.clone();
                match kind {
                    EdgeKind::ModuleLevel if !boundary => {
                        self.follow(from, || Reason::Imports(of()));
                    }
                    EdgeKind::Deferred
                        if !boundary
                            && !self.reasons.contains_key(from)
                            && self.facts.keeps(from, &name) =>
                    {
                        self.follow(from, || Reason::Keeps(of()));
                    }
                    EdgeKind::NotFound if created => self.follow(from, || Reason::Missed(of())),
                    EdgeKind::NotFound if failed => self.follow(from, || Reason::WentWithout(of())),
                    EdgeKind::Affects => self.follow(from, || Reason::Affects(of())),
                    _ => {}
                }
            }
            for edge in graph.out(&name) {
                if let (EdgeKind::Affects, Target::Module(to)) = (edge.kind, &edge.to) {
                    self.follow(to, || Reason::AffectedBy(name.clone()));
                }
            }
        }
    }
}
