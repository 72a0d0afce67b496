//! What identifies a load?

use transfuse_engine::{Digest, ModuleName};

/// What one load is of: a name, and the content (none for a namespace package).
pub type LoadKey = (ModuleName, Option<Digest>);
