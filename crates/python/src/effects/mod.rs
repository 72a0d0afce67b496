//! The effects of a module's execution: imports, files read, state changed, foreign attributes set.
//! In reading order:

pub mod dependencies;
pub mod names_from_elsewhere;
pub mod foreign_lookups;
pub mod annotations;
pub mod audit;
pub mod data_files;
pub mod written_files;
pub mod asked_files;
pub mod kept_content;
pub mod served_files;
pub mod import_closure;
pub mod submodule_use;
pub mod observation;
pub mod attribution;
pub mod state_snapshot;
pub mod owner;
pub mod container;
pub mod unchanged;
pub mod place;
pub mod enumerations;
pub mod memo;
pub mod reachable_state;
pub mod conflict;
pub mod ownership;
pub mod subclasses;
pub mod virtual_subclasses;
pub mod made_objects;
pub mod retention;
pub mod kept_values;
pub mod log_handlers;
pub mod foreign_patches;
pub mod listener_adapters;
pub mod working_directory;
pub mod environ;
pub mod current_objects;
