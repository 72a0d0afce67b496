//! From a name to a live module of a generation, executed once. In reading order:

pub mod load;
pub mod execute;
pub mod packages_before;
pub mod search;
pub mod kept_origin;
pub mod foreign_loader;
pub mod post_import_hooks;
pub mod new_files;
pub mod names_of_file;
pub mod namespace_path;
pub mod source_text;
pub mod namespace;
pub mod circular;
pub mod unreached_names;
pub mod later_submodules;
pub mod submodules;
pub mod bind_submodules;
pub mod sharing;
pub mod in_place;
