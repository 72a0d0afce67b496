//! TODO

pub mod entry;
pub mod module_attrs;
pub mod spec;
