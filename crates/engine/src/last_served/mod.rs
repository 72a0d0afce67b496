//! What was served last, kept on disk for the process that comes after this one.

mod encoding;
mod resume;
mod state;
mod store;

pub use resume::{Difference, Resumed, ResumedFile, Take, resume};
pub use state::{LastServed, Why, Withheld};
pub use store::{ServedStore, read_last_served};
