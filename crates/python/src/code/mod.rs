//! TODO

pub mod bytecode;
pub mod name_usage;
pub mod pyc;
