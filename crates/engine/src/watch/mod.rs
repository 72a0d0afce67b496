//! When to look at files again: watchers, their events, and the debouncer.

mod bounded_sender;
mod debounce;
mod event;
mod notify_backend;
mod poll_backend;
mod transfer;
mod tree_lock;
mod watcher;

pub use debounce::{Debouncer, Readiness, Window};
pub use event::{Event, EventKind};
pub use tree_lock::is_tree_locked;
pub use watcher::Watcher;
