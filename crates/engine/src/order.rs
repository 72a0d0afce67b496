//! In which order do the modules of a plan run? Imports before importers, what is affected before
//! who affects it.
//!
//! Imports may go in circles, and then it matters where one enters: `import a` may work where
//! `import b` does not. So a circle is entered where it was entered the last time, and modules that
//! do not depend on each other run in the order in which they ran before, as they would in a fresh
//! process (P5). Which modules run is not decided here. Tarjan's algorithm, without recursion.

use crate::{EdgeKind, Graph, ModuleName, Target};
use std::collections::HashMap;

/// Puts `names` into the order of running. `started` says when a module began to run the last time.
pub(crate) fn order(
    graph: &Graph,
    mut names: Vec<ModuleName>,
    started: impl Fn(&ModuleName) -> u64,
) -> Vec<ModuleName> {
    let moments: HashMap<ModuleName, u64> =
        names.iter().map(|name| (name.clone(), started(name))).collect();
    names.sort_by(|a, b| (moments[a], a).cmp(&(moments[b], b)));
    let index: HashMap<&ModuleName, usize> =
        names.iter().enumerate().map(|(at, name)| (name, at)).collect();
    let before: Vec<Vec<usize>> =
        names.iter().map(|name| dependencies(graph, name, &index)).collect();
    let order = Search::new(&before).run();
    order.into_iter().map(|at| names[at].clone()).collect()
}

/// The places of those that have to run before `name`.
fn dependencies(
    graph: &Graph,
    name: &ModuleName,
    index: &HashMap<&ModuleName, usize>,
) -> Vec<usize> {
    let mut before: Vec<usize> = Vec::new();
    for edge in graph.out(name) {
        if let (EdgeKind::ModuleLevel | EdgeKind::Affects, Target::Module(to)) =
            (edge.kind, &edge.to)
        {
            before.extend(index.get(to));
        }
    }
    before.sort_unstable();
    before.dedup();
    before
}

/// A depth-first search that emits circles whole, each after all that it depends on.
struct Search<'a> {
    /// For each node those that come before it, ascending.
    before: &'a [Vec<usize>],
    /// When the search came to a node, from 1; 0 while it has not.
    seen: Vec<usize>,
    /// The earliest node on the stack that a node leads to, as a moment of `seen`.
    low: Vec<usize>,
    /// Is the node on the stack?
    open: Vec<bool>,
    /// Nodes whose circle is not complete.
    stack: Vec<usize>,
    /// The nodes emitted.
    order: Vec<usize>,
    /// How many nodes the search has come to.
    moment: usize,
}

impl<'a> Search<'a> {
    fn new(before: &'a [Vec<usize>]) -> Search<'a> {
        let count = before.len();
        Search {
            before,
            seen: vec![0; count],
            low: vec![0; count],
            open: vec![false; count],
            stack: Vec::new(),
            order: Vec::with_capacity(count),
            moment: 0,
        }
    }

    fn run(mut self) -> Vec<usize> {
        for start in 0..self.before.len() {
            if self.seen[start] == 0 {
                self.from(start);
            }
        }
        self.order
    }

    fn from(&mut self, start: usize) {
        // Each entry: a node, and how many of those before it have been gone through.
        let mut way = vec![(start, 0)];
        self.open_node(start);
        while let Some((node, done)) = way.last_mut() {
            let (node, next) = (*node, self.before[*node].get(*done).copied());
            *done += 1;
            match next {
                Some(next) if self.seen[next] == 0 => {
                    self.open_node(next);
                    way.push((next, 0));
                }
                Some(next) if self.open[next] => {
                    self.low[node] = self.low[node].min(self.seen[next]);
                }
                Some(_) => {}
                None => {
                    way.pop();
                    if let Some((above, _)) = way.last() {
                        self.low[*above] = self.low[*above].min(self.low[node]);
                    }
                    if self.low[node] == self.seen[node] {
                        self.close_circle(node);
                    }
                }
            }
        }
    }

    fn open_node(&mut self, node: usize) {
        self.moment += 1;
        self.seen[node] = self.moment;
        self.low[node] = self.moment;
        self.open[node] = true;
        self.stack.push(node);
    }

    /// Emits the circle that was entered at `node`, those that ran first the last time first.
    fn close_circle(&mut self, node: usize) {
        let at = self.stack.iter().rposition(|open| *open == node).unwrap_or(0);
        let mut circle = self.stack.split_off(at);
        circle.sort_unstable();
        for node in &circle {
            self.open[*node] = false;
        }
        self.order.extend(circle);
    }
}
