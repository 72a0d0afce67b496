//! What identifies a load?
//!
//! Generations with the same content wait for one load (`loading/load.rs`).

use transfuse_engine::{Digest, ModuleName};

/// A name, and the content (none for a namespace package).
pub type LoadKey = (ModuleName, Option<Digest>);
