//! In which order do the modules of a plan run? Imports before importers, what is affected before
//! who affects it.
//!
//! Imports may go in circles, and then it matters where one enters: `import a` may work where
//! `import b` does not. So a circle is entered where it was entered the last time, and modules that
//! do not depend on each other run in the order in which they ran before, as they would in a fresh
//! process (P5). A module whose source is another may import other modules now, or in another order:
//! its turn comes before that of what it imports, so that its statements run those. Which modules
//! run is not decided here. Tarjan's algorithm, without recursion.

use crate::{Edge, EdgeKind, Graph, ModuleName, Target};
use std::collections::HashMap;

/// The modules of a plan, in order.
pub(crate) struct Order {
    /// Imports before importers.
    pub names: Vec<ModuleName>,
    /// Places in `names`, in the order in which they are to be begun.
    pub turns: Vec<usize>,
}

/// Puts `names` into the order of running. `started` says when a module began to run the last time,
/// `changed` whether its source is another now.
pub(crate) fn order(
    graph: &Graph,
    mut names: Vec<ModuleName>,
    started: impl Fn(&ModuleName) -> u64,
    changed: impl Fn(&ModuleName) -> bool,
) -> Order {
    let moments: HashMap<ModuleName, u64> =
        names.iter().map(|name| (name.clone(), started(name))).collect();
    names.sort_by(|a, b| (moments[a], a).cmp(&(moments[b], b)));
    let index: HashMap<&ModuleName, usize> =
        names.iter().enumerate().map(|(at, name)| (name, at)).collect();
    let before: Vec<Vec<usize>> =
        names.iter().map(|name| dependencies(graph, name, &index)).collect();
    let imports: Vec<Vec<usize>> =
        names.iter().map(|name| targets(graph, name, &index, EdgeKind::ModuleLevel)).collect();
    let found = Search::new(&before).run();
    let changed: Vec<bool> = names.iter().map(changed).collect();
    let mut place = vec![0; names.len()];
    found.order.iter().enumerate().for_each(|(at, node)| place[*node] = at);
    let turns = turns(&found, &imports, &changed).into_iter().map(|node| place[node]).collect();
    Order { names: found.order.iter().map(|at| names[*at].clone()).collect(), turns }
}

/// The nodes in the order in which they are begun: changed ones before what they import.
fn turns(found: &Search<'_>, imports: &[Vec<usize>], changed: &[bool]) -> Vec<usize> {
    // A circle is entered where it was entered before, whoever of it has changed.
    let mut entry: Vec<Option<usize>> = vec![None; imports.len()];
    for &node in &found.order {
        entry[found.circle[node]].get_or_insert(node);
    }
    // For each node the one whose statements are to run it.
    let mut by: Vec<Option<usize>> = vec![None; imports.len()];
    for &node in found.order.iter().filter(|node| changed[**node]) {
        let mut way = vec![node];
        while let Some(here) = way.pop() {
            for &next in &imports[here] {
                if by[next].is_none() && found.circle[next] != found.circle[node] {
                    by[next] = entry[found.circle[node]];
                    way.push(next);
                }
            }
        }
    }
    let mut turns = Vec::with_capacity(imports.len());
    let mut begun = vec![false; imports.len()];
    for &node in &found.order {
        let mut chain = vec![node];
        while let Some(above) = by[chain[chain.len() - 1]]
            && !begun[above]
        {
            chain.push(above);
        }
        for node in chain.into_iter().rev() {
            if !std::mem::replace(&mut begun[node], true) {
                turns.push(node);
            }
        }
    }
    turns
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
    /// For each node the circle that it is in, by number.
    circle: Vec<usize>,
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
            circle: vec![0; count],
            moment: 0,
        }
    }

    fn run(mut self) -> Search<'a> {
        for start in 0..self.before.len() {
            if self.seen[start] == 0 {
                self.from(start);
            }
        }
        self
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
            self.circle[*of] = node;
        }
        self.order.extend(circle);
    }
}
