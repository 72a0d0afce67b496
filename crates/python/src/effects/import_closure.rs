//! Which modules does a module reach through its imports?
//!
//! Through the imports at module level, as their edges are recorded (`effects/dependencies.rs`).

use pyo3::prelude::*;
use transfuse_engine::Target;

use crate::state::{live_module::LiveModule, scope::Scope};

/// How many modules beyond the imported one are looked at (calls through a third module).
pub const REACH: usize = 24;

/// The module and its imports at module level, nearest first.
pub fn import_closure<'py>(
    scope: &Scope<'py>,
    from: &Bound<'py, LiveModule>,
) -> Vec<Bound<'py, LiveModule>> {
    reached_from(scope, from, REACH, |_| true)
}

/// The modules among these that `counts` accepts; the imports of others are not followed.
pub fn reached_from<'py>(
    scope: &Scope<'py>,
    from: &Bound<'py, LiveModule>,
    reach: usize,
    counts: impl Fn(&Bound<'py, LiveModule>) -> bool,
) -> Vec<Bound<'py, LiveModule>> {
    let mut found: Vec<_> = Some(from.clone()).into_iter().filter(&counts).collect();
    let mut next = 0;
    while next < found.len() && found.len() <= reach {
        let edges = found[next].get().edges();
        next += 1;
        for edge in edges {
            if let (Target::Module(name), true) = (&edge.to, edge.kind.is_import())
                && let Some(other) = scope.find(name.as_str())
                && counts(&other)
                && !found.iter().any(|known| known.is(&other))
            {
                found.push(other);
            }
        }
    }
    found
}
