//! Which modules does a module reach through its imports?

use pyo3::prelude::*;
use transfuse_engine::{EdgeKind, Target};

use crate::state::live_module::LiveModule;
use crate::state::scope::Scope;

/// The module and its imports at module level, nearest first.
pub fn import_closure<'py>(
    scope: &Scope<'py>,
    from: &Bound<'py, LiveModule>,
) -> Vec<Bound<'py, LiveModule>> {
    let mut found = vec![from.clone()];
    let mut next = 0;
    while next < found.len() && found.len() <= REACH {
        let edges = found[next].get().edges();
        next += 1;
        for edge in edges {
            if let (Target::Module(name), EdgeKind::ModuleLevel) = (&edge.to, edge.kind)
                && let Some(other) = scope.find(name.as_str())
                && !found.iter().any(|known| known.is(&other))
            {
                found.push(other);
            }
        }
    }
    found
}

/// How many modules beyond the imported one are looked at (calls through a third module).
pub const REACH: usize = 24;
