//! Edges, both ways.

use petgraph::{graphmap::DiGraphMap, visit::Dfs};
use proptest::prelude::*;
use std::{
    collections::{BTreeSet, HashSet},
    path::Path,
};
use transfuse_engine::{DependencyGraph, Edge, EdgeKind, ModuleName, Target};

fn name(text: &str) -> ModuleName {
    ModuleName::new(text).unwrap()
}

fn edge(to: &str, kind: EdgeKind) -> Edge {
    Edge { to: Target::Module(name(to)), kind }
}

fn importers(graph: &DependencyGraph, to: &str) -> Vec<(String, EdgeKind)> {
    graph.importers(&name(to)).map(|(from, kind)| (from.to_string(), kind)).collect()
}

#[test]
fn an_edge_is_seen_from_both_ends() {
    let mut graph = DependencyGraph::default();
    graph.add(&name("web"), edge("conf", EdgeKind::ModuleLevel));
    graph.add(&name("web"), edge("conf", EdgeKind::Deferred));
    graph.add(&name("jobs"), edge("conf", EdgeKind::Deferred));
    graph.add(
        &name("web"),
        Edge { to: Target::File("/app/rates.csv".into()), kind: EdgeKind::Data },
    );
    assert_eq!(
        vec![
            ("jobs".to_owned(), EdgeKind::Deferred),
            ("web".to_owned(), EdgeKind::ModuleLevel),
            ("web".to_owned(), EdgeKind::Deferred),
        ],
        importers(&graph, "conf")
    );
    assert_eq!(3, graph.edges_of(&name("web")).count());
    let readers: Vec<_> = graph.readers(Path::new("/app/rates.csv")).collect();
    assert_eq!(vec![&name("web")], readers);
}

#[test]
fn a_run_replaces_a_modules_own_edges_only() {
    let mut graph = DependencyGraph::default();
    graph.add(&name("web"), edge("conf", EdgeKind::ModuleLevel));
    graph.add(&name("main"), edge("web", EdgeKind::ModuleLevel));
    graph.set_edges(&name("web"), vec![edge("db", EdgeKind::ModuleLevel)]);
    assert!(importers(&graph, "conf").is_empty());
    assert_eq!(1, importers(&graph, "db").len());
    graph.remove(&name("web"));
    assert_eq!(0, graph.edges_of(&name("web")).count());
    assert_eq!(vec![("main".to_owned(), EdgeKind::ModuleLevel)], importers(&graph, "web"));
}

#[test]
fn p2_a_clone_stays_what_it_was() {
    let mut graph = DependencyGraph::default();
    graph.add(&name("web"), edge("conf", EdgeKind::ModuleLevel));
    let before = graph.clone();
    graph.remove(&name("web"));
    graph.add(&name("jobs"), edge("conf", EdgeKind::ModuleLevel));
    assert_eq!(vec![("web".to_owned(), EdgeKind::ModuleLevel)], importers(&before, "conf"));
    assert_eq!(vec![("jobs".to_owned(), EdgeKind::ModuleLevel)], importers(&graph, "conf"));
}

#[test]
fn p8_a_module_that_comes_and_goes_leaves_nothing() {
    let mut graph = DependencyGraph::default();
    graph.add(&name("web"), edge("conf", EdgeKind::ModuleLevel));
    graph.add(
        &name("web"),
        Edge { to: Target::File("/app/rates.csv".into()), kind: EdgeKind::Data },
    );
    graph.remove(&name("web"));
    assert_eq!(0, graph.modules().count());
    assert_eq!(format!("{:?}", DependencyGraph::default()), format!("{graph:?}"));
}

proptest! {
    #[test]
    fn reachability_equals_that_of_petgraph(
        steps in prop::collection::vec((0..9u8, prop::collection::vec(0..9u8, 0..4)), 0..25),
        start in 0..9u8,
    ) {
        let called = |at: u8| name(&format!("m{at}"));
        let (mut graph, mut oracle) = (DependencyGraph::default(), DiGraphMap::<u8, ()>::new());
        for (from, to) in steps {
            let edges = to.iter().map(|to| Edge { to: Target::Module(called(*to)), kind: EdgeKind::ModuleLevel });
            graph.set_edges(&called(from), edges.collect());
            let old: Vec<_> = oracle.neighbors(from).collect();
            for to in old { oracle.remove_edge(from, to); }
            for to in to { oracle.add_edge(from, to, ()); }
        }
        // Forwards by `edges_of`.
        let (mut seen, mut todo) = (HashSet::from([called(start)]), vec![called(start)]);
        while let Some(at) = todo.pop() {
            for edge in graph.edges_of(&at) {
                let Target::Module(to) = &edge.to else { unreachable!() };
                if seen.insert(to.clone()) { todo.push(to.clone()); }
            }
        }
        let mut expected = BTreeSet::from([called(start).to_string()]);
        if oracle.contains_node(start) {
            let mut dfs = Dfs::new(&oracle, start);
            while let Some(at) = dfs.next(&oracle) { expected.insert(called(at).to_string()); }
        }
        prop_assert_eq!(expected, seen.iter().map(ToString::to_string).collect::<BTreeSet<_>>());
        // Backwards by `importers`: the same edges.
        for to in 0..9u8 {
            let expected: BTreeSet<_> = oracle.all_edges().filter(|edge| edge.1 == to)
                .map(|edge| called(edge.0).to_string()).collect();
            let found: BTreeSet<_> = importers(&graph, called(to).as_str()).into_iter()
                .map(|(from, _)| from).collect();
            prop_assert_eq!(expected, found);
        }
    }
}
