//! Threads: locks, loads that threads share, and forks.

pub mod fork_gate;
mod single_flight;
pub mod sync;

pub use single_flight::{Entered, SingleFlight, Waited, Waiting};
