//! TODO

pub mod bind_submodules;
pub mod circular;
pub mod in_place;
pub mod load;
pub mod names_of_file;
pub mod namespace;
pub mod namespace_path;
pub mod new_files;
pub mod search;
pub mod sharing;
pub mod source_text;
pub mod submodules;
