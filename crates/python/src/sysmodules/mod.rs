//! The entries of `sys.modules`, and the attributes that a module gets before its code runs.
//! In reading order:

pub mod entry;
pub mod facade;
pub mod spec;
pub mod module_attrs;
