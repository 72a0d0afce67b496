//! TODO

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use transfuse_engine::{ModuleName, Policy};

use crate::state::live_module::Instance;
use crate::state::runtime::Engine;

/// What a module (or, where it is silent, the settings) wants done with its namespace.
pub struct Wish {
    /// What becomes of the old namespace.
    pub policy: Policy,
    /// Names to carry.
    pub preserve: Vec<String>,
}

/// Reads the special variables of a source before it runs. What the module says itself wins.
pub fn wish(
    py: Python<'_>,
    engine: &Engine,
    name: &ModuleName,
    text: &[u8],
    file: &str,
) -> PyResult<Wish> {
    let (mut policy, mut preserve) = engine.settings().configured(name);
    let mentioned = |word: &[u8]| memchr::memmem::find(text, word).is_some();
    if mentioned(b"__reload__") || mentioned(b"__preserve__") {
        let said = py
            .import(intern!(py, "transfuse.compiler"))?
            .call_method1(intern!(py, "special_variables"), (PyBytes::new(py, text), file))?;
        if !said.is_none() {
            let reload: Option<String> = said.get_item("reload")?.extract()?;
            if let Some(reload) = reload {
                policy = reload.parse().map_err(|e| crate::cpython::exceptions::from_engine(&e))?;
            }
            let listed: Option<Vec<String>> = said.get_item("preserve")?.extract()?;
            preserve = listed.unwrap_or(preserve);
        }
    }
    Ok(Wish { policy, preserve })
}

/// The policy of a module that has not changed. One that was loaded before the settings said
/// `never` is not run to learn of it.
pub fn policy_now(py: Python<'_>, engine: &Engine, instance: &Instance) -> Policy {
    let loaded = instance.policy();
    if loaded == Policy::Never || engine.settings().configured(&instance.name).0 != Policy::Never {
        return loaded;
    }
    let (Some(source), Some(file)) = (instance.source(), &instance.file) else {
        return Policy::Never;
    };
    let Some(text) = source.text() else { return Policy::Never };
    // Its source could be read when it was loaded, and still can.
    wish(py, engine, &instance.name, &text, file).map_or(loaded, |wish| wish.policy)
}
