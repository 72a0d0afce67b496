//! Which generations exist, which work is pinned to them, and what the last updates did.

mod history;
mod lifecycle;
mod registry;

pub use history::{Cause, History, Outcome, Record};
pub use lifecycle::{GenerationId, GenerationState, Lifecycles, Retirement, Succession};
pub use registry::{Freed, GenerationRegistry};
