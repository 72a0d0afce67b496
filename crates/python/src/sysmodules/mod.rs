//! TODO

pub mod entry;
pub mod facade;
pub mod module_attrs;
pub mod spec;
