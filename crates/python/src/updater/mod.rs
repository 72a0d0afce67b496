//! TODO

pub mod driver;
pub mod listener;
pub mod off_disk;
pub mod outcome;
pub mod sync_marker;
pub mod thread;
pub mod watcher;
