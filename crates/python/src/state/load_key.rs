//! What identifies a load?

use transfuse_engine::{Digest, ModuleName};

/// A name, and the content (none for a namespace package).
pub type LoadKey = (ModuleName, Option<Digest>);
