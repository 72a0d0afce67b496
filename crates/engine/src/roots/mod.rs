//! Which files are live: roots, exclusions, `.gitignore`, and the walk over them.

mod gitignore;
mod live_paths;
mod walk;

pub use live_paths::{Roots, is_source};
pub(crate) use walk::walk;
