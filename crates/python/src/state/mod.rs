//! The state while Transfuse is installed: the runtime, generations, live modules, pins.
//!
//! Fields and their locks, and the one rule that picks a generation for a caller. The files
//! `generation`, `live_module` and `staging_area` refer to each other; all others do not.
//! In reading order:

pub mod runtime;
pub mod settings;
pub mod policy;
pub mod request_counts;
pub mod generation;
pub mod keepers;
pub mod taken_names;
pub mod live_module;
pub mod scope;
pub mod staging_area;
pub mod module_source;
pub mod lazy_imports;
pub mod load_key;
pub mod execution_stack;
pub mod caller;
pub mod pin;
pub mod unit_of_work;
pub mod records;
pub mod run_times;
pub mod shown;
pub mod pending_submodules;
pub mod reported_absent;
pub mod synthetic_names;
pub mod foreign_patch;
pub mod environ_change;
pub mod unreadable;
pub mod set_aside;
pub mod watch_status;
pub mod hold;
pub mod attempt;
pub mod command;
pub mod urgent;
pub mod lent_thread;
pub mod request;
pub mod notify;
