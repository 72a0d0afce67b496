//! The extension module `transfuse._core`: the only crate that knows Python.
//!
//! This file is a map. The parts, in reading order:
//!
//! 1. `instance` (`source`: of what source; `loader`: what it answers as), `generation`: what was
//!    loaded, and what belongs together;
//! 2. `engine`, `settings`: what is installed; `turn`: what keeps its steps in one piece without a GIL;
//!    `asker`, `pin`: whose generation answers; `wsgi`: what a server holds;
//! 3. the ways in: `fast` and `hook` (import statements; `names`: what they take; `half_loaded`: from what
//!    is not there yet), `dynamic` (calls that import), `facade` (attributes of what stands in `sys.modules`), `finder` (the standard
//!    machinery); `standing`: what stands in `sys.modules`, and who put it there;
//! 4. `search` (`late`: what nobody has seen yet), `namespace_path`, `dressing`, `precompiled`, `bytecode`, `outline`, `namespace`, `loading`: from a name
//!    (or, `by_path`, a file) to an instance (`circles`: when several threads load one circle; `waiting`);
//!    `sharing`, `submodules`: what generations have in common, and what they answer where not (`pending_submodules`: when
//!    a package that runs again gets submodules that do not);
//! 5. `observe` (by `fingerprint` and `hidden`), `doubt` (and `influence`), `retains`: who affects whom, and who holds on to what;
//!    `edges`, `data_files`, `patches`: who imports and reads what, and who set what on foreign modules
//!    (`kinds`, `snapshot`: how all these look without running code or being disturbed);
//! 6. an update: `asking`, `driver` (who carries it out; `driver/elsewhere`: what is not on disk; `command`, `listening`, `watching`, `barrier`, `unreadable`), `seeds` and `planning` (what it is to
//!    run), `staging` and `attempt` (how; `loads_since`; `again`: what a rollback runs; `module_of_error`: who failed; `verify`: who else has a say; `in_place`: where a module
//!    takes new code and stays what it is), `time_limit`, `disposal` (what ends), `report` (how it is
//!    told); `units` (who keeps a generation in use), `status`;
//! 7. `installation` (how it gets into a process), `forked` (and into its child), `project`: what the files beside the code say; `reload` (`importlib.reload`), `once`, `errors`, `fault`.

mod api;
mod code;
mod cpython;
mod effects;
mod hooks;
mod loading;
mod state;
mod sysmodules;
mod update;
mod updater;

/// The compiled core of Transfuse.
#[pyo3::pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::api::functions::adopt;
    #[pymodule_export]
    use super::api::functions::configure;
    #[pymodule_export]
    use super::api::functions::differing;
    #[pymodule_export]
    use super::api::functions::limited;
    #[pymodule_export]
    use super::api::functions::number_from;
    #[pymodule_export]
    use super::api::functions::plan;
    #[pymodule_export]
    use super::api::functions::rollback;
    #[pymodule_export]
    use super::api::functions::update;
    #[pymodule_export]
    use super::api::functions::view;
    #[pymodule_export]
    use super::api::functions::wanted_view;
    #[pymodule_export]
    use super::api::install::{install, installed, uninstall};
    #[pymodule_export]
    use super::api::once::once;
    #[pymodule_export]
    use super::api::status::{executions, status};
    #[pymodule_export]
    use super::api::wsgi::WsgiApplication;
    #[pymodule_export]
    use super::hooks::import_file::import_path;
    #[pymodule_export]
    use super::hooks::import_module::{import_module, import_name};
    #[pymodule_export]
    use super::state::pin::Pin;
}
