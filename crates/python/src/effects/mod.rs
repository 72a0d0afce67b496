//! The effects of a module's execution: imports, files read, state changed, foreign attributes set.
//! In reading order:

pub mod dependencies;
pub mod data_files;
pub mod import_closure;
pub mod observation;
pub mod fingerprint;
pub mod reachable_state;
pub mod conflict;
pub mod ownership;
pub mod retention;
pub mod foreign_patches;
