//! Which generations exist, which work is pinned to them, and the results of the last updates.

mod history;
mod lifecycle;
mod registry;

pub use history::{Cause, History, Outcome, Record};
pub use lifecycle::{GenerationId, GenerationState, Lifecycles, Retirement, Succession};
pub use registry::{Freed, GenerationRegistry};
