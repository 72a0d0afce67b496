//! TODO

pub mod caller;
pub mod command;
pub mod generation;
pub mod live_module;
pub mod load_key;
pub mod module_source;
pub mod notify;
pub mod pin;
pub mod policy;
pub mod records;
pub mod reported_absent;
pub mod request;
pub mod runtime;
pub mod settings;
pub mod shown;
pub mod synthetic_names;
pub mod unit_of_work;
pub mod unreadable;
pub mod watch_status;
