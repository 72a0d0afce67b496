//! TODO

pub mod caller;
pub mod command;
pub mod execution_stack;
pub mod foreign_patch;
pub mod generation;
pub mod live_module;
pub mod load_key;
pub mod module_source;
pub mod notify;
pub mod pending_submodules;
pub mod pin;
pub mod policy;
pub mod records;
pub mod reported_absent;
pub mod request;
pub mod runtime;
pub mod settings;
pub mod shown;
pub mod staging_area;
pub mod synthetic_names;
pub mod unit_of_work;
pub mod unreadable;
pub mod watch_status;
