//! In which order do the modules of a plan run?
//!
//! They start in the order in which they first started, and the import statements of each run other
//! modules of the plan before their own turn: as in a fresh process, which starts at the same
//! module (P5). This also holds for imports that are unknown before the new code runs, and for
//! circles, where the entry module matters. They are listed in the order in which they are expected
//! to finish: imports before importers, affected modules before those that affect them.
//! `update_plan` decides which modules run. Tarjan's algorithm, without recursion.

use super::{DependencyGraph, EdgeKind, Target};
use crate::base::ModuleName;
use std::collections::HashMap;

/// The modules of a plan, in order.
pub(crate) struct Order {
    pub names: Vec<ModuleName>,
    /// Indexes into `names`, in the order in which the modules start.
    pub start_order: Vec<usize>,
}

/// Orders `names`. `rank` says when a module first started.
pub(crate) fn order(
    graph: &DependencyGraph,
    mut names: Vec<ModuleName>,
    rank: impl Fn(&ModuleName) -> u64,
) -> Order {
    let moments: HashMap<ModuleName, u64> =
        names.iter().map(|name| (name.clone(), rank(name))).collect();
    names.sort_by(|a, b| (moments[a], a).cmp(&(moments[b], b)));
    let index: HashMap<&ModuleName, usize> =
        names.iter().enumerate().map(|(at, name)| (name, at)).collect();
    let before: Vec<Vec<usize>> =
        names.iter().map(|name| dependencies(graph, name, &index)).collect();
    let order = OrderSearch::new(&before).run();
    let mut place = vec![0; names.len()];
    order.iter().enumerate().for_each(|(at, node)| place[*node] = at);
    Order { names: order.iter().map(|at| names[*at].clone()).collect(), start_order: place }
}

/// The indexes of the modules that have to run before `name`.
fn dependencies(
    graph: &DependencyGraph,
    name: &ModuleName,
    index: &HashMap<&ModuleName, usize>,
) -> Vec<usize> {
    let mut before: Vec<usize> = graph
        .edges_of(name)
        .filter_map(|edge| match &edge.to {
            Target::Module(to) if edge.kind.is_import() || edge.kind == EdgeKind::Affects => {
                index.get(to).copied()
            }
            _ => None,
        })
        .collect();
    before.sort_unstable();
    before.dedup();
    before
}

/// A depth-first search that emits circles whole, each after all its dependencies.
struct OrderSearch<'a> {
    /// For each node the nodes before it, ascending.
    before: &'a [Vec<usize>],
    /// When the search reached a node, from 1; 0 while it has not.
    seen: Vec<usize>,
    /// The earliest node on the stack that a node leads to, as a moment of `seen`.
    low: Vec<usize>,
    /// Is the node on the stack?
    open: Vec<bool>,
    /// Nodes whose circle is not complete.
    stack: Vec<usize>,
    order: Vec<usize>,
    moment: usize,
}

impl<'a> OrderSearch<'a> {
    fn new(before: &'a [Vec<usize>]) -> OrderSearch<'a> {
        let count = before.len();
        OrderSearch {
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
        // Each entry: a node, and how many of its dependencies have been visited.
        let mut path = vec![(start, 0)];
        self.open_node(start);
        while let Some((node, done)) = path.last_mut() {
            let (node, next) = (*node, self.before[*node].get(*done).copied());
            *done += 1;
            match next {
                Some(next) if self.seen[next] == 0 => {
                    self.open_node(next);
                    path.push((next, 0));
                }
                Some(next) if self.open[next] => {
                    self.low[node] = self.low[node].min(self.seen[next]);
                }
                Some(_) => {}
                None => {
                    path.pop();
                    if let Some((above, _)) = path.last() {
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

    /// Emits the circle that was entered at `node`, in the order in which its modules ran last
    /// time.
    fn close_circle(&mut self, node: usize) {
        let at = self.stack.iter().rposition(|open| *open == node).unwrap_or(0);
        let mut circle = self.stack.split_off(at);
        circle.sort_unstable();
        for of in &circle {
            self.open[*of] = false;
        }
        self.order.extend(circle);
    }
}
