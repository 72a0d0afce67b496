//! Which modules does an update run, in which order, and why?
//!
//! A pure function of graph, changes and facts; it runs nothing. It starts at the seeds and follows
//! the edges that lead to each admitted module to a fixed point, so its cost depends on the plan
//! and not on the application (P12). Policies stop it: nothing beyond a boundary runs. The binding
//! runs the steps, and widens a plan when a step fails; `order` sorts them.

use super::{DependencyGraph, EdgeKind, Reason, Restart, RestartCode, Step, Target, order::order};
use crate::base::{EngineError, ModuleName};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque, hash_map::Entry};
use std::str::FromStr;

/// What happens to a module's old namespace.
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

/// The values that functions of a module may have kept of one that they imported or called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The modules whose state may hold it: often, but not always, the importing one.
    pub modules: Vec<ModuleName>,
    /// How many functions of the importing module are known to return plain values of what they
    /// import. It only grows.
    pub returning: usize,
}

/// The facts about the current generation that the planner needs.
pub trait ModuleFacts {
    /// Does the current generation have an instance of it?
    fn is_loaded(&self, name: &ModuleName) -> bool;
    /// The policy in its new source.
    fn policy(&self, name: &ModuleName) -> Policy;
    /// Which of `holders` hold an object of which of `of`? Asked about what only functions imported.
    fn keepers(&self, holders: &[ModuleName], of: &[ModuleName]) -> Vec<(ModuleName, ModuleName)>;
    /// Where may a function of `by` that imported `of` have kept a plain value of it, which no walk
    /// over objects finds? Or, `through` the functions of `of`, a value that these returned?
    fn kept_values(&self, by: &ModuleName, of: &ModuleName, through: bool) -> Kept {
        let _ = (by, of, through);
        Kept::default()
    }
    /// The modules other than `user` that a function of it which imported `of` may have put something
    /// of that into.
    fn put_into(&self, user: &ModuleName, of: &ModuleName) -> Vec<ModuleName> {
        let _ = (user, of);
        Vec::new()
    }
    /// Does the code of `user`, whose edge to `package` is of this kind, take the submodule `of` as
    /// an attribute? If it is the package itself: as a global name?
    fn reaches(
        &self,
        user: &ModuleName,
        package: &ModuleName,
        kind: EdgeKind,
        of: &ModuleName,
    ) -> bool {
        let _ = (user, package, kind, of);
        false
    }
    /// Does the code of `user` look at all names of a package that it imports, as `vars` gives them?
    fn looks_into(&self, user: &ModuleName, package: &ModuleName) -> bool {
        let _ = (user, package);
        false
    }
    /// The modules of base classes of `name`'s classes whose subclasses are listed somewhere.
    fn listed_bases(&self, name: &ModuleName) -> Vec<ModuleName> {
        let _ = name;
        Vec::new()
    }
    /// A number that says when it first started, so that modules start in the same order again. By
    /// default, the names decide.
    fn rank(&self, name: &ModuleName) -> u64 {
        let _ = name;
        0
    }
}

/// The steps of an update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The modules to run, imports before importers.
    pub steps: Vec<Step>,
    /// Indexes into `steps`, in the order in which the modules start: starting one may run others,
    /// by its import statements.
    pub start_order: Vec<usize>,
    /// Changes that only a restart can apply.
    pub restart: Vec<Restart>,
    /// What the steps cannot make right, `("shop.use", "keeps in builtins ...")`: a module, and the
    /// words for people.
    pub notes: Vec<(String, String)>,
}

/// Computes the modules that have to run because of `seeds`.
///
/// Only a loaded module runs: a seed that is not loaded (a new file, or one that was never
/// imported) and a deleted seed are no steps, but their importers are.
pub fn plan(
    graph: &DependencyGraph,
    seeds: &[(ModuleName, Reason)],
    facts: &dyn ModuleFacts,
) -> Plan {
    let mut closure = Closure {
        graph,
        facts,
        reasons: HashMap::new(),
        todo: VecDeque::new(),
        deferred: BTreeMap::new(),
    };
    let mut restart: Vec<Restart> = Vec::new();
    for (name, reason) in seeds {
        if facts.is_loaded(name) && facts.policy(name) == Policy::Never {
            if !restart.iter().any(|known| known.name == name.as_str()) {
                restart.push(never(name, reason));
            }
        } else {
            closure.admit(name, reason.clone());
        }
    }
    closure.run();
    let runs = |(name, reason): (&ModuleName, &Reason)| {
        (facts.is_loaded(name) && *reason != Reason::Deleted).then(|| name.clone())
    };
    let names: Vec<ModuleName> = closure.reasons.iter().filter_map(runs).collect();
    let ordered = order(graph, names, |name| facts.rank(name));
    let step = |name: ModuleName| Step { reason: closure.reasons[&name].clone(), name };
    restart.sort_by(|a, b| a.name.cmp(&b.name));
    Plan {
        steps: ordered.names.into_iter().map(step).collect(),
        start_order: ordered.start_order,
        restart,
        notes: Vec::new(),
    }
}

fn never(name: &ModuleName, reason: &Reason) -> Restart {
    let what = format!("{name} {reason} and its policy is \"never\": restart the server");
    Restart { name: name.to_string(), code: RestartCode::NeverPolicy, what, path: None }
}

/// The closure of the seeds under "has to run too", while it grows.
struct Closure<'a> {
    graph: &'a DependencyGraph,
    facts: &'a dyn ModuleFacts,
    /// Every seed and every module that runs, with the reason found first.
    reasons: HashMap<ModuleName, Reason>,
    /// Modules whose edges have not been followed yet, first in first out.
    todo: VecDeque<ModuleName>,
    /// Modules that a function imported -> the modules of these functions.
    deferred: BTreeMap<ModuleName, Vec<ModuleName>>,
}

impl Closure<'_> {
    /// Adds a module, unless it is there.
    fn admit(&mut self, name: &ModuleName, reason: Reason) {
        if let Entry::Vacant(entry) = self.reasons.entry(name.clone()) {
            entry.insert(reason);
            self.todo.push_back(name.clone());
        }
    }

    /// Adds a module that follows from another, if it can run at all. Of two reasons the simpler
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

    /// Adds the modules that reach a submodule through one of its packages.
    fn follow_attributes(&mut self, name: &ModuleName) {
        let graph = self.graph;
        for package in std::iter::successors(name.parent(), ModuleName::parent) {
            // Functions of the package use it as a global name.
            if self.facts.reaches(&package, &package, EdgeKind::ModuleLevel, name) {
                self.follow(&package, || Reason::Imports(name.clone()));
            }
            for (from, kind) in graph.importers(&package) {
                if self.facts.looks_into(from, &package) {
                    self.follow(&package, || Reason::AffectedBy(name.clone()));
                }
                if self.reasons.contains_key(from)
                    || !self.facts.reaches(from, &package, kind, name)
                {
                    continue;
                }
                match kind {
                    kind if kind.is_import() => {
                        self.follow(from, || Reason::Imports(name.clone()));
                    }
                    EdgeKind::Deferred => {
                        self.deferred.entry(name.clone()).or_default().push(from.clone());
                    }
                    _ => {}
                }
            }
        }
    }

    /// Follows all edges. The search for kept values costs most, so the modules that run in any case come
    /// first.
    fn run(&mut self) {
        loop {
            self.follow_edges();
            if !self.follow_kept_values() && !self.follow_keepers() {
                return;
            }
        }
    }

    fn follow_edges(&mut self) {
        while let Some(name) = self.todo.pop_front() {
            let graph = self.graph;
            let patched = self.facts.is_loaded(&name) && self.facts.policy(&name) == Policy::Patch;
            let gone = self.reasons[&name] == Reason::Deleted;
            // A module that keeps its identity while its code runs is a boundary; a deleted one has
            // no identity to keep.
            let boundary = patched && !gone;
            let own = self.reasons[&name].is_own();
            let created = self.reasons[&name] == Reason::Created;
            let failed = self.reasons[&name] == Reason::Changed && !self.facts.is_loaded(&name);
            for (from, kind) in graph.importers(&name) {
                let of = || name.clone();
                match kind {
                    EdgeKind::ModuleLevel | EdgeKind::Annotation if !boundary => {
                        self.follow(from, || Reason::Imports(of()));
                    }
                    EdgeKind::Through if own && !boundary => {
                        self.follow(from, || Reason::Imports(of()));
                    }
                    EdgeKind::Deferred if !boundary => {
                        self.deferred.entry(of()).or_default().push(from.clone());
                    }
                    EdgeKind::NotFound if created => self.follow(from, || Reason::Missed(of())),
                    EdgeKind::NotFound if failed => {
                        self.follow(from, || Reason::FallbackTaken(of()))
                    }
                    EdgeKind::Affects => self.follow(from, || Reason::Affects(of())),
                    _ => {}
                }
            }
            if !boundary {
                self.follow_attributes(&name);
            }
            for base in self.facts.listed_bases(&name) {
                self.follow(&base, || Reason::AffectedBy(name.clone()));
            }
            for edge in graph.edges_of(&name) {
                if let (EdgeKind::Affects, Target::Module(to)) = (edge.kind, &edge.to) {
                    self.follow(to, || Reason::AffectedBy(name.clone()));
                }
            }
        }
    }

    /// Adds the modules whose state may hold a plain value that a function imported; false if there are
    /// none. A function may return the value to one of another module, which keeps it.
    /// After each addition the loop begins again, because its importers need not be asked.
    fn follow_kept_values(&mut self) -> bool {
        let pair = |of: &ModuleName, by: &ModuleName| (by.clone(), of.clone(), false);
        let of_each = self.deferred.iter();
        let mut todo: VecDeque<_> =
            of_each.flat_map(|(of, from)| from.iter().map(|by| pair(of, by))).collect();
        let mut returning: HashMap<ModuleName, usize> = HashMap::new();
        while let Some((by, of, through)) = todo.pop_front() {
            if !self.facts.is_loaded(&by) || (through && self.reasons.contains_key(&by)) {
                continue;
            }
            let kept = self.facts.kept_values(&by, &of, through);
            let before = self.reasons.len();
            for module in kept.modules {
                self.follow(&module, || Reason::Retains(of.clone()));
            }
            if self.reasons.len() > before {
                return true;
            }
            let known = returning.entry(by.clone()).or_default();
            if kept.returning > *known && !self.reasons.contains_key(&by) {
                *known = kept.returning;
                for (from, kind) in self.graph.importers(&by) {
                    if kind.is_import() || kind == EdgeKind::Deferred {
                        todo.push_back((from.clone(), by.clone(), true));
                    }
                }
            }
        }
        false
    }

    /// Is it a module that would not run yet, and may?
    fn could_run(&self, name: &ModuleName) -> bool {
        !self.reasons.contains_key(name)
            && self.facts.is_loaded(name)
            && self.facts.policy(name) != Policy::Never
    }

    /// Adds the modules that keep an object which a function imported and returned; false if there are
    /// none. Callers of the function import its module; other modules are asked only if the function
    /// puts objects there. The object may come from any module that the imported one imports.
    fn follow_keepers(&mut self) -> bool {
        let chances: Vec<(BTreeSet<ModuleName>, BTreeSet<&ModuleName>)> = self
            .deferred
            .iter()
            .map(|(of, from)| (self.holders(from, of), self.imported_by(of)))
            .filter(|(holders, _)| !holders.is_empty())
            .collect();
        let holders: BTreeSet<&ModuleName> = chances.iter().flat_map(|(all, _)| all).collect();
        let of: BTreeSet<&ModuleName> = chances.iter().flat_map(|(_, of)| of).copied().collect();
        let of: Vec<ModuleName> = of.into_iter().cloned().collect();
        let mut holders: Vec<ModuleName> = holders.into_iter().cloned().collect();
        holders.sort_by_key(|holder| self.facts.rank(holder));
        let mut kept = self.facts.keepers(&holders, &of);
        kept.retain(|(holder, of)| {
            chances.iter().any(|(holders, made)| holders.contains(holder) && made.contains(of))
        });
        for (holder, of) in &kept {
            self.follow(holder, || Reason::Retains(of.clone()));
        }
        !kept.is_empty()
    }

    /// The modules that will run and that a module imports, directly or not, with itself.
    fn imported_by<'b>(&'b self, name: &'b ModuleName) -> BTreeSet<&'b ModuleName> {
        let mut met = BTreeSet::from([name]);
        let mut todo = vec![name];
        while let Some(name) = todo.pop() {
            for edge in self.graph.edges_of(name) {
                if let (true, Target::Module(to)) = (edge.kind.is_import(), &edge.to)
                    && self.reasons.contains_key(to)
                    && met.insert(to)
                {
                    todo.push(to);
                }
            }
        }
        met
    }

    /// The modules that could run and would not yet, among those that import these, directly or not,
    /// these themselves, those whose state these change, as by registering a function that they call, and
    /// those that functions may have put something of `of` into.
    fn holders(&self, from: &[ModuleName], of: &ModuleName) -> BTreeSet<ModuleName> {
        let mut met: BTreeSet<&ModuleName> = from.iter().collect();
        let mut todo: Vec<&ModuleName> = met.iter().copied().collect();
        while let Some(name) = todo.pop() {
            for (from, kind) in self.graph.importers(name) {
                let imports = kind.is_import() || kind == EdgeKind::Deferred;
                if imports && met.insert(from) {
                    todo.push(from);
                }
            }
        }
        let edges = from.iter().flat_map(|by| self.graph.edges_of(by));
        met.extend(edges.filter_map(|edge| match (edge.kind, &edge.to) {
            (EdgeKind::Affects, Target::Module(to)) => Some(to),
            _ => None,
        }));
        let put = from.iter().flat_map(|by| self.facts.put_into(by, of));
        let all = met.into_iter().cloned().chain(put);
        all.filter(|name| self.could_run(name)).collect()
    }
}
