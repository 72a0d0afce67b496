//! TODO

pub mod facade_type;
pub mod fast_path;
pub mod from_list;
pub mod import_file;
pub mod import_module;
pub mod import_statement;
pub mod meta_path;
pub mod partial_import;
pub mod reload;
pub mod source_loader;
pub mod submodule_imports;
