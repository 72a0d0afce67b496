//! What does a module's source, or the settings, say about its reload?
//!
//! The special variables `__reload__`, `__preserve__` and `__thread__` are read off the text before it
//! runs.

use pyo3::{intern, prelude::*, types::PyBytes};
use transfuse_engine::{ModuleName, Policy};

use crate::state::{live_module::LiveModule, runtime::Runtime, settings::is_main_thread};

/// The policy, preserved names and thread that a module, or else the settings, ask for.
pub struct DeclaredPolicy {
    pub policy: Policy,
    pub preserve: Vec<String>,
    /// Whether an update runs it in the main thread.
    pub in_main_thread: bool,
}

/// Reads the special variables of a source before it runs. They win over the settings.
pub fn declared_policy(
    py: Python<'_>,
    runtime: &Runtime,
    name: &ModuleName,
    text: &[u8],
    file: &str,
) -> PyResult<DeclaredPolicy> {
    let (mut policy, mut preserve) = runtime.settings().configured(name);
    let mentioned = |word: &[u8]| memchr::memmem::find(text, word).is_some();
    let mut in_main_thread = runtime.settings().in_main_thread(name);
    if mentioned(b"__reload__") || mentioned(b"__preserve__") || mentioned(b"__thread__") {
        let said = py
            .import(intern!(py, "transfuse.source.compiler"))?
            .call_method1(intern!(py, "special_variables"), (PyBytes::new(py, text), file))?;
        if !said.is_none() {
            let reload: Option<String> = said.get_item("reload")?.extract()?;
            if let Some(reload) = reload {
                policy = reload.parse().map_err(|e| crate::cpython::exceptions::from_engine(&e))?;
            }
            let listed: Option<Vec<String>> = said.get_item("preserve")?.extract()?;
            preserve = listed.unwrap_or(preserve);
            let thread: Option<String> = said.get_item("thread")?.extract()?;
            in_main_thread = thread.map_or(in_main_thread, |thread| is_main_thread(&thread));
        }
    }
    Ok(DeclaredPolicy { policy, preserve, in_main_thread })
}

/// The policy of a module that has not changed. One that was loaded before the settings said
/// `never` is not run to learn of it.
pub fn effective_policy(py: Python<'_>, runtime: &Runtime, instance: &LiveModule) -> Policy {
    let loaded = instance.policy();
    if loaded == Policy::Never || runtime.settings().configured(&instance.name).0 != Policy::Never {
        return loaded;
    }
    let (Some(source), Some(file)) = (instance.source(), &instance.file) else {
        return Policy::Never;
    };
    let Some(text) = source.text() else { return Policy::Never };
    // Its source could be read when it was loaded, and still can.
    declared_policy(py, runtime, &instance.name, &text, file)
        .map_or(loaded, |declared_policy| declared_policy.policy)
}
