//! Keeps the last served state on disk for the next process.

mod encoding;
mod recall;
mod resume;
mod state;
mod store;

pub use recall::{Recall, Recalled, recall};
pub use resume::{Difference, Resumed, ResumedFile, Take, resume, with_served_files};
pub use state::{FormerState, LastServed, Why, Withheld};
pub use store::{ServedStore, read_last_served};
