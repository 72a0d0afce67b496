//! Which modules an update runs, why, and in which order.

mod dependency_graph;
mod given_plan;
mod order;
mod reason;
mod update_plan;

pub use dependency_graph::{DependencyGraph, Edge, EdgeKind, Target};
pub use given_plan::plan_of;
pub use reason::{Reason, Restart, RestartCode, Step};
pub use update_plan::{Kept, ModuleFacts, Plan, Policy, plan};
