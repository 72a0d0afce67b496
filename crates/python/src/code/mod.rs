//! Source text and code objects: compiled files, and the names that module-level code uses. In
//! reading order:

pub mod pyc;
pub mod names;
pub mod dotted_text;
pub mod bytecode;
pub mod plain_values;
pub mod attribute_use;
pub mod name_usage;
pub mod annotations;
