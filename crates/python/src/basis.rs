//! What was an instance run from, and what does that say of itself?
//!
//! Read off the source before it runs (`namespace.rs`). An instance that takes
//! other code in place gets another basis; all others keep theirs.

use std::sync::Arc;

use transfuse_engine::{Policy, Source};

/// What an instance was run from, and what that says of itself.
#[derive(Clone)]
pub struct Basis {
    /// The source; none for a namespace package.
    pub source: Option<Arc<Source>>,
    /// What the module asked for, or what the settings say of it.
    pub policy: Policy,
    /// Names the module (or the settings) listed to be carried.
    pub preserve: Vec<String>,
}
