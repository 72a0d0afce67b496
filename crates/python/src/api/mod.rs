//! TODO

pub mod fork;
pub mod functions;
pub mod install;
pub mod once;
pub mod status;
pub mod wsgi;
