//! A plan of which the modules are known: in which order do they run?

use super::order::{Order, order};
use super::{DependencyGraph, Plan, Reason, Step};
use crate::base::ModuleName;

/// A plan that runs these modules, and no others: those that a rollback does not find as they were.
pub fn plan_of(
    graph: &DependencyGraph,
    names: Vec<ModuleName>,
    rank: impl Fn(&ModuleName) -> u64,
) -> Plan {
    let Order { names, start_order } = order(graph, names, rank);
    let steps = names.into_iter().map(|name| Step { name, reason: Reason::Changed }).collect();
    Plan { steps, start_order, ..Plan::default() }
}
