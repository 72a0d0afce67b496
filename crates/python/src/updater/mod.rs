//! The updating thread: its wake-ups, and how it carries an update out. In reading order:

pub mod thread;
pub mod driver;
pub mod listener;
pub mod pending_change;
pub mod followed;
pub mod held;
pub mod newer_saves;
pub mod watcher;
pub mod stager;
pub mod rollback;
pub mod off_disk;
pub mod tried;
pub mod outcome;
pub mod ending;
