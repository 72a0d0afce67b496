//! An application of which updates are planned, as `update_plan.rs` describes it.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
};
use transfuse_engine::{
    DependencyGraph, Edge, EdgeKind, Kept, ModuleFacts, ModuleName, Plan, Policy, Reason, Target,
    plan,
};

pub fn name(text: &str) -> ModuleName {
    ModuleName::new(text).unwrap()
}

/// An application: its loaded modules, edges and policies. Counts the planner's queries.
#[derive(Default)]
pub struct App {
    pub graph: DependencyGraph,
    pub loaded: HashSet<ModuleName>,
    policies: HashMap<ModuleName, Policy>,
    kept: HashSet<(ModuleName, ModuleName)>,
    /// A user and what a function of it imports -> where it may have put an object of that.
    put: HashMap<(ModuleName, ModuleName), Vec<ModuleName>>,
    /// A user and what a function of it imports -> where it may have put a plain value.
    values: HashMap<(ModuleName, ModuleName), Vec<ModuleName>>,
    /// Users and the submodules that they reach through a package.
    reached: HashSet<(ModuleName, ModuleName)>,
    /// Modules and those of their listed base classes.
    listed: HashSet<(ModuleName, ModuleName)>,
    ranks: HashMap<ModuleName, u64>,
    pub asked: Cell<usize>,
}

impl App {
    /// `"web imports conf, plugin affects registry"`, all of them loaded.
    pub fn new(edges: &str) -> App {
        let mut app = App::default();
        for edge in edges.split(", ").filter(|edge| !edge.is_empty()) {
            let words: Vec<_> = edge.split(' ').collect();
            let kind = match words[1] {
                "imports" => EdgeKind::ModuleLevel,
                "leads-through" => EdgeKind::Through,
                "defers" => EdgeKind::Deferred,
                "annotates" => EdgeKind::Annotation,
                "misses" => EdgeKind::NotFound,
                "affects" => EdgeKind::Affects,
                other => panic!("{other}"),
            };
            app.graph.add(&name(words[0]), Edge { to: Target::Module(name(words[2])), kind });
            app.loaded.insert(name(words[0]));
            if kind != EdgeKind::NotFound {
                app.loaded.insert(name(words[2]));
            }
        }
        app
    }

    pub fn policy(mut self, module: &str, policy: Policy) -> App {
        self.policies.insert(name(module), policy);
        self
    }

    pub fn keeping(mut self, holder: &str, of: &str) -> App {
        self.kept.insert((name(holder), name(of)));
        self
    }

    pub fn putting(mut self, user: &str, of: &str, into: &str) -> App {
        self.put.insert((name(user), name(of)), vec![name(into)]);
        self
    }

    pub fn putting_values(mut self, user: &str, of: &str, into: &[&str]) -> App {
        let into = into.iter().map(|module| name(module)).collect();
        self.values.insert((name(user), name(of)), into);
        self
    }

    pub fn reaching(mut self, user: &str, submodule: &str) -> App {
        self.reached.insert((name(user), name(submodule)));
        self.loaded.insert(name(submodule));
        self
    }

    pub fn listing(mut self, module: &str, base: &str) -> App {
        self.listed.insert((name(module), name(base)));
        self
    }

    pub fn unloaded(mut self, module: &str) -> App {
        self.loaded.remove(&name(module));
        self
    }

    pub fn ranked(mut self, order: &[&str]) -> App {
        self.ranks = order.iter().zip(1..).map(|(module, at)| (name(module), at)).collect();
        self
    }

    pub fn plan(&self, seeds: &[(&str, Reason)]) -> Plan {
        let seeds: Vec<_> = seeds.iter().map(|(seed, why)| (name(seed), why.clone())).collect();
        plan(&self.graph, &seeds, self)
    }

    pub fn changed(&self, module: &str) -> Vec<String> {
        reasons(&self.plan(&[(module, Reason::Changed)]))
    }
}

impl ModuleFacts for App {
    fn is_loaded(&self, name: &ModuleName) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.loaded.contains(name)
    }
    fn policy(&self, name: &ModuleName) -> Policy {
        self.asked.set(self.asked.get() + 1);
        self.policies.get(name).copied().unwrap_or_default()
    }
    fn keepers(&self, holders: &[ModuleName], of: &[ModuleName]) -> Vec<(ModuleName, ModuleName)> {
        self.asked.set(self.asked.get() + holders.len());
        let pairs =
            holders.iter().flat_map(|holder| of.iter().map(move |of| (holder.clone(), of.clone())));
        pairs.filter(|(holder, of)| self.kept.contains(&(holder.clone(), of.clone()))).collect()
    }
    fn kept_values(&self, user: &ModuleName, of: &ModuleName, _: bool) -> Kept {
        let modules = self.values.get(&(user.clone(), of.clone())).cloned().unwrap_or_default();
        Kept { modules, returning: 0 }
    }
    fn put_into(&self, user: &ModuleName, of: &ModuleName) -> Vec<ModuleName> {
        self.put.get(&(user.clone(), of.clone())).cloned().unwrap_or_default()
    }
    fn reaches(
        &self,
        user: &ModuleName,
        _: &ModuleName,
        _: EdgeKind,
        submodule: &ModuleName,
    ) -> bool {
        self.reached.contains(&(user.clone(), submodule.clone()))
    }
    fn listed_bases(&self, name: &ModuleName) -> Vec<ModuleName> {
        let bases = self.listed.iter().filter(|(module, _)| module == name);
        bases.map(|(_, base)| base.clone()).collect()
    }
    fn rank(&self, name: &ModuleName) -> u64 {
        self.ranks.get(name).copied().unwrap_or(0)
    }
}

pub fn reasons(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{} {}", step.name, step.reason)).collect()
}
