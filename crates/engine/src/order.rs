//! In which order do the modules of a plan run?
//!
//! They begin in the order in which they began to run for the first time, and the import statements
//! of each run others of the plan before their own turn comes: as in a fresh process, which starts
//! at the same module (P5). That holds for imports that nobody knows of before the new code runs,
//! and for circles, where it matters at which module one enters. They are listed in the order in
//! which they are expected to end: imports before importers, what is affected before who affects
//! it. Which modules run is not decided here. Tarjan's algorithm, without recursion.

use crate::{Edge, EdgeKind, Graph, ModuleName, Target};
use std::collections::HashMap;

/// The modules of a plan, in order.
pub(crate) struct Order {
    /// Imports before importers.
    pub names: Vec<ModuleName>,
    /// Places in `names`, in the order in which they are to be begun.
    pub turns: Vec<usize>,
}

/// Puts `names` into order. `rank` says when a module began to run for the first time.
pub(crate) fn order(
    graph: &Graph,
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
    let order = Search::new(&before).run();
    let mut place = vec![0; names.len()];
    order.iter().enumerate().for_each(|(at, node)| place[*node] = at);
    Order { names: order.iter().map(|at| names[*at].clone()).collect(), turns: place }
}

/// The places of those that have to run before `name`.
fn dependencies(
    graph: &Graph,
    name: &ModuleName,
    index: &HashMap<&ModuleName, usize>,
) -> Vec<usize> {
    let mut before = targets(graph, name, index, EdgeKind::ModuleLevel);
    before.extend(targets(graph, name, index, EdgeKind::Affects));
    before.sort_unstable();
    before.dedup();
    before
}

/// The places of those that edges of one kind lead to.
fn targets(
    graph: &Graph,
    name: &ModuleName,
    index: &HashMap<&ModuleName, usize>,
    kind: EdgeKind,
) -> Vec<usize> {
    let place = |edge: &Edge| match &edge.to {
        Target::Module(to) if edge.kind == kind => index.get(to).copied(),
        _ => None,
    };
    graph.out(name).filter_map(place).collect()
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
        for of in &circle {
            self.open[*of] = false;
        }
        self.order.extend(circle);
    }
}
