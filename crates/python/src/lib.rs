//! The extension module `transfuse._core`: the only crate that knows Python.
//!
//! This file is a map. A folder uses only the folders above it in the list below
//! (`tests/layers.py` holds the list, `tests/test_architecture.py` checks it), and the `mod.rs` of
//! each folder lists its files in reading order.
//!
//! An import statement comes in through `hooks`, which asks `state` for the generation of its
//! caller and `loading` for the module; the effects of the execution on other modules go to `effects`.
//! A saved file wakes the thread in `updater`, which has `update` plan, stage and publish.

mod cpython;
mod code;
mod state;
mod sysmodules;
mod effects;
mod loading;
mod hooks;
mod update;
mod updater;
mod api;

/// The compiled core of Transfuse.
#[pyo3::pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::api::counted::{counted_protocol, counted_send, request_counts};
    #[pymodule_export]
    use super::api::executing::{
        executing, handler_made, is_answering, is_former, module_of_globals,
    };
    #[pymodule_export]
    use super::api::files::{answering, digest, file_content, file_digest, keep_folder};
    #[pymodule_export]
    use super::api::foreign_holders::foreign_holders;
    #[pymodule_export]
    use super::api::functions::{
        accept, adopt, configure, differing, follow, hold, limited, number_from, offer,
        other_files, plan, protect, read_project, release, rollback, run_offered, update, view,
        wanted_view,
    };
    #[pymodule_export]
    use super::api::handover::{carried, loaded, units_under_way};
    #[pymodule_export]
    use super::api::history::{history, is_shut_down, mark_shut_down, set_aside, wanted_changes};
    #[pymodule_export]
    use super::api::install::{install, installed, uninstall};
    #[pymodule_export]
    use super::api::last_served::{ServedStore, retry};
    #[pymodule_export]
    use super::api::meeting::leading_to;
    #[pymodule_export]
    use super::api::once::once;
    #[pymodule_export]
    use super::api::references_outside::{HeldOutside, held_outside};
    #[pymodule_export]
    use super::api::referrer_index::ReferrerIndex;
    #[pymodule_export]
    use super::api::referrers::{former_modules, heap, let_go, referrers};
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

    /// Adds the switch for tests, which is in neither `__all__` nor the stub.
    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        #[cfg(feature = "testing")]
        pyo3::prelude::PyAnyMethods::setattr(
            module.as_any(),
            "_panic_under_locks",
            pyo3::wrap_pyfunction!(super::api::functions::_panic_under_locks, module)?,
        )?;
        let _ = module;
        Ok(())
    }
}
