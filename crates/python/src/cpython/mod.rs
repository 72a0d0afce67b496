//! The parts of the interpreter that we use and PyO3 does not offer.
//!
//! Knows no word of Transfuse: no generation, no live module. In reading order:

#[cfg(unix)]
pub mod large_blocks;
pub mod thread;
pub mod at_end;
pub mod frames;
pub mod call_observer;
pub mod traceback;
pub mod static_lookup;
pub mod snapshot;
pub mod lazy_object;
pub mod extra_attributes;
pub mod context;
pub mod opaque_state;
pub mod address_map;
pub mod referents;
pub mod log;
pub mod exceptions;
pub mod panics;
pub mod interruptible_wait;
pub mod time_limit;
pub mod nogil_lock;
