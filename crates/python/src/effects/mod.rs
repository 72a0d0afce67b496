//! The effects of a module's execution: imports, files read, state changed, foreign attributes set.
//! In reading order:

pub mod dependencies;
pub mod annotations;
pub mod data_files;
pub mod import_closure;
pub mod observation;
pub mod attribution;
pub mod state_snapshot;
pub mod owner;
pub mod container;
pub mod place;
pub mod memo;
pub mod reachable_state;
pub mod conflict;
pub mod ownership;
pub mod retention;
pub mod foreign_patches;
