//! The thread that updates: what wakes it, and the order in which it does things.
//!
//! In reading order:

pub mod thread;
pub mod driver;
pub mod listener;
pub mod watcher;
pub mod sync_marker;
pub mod off_disk;
pub mod outcome;
