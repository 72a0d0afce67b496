//! The ways in which code imports: statements, calls, `sys.modules` entries, `importlib`.
//! In reading order:

pub mod fast_path;
pub mod import_statement;
pub mod from_list;
pub mod taken_name;
pub mod first_use;
pub mod lazy_import;
pub mod partial_import;
pub mod submodule_imports;
pub mod import_module;
pub mod import_file;
pub mod facade_type;
pub mod meta_path;
pub mod source_loader;
pub mod standard_class;
pub mod reload;
