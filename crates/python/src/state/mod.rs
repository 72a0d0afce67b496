//! TODO

pub mod caller;
pub mod command;
pub mod generation;
pub mod live_module;
pub mod pin;
pub mod request;
pub mod runtime;
pub mod settings;
pub mod unit_of_work;
pub mod unreadable;
