//! TODO

pub mod conflict;
pub mod data_files;
pub mod dependencies;
pub mod fingerprint;
pub mod foreign_patches;
pub mod import_closure;
pub mod observation;
pub mod ownership;
pub mod reachable_state;
pub mod retention;
