//! TODO

pub mod exceptions;
pub mod frames;
pub mod interruptible_wait;
pub mod log;
pub mod nogil_lock;
pub mod opaque_state;
pub mod panics;
pub mod snapshot;
pub mod static_lookup;
pub mod thread;
pub mod time_limit;
pub mod traceback;
