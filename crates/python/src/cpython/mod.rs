//! TODO

pub mod exceptions;
pub mod interruptible_wait;
pub mod nogil_lock;
pub mod opaque_state;
pub mod panics;
pub mod snapshot;
pub mod static_lookup;
pub mod time_limit;
pub mod traceback;
