//! What would a fresh process start without, and has this one work left to finish?
//!
//! `transfuse/handover` asks before fresh processes take over from this one.

use std::path::PathBuf;

use pyo3::{prelude::*, types::PyDict};

use crate::api::once;
use crate::state::{live_module::LiveModule, policy::declared_policy, runtime};

/// How many units of work are under way in this process, of whichever generation.
#[pyfunction]
pub fn units_under_way() -> usize {
    runtime::in_force().map_or(0, |runtime| runtime.units.count())
}

/// The state that only this process has: the values of `once`, `("shop.web", "model")`, and the
/// preserved names of loaded modules, `("shop.cache", ["CACHE"])`.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn carried(py: Python<'_>) -> PyResult<(Vec<(String, String)>, Vec<(String, Vec<String>)>)> {
    let mut preserved = Vec::new();
    if let Some(runtime) = runtime::in_force() {
        let instances: Bound<'_, PyDict> = runtime.current(py).get().instances.bind(py).copy()?;
        for instance in instances.values() {
            let instance = instance.cast_into_exact::<LiveModule>()?;
            let instance = instance.get();
            let (Some(source), Some(file)) = (instance.source(), &instance.file) else { continue };
            let Some(text) = source.text() else { continue };
            let declared = declared_policy(py, runtime, &instance.name, &text, file)?;
            if !declared.preserve.is_empty() {
                preserved.push((instance.name.as_str().to_owned(), declared.preserve));
            }
        }
    }
    preserved.sort();
    Ok((once::keys(py)?, preserved))
}

/// The modules that the current generation has loaded, `("shop.tax", "/srv/shop/tax.py", its digest)`,
/// in the order in which they first ran.
#[pyfunction]
pub fn loaded(py: Python<'_>) -> PyResult<Vec<(String, PathBuf, String)>> {
    let Some(runtime) = runtime::in_force() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for instance in runtime.current(py).get().all(py) {
        let instance = instance.get();
        let (Some(source), Some(path)) = (instance.source(), &instance.path) else { continue };
        let digest = source.digest().to_string();
        found.push((instance.rank(), instance.name.as_str().to_owned(), path.clone(), digest));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, name, path, digest)| (name, path, digest)).collect())
}
