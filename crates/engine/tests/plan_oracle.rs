//! The planner against a slow one, which follows all edges repeatedly until nothing is added; order
//! by petgraph.

use petgraph::{algo::tarjan_scc, graphmap::DiGraphMap};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use transfuse_engine::{
    DependencyGraph, Edge, EdgeKind, ModuleFacts, ModuleName, Policy, Reason, Target, plan,
};

const COUNT: u8 = 10;

#[derive(Clone, Debug)]
struct App {
    edges: Vec<(u8, EdgeKind, u8)>,
    loaded: Vec<bool>,
    policies: Vec<Policy>,
    /// Deferred edges whose source kept an object, by source and target.
    kept: BTreeSet<(u8, u8)>,
    ranks: Vec<u64>,
    seeds: BTreeMap<u8, Reason>,
}

fn name(at: u8) -> ModuleName {
    ModuleName::new(&format!("m{at}")).unwrap()
}

fn at(name: &str) -> u8 {
    name[1..].parse().unwrap()
}

impl ModuleFacts for App {
    fn is_loaded(&self, name: &ModuleName) -> bool {
        self.loaded[at(name.as_str()) as usize]
    }
    fn policy(&self, name: &ModuleName) -> Policy {
        self.policies[at(name.as_str()) as usize]
    }
    fn keepers(&self, holders: &[ModuleName], of: &[ModuleName]) -> Vec<(ModuleName, ModuleName)> {
        let pairs =
            holders.iter().flat_map(|holder| of.iter().map(move |of| (holder.clone(), of.clone())));
        pairs
            .filter(|(holder, of)| self.kept.contains(&(at(holder.as_str()), at(of.as_str()))))
            .collect()
    }
    fn rank(&self, name: &ModuleName) -> u64 {
        self.ranks[at(name.as_str()) as usize]
    }
}

fn apps() -> impl Strategy<Value = App> {
    let kind = prop_oneof![
        6 => Just(EdgeKind::ModuleLevel),
        2 => Just(EdgeKind::Through),
        3 => Just(EdgeKind::Deferred),
        1 => Just(EdgeKind::Annotation),
        1 => Just(EdgeKind::NotFound),
        2 => Just(EdgeKind::Affects),
    ];
    let policy = prop_oneof![
        8 => Just(Policy::Overlay),
        1 => Just(Policy::Fresh),
        1 => Just(Policy::Patch),
        1 => Just(Policy::Never),
    ];
    let seed = prop_oneof![
        3 => Just(Reason::Changed),
        1 => Just(Reason::Created),
        1 => Just(Reason::Deleted),
    ];
    let count = COUNT as usize;
    (
        prop::collection::vec((0..COUNT, kind, 0..COUNT), 0..30),
        prop::collection::vec(prop::bool::weighted(0.85), count),
        prop::collection::vec(policy, count),
        prop::collection::btree_set((0..COUNT, 0..COUNT), 0..50),
        prop::collection::vec(0..8u64, count),
        prop::collection::btree_map(0..COUNT, seed, 0..4),
    )
        .prop_map(|(edges, loaded, policies, kept, ranks, seeds)| App {
            edges,
            loaded,
            policies,
            kept,
            ranks,
            seeds,
        })
}

impl App {
    fn graph(&self) -> DependencyGraph {
        let mut graph = DependencyGraph::default();
        for (from, kind, to) in &self.edges {
            graph.add(&name(*from), Edge { to: Target::Module(name(*to)), kind: *kind });
        }
        graph
    }

    fn seeds(&self) -> Vec<(ModuleName, Reason)> {
        self.seeds.iter().map(|(seed, why)| (name(*seed), why.clone())).collect()
    }

    fn is_never(&self, module: u8) -> bool {
        self.loaded[module as usize] && self.policies[module as usize] == Policy::Never
    }

    /// The modules that may call the functions of one, directly or not: those that import it, and those
    /// in whose state it registers something; with itself.
    fn callers(&self, of: u8) -> BTreeSet<u8> {
        let mut callers = BTreeSet::from([of]);
        loop {
            let before = callers.len();
            for (from, kind, to) in &self.edges {
                let imports = kind.is_import() || *kind == EdgeKind::Deferred;
                if imports && callers.contains(to) {
                    callers.insert(*from);
                }
            }
            if callers.len() == before {
                let affected =
                    self.edges.iter().filter(|edge| (edge.0, edge.1) == (of, EdgeKind::Affects));
                callers.extend(affected.map(|edge| edge.2));
                return callers;
            }
        }
    }

    /// Those of `within` that a module imports, directly or not, with itself.
    fn imported_by(&self, name: u8, within: &BTreeSet<u8>) -> BTreeSet<u8> {
        let mut imported = BTreeSet::from([name]);
        loop {
            let before = imported.len();
            for (from, kind, to) in &self.edges {
                if kind.is_import() && imported.contains(from) && within.contains(to) {
                    imported.insert(*to);
                }
            }
            if imported.len() == before {
                return imported;
            }
        }
    }

    /// All admitted modules, seeds that do not run included.
    fn taken(&self) -> BTreeSet<u8> {
        let mut taken: BTreeSet<u8> =
            self.seeds.keys().copied().filter(|seed| !self.is_never(*seed)).collect();
        loop {
            let before = taken.len();
            for (from, kind, to) in &self.edges {
                let seed = self.seeds.get(to);
                let patched = self.loaded[*to as usize]
                    && self.policies[*to as usize] == Policy::Patch
                    && seed != Some(&Reason::Deleted);
                let follows = taken.contains(to)
                    && match kind {
                        EdgeKind::ModuleLevel | EdgeKind::Annotation => !patched,
                        EdgeKind::Through => seed.is_some() && !patched,
                        // By whatever may have called the function.
                        EdgeKind::Deferred => {
                            if taken.contains(to) && !patched {
                                let callers = self.callers(*from).into_iter();
                                let of = self.imported_by(*to, &taken);
                                let keeps = |holder: &u8| {
                                    of.iter().any(|of| self.kept.contains(&(*holder, *of)))
                                };
                                let may_run =
                                    |at: &u8| self.loaded[*at as usize] && !self.is_never(*at);
                                taken.extend(callers.filter(keeps).filter(may_run));
                            }
                            false
                        }
                        EdgeKind::NotFound => match seed {
                            Some(Reason::Created) => true,
                            Some(Reason::Changed) => !self.loaded[*to as usize],
                            _ => false,
                        },
                        EdgeKind::Affects => true,
                        EdgeKind::Data | EdgeKind::Lazy => false,
                    };
                let may_run = |module: u8| self.loaded[module as usize] && !self.is_never(module);
                if follows && may_run(*from) {
                    taken.insert(*from);
                }
                if *kind == EdgeKind::Affects && taken.contains(from) && may_run(*to) {
                    taken.insert(*to);
                }
            }
            if taken.len() == before {
                return taken;
            }
        }
    }

    fn runs(&self) -> BTreeSet<u8> {
        let deleted = |module: &u8| self.seeds.get(module) == Some(&Reason::Deleted);
        let runs = |module: &u8| self.loaded[*module as usize] && !deleted(module);
        self.taken().into_iter().filter(runs).collect()
    }
}

/// How many graphs: as many as `PROPTEST_CASES` says, else 2,000.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn p12_the_plan_is_the_least_fixed_point(app in apps()) {
        let seeds = app.seeds();
        let plan = plan(&app.graph(), &seeds, &app);
        let found: BTreeSet<u8> = plan.steps.iter().map(|step| at(step.name.as_str())).collect();
        prop_assert_eq!(plan.steps.len(), found.len(), "a module runs once");
        prop_assert_eq!(app.runs(), found);
        let never: BTreeSet<u8> = plan.restart.iter().map(|restart| at(&restart.name)).collect();
        let expected: BTreeSet<u8> =
            app.seeds.keys().copied().filter(|seed| app.is_never(*seed)).collect();
        prop_assert_eq!(expected, never);
    }

    #[test]
    fn p5_imports_run_before_importers_and_circles_together(app in apps()) {
        let seeds = app.seeds();
        let steps: Vec<u8> =
            plan(&app.graph(), &seeds, &app).steps.iter().map(|step| at(step.name.as_str())).collect();
        let place: BTreeMap<u8, usize> = steps.iter().copied().zip(0..).collect();
        let mut before = DiGraphMap::<u8, ()>::new();
        for module in &steps {
            before.add_node(*module);
        }
        for (from, kind, to) in &app.edges {
            let counts = matches!(kind, EdgeKind::ModuleLevel | EdgeKind::Through | EdgeKind::Affects);
            if counts && place.contains_key(from) && place.contains_key(to) {
                before.add_edge(*from, *to, ());
            }
        }
        let circles = tarjan_scc(&before);
        let circle = |module: u8| circles.iter().position(|circle| circle.contains(&module));
        for (from, to, ()) in before.all_edges() {
            if circle(from) != circle(to) {
                prop_assert!(place[&to] < place[&from], "m{to} before m{from} in {steps:?}");
            }
        }
        for circle in &circles {
            let mut places: Vec<usize> = circle.iter().map(|module| place[module]).collect();
            places.sort_unstable();
            let span = places[places.len() - 1] - places[0] + 1;
            prop_assert_eq!(circle.len(), span, "{:?} is torn apart in {:?}", circle, steps);
            let moments: Vec<u64> =
                places.iter().map(|place| app.ranks[steps[*place] as usize]).collect();
            prop_assert!(moments.is_sorted(), "{circle:?} is entered at another place");
        }
    }

    #[test]
    fn the_plan_depends_on_nothing_else(app in apps()) {
        let seeds = app.seeds();
        let mut turned = app.clone();
        turned.edges.reverse();
        prop_assert_eq!(plan(&app.graph(), &seeds, &app), plan(&turned.graph(), &seeds, &turned));
    }
}
