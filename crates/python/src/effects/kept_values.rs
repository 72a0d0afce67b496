//! May a function have kept a plain value of what it imported?
//!
//! A number or a text belongs to no module, so no walk finds it (`effects/retention.rs`). What is
//! left is the code of the function that imported: an import that was executed counts, unless the
//! code shows that nothing plain of it outlives the call (`transfuse/source/kept_values.py`).

use pyo3::{intern, prelude::*, types::PyBytes};

use crate::cpython::log::complain;
use crate::state::live_module::LiveModule;

/// Whether a function of `holder` that imports `of` may have kept a plain value of it.
pub fn may_keep(holder: &Bound<'_, LiveModule>, of: &Bound<'_, LiveModule>) -> bool {
    let py = holder.py();
    let Ok(text) = holder.get().text() else { return false };
    let digest = holder.get().source().map(|source| source.digest().as_u128());
    let asked = || -> PyResult<bool> {
        let analysis = py.import(intern!(py, "transfuse.source.kept_values"))?;
        let (by, imported) = (holder.get(), of.get());
        let arguments = (
            (PyBytes::new(py, &text), digest),
            (by.name.as_str(), by.package, by.namespace(py)),
            (imported.name.as_str(), imported.namespace(py)),
        );
        analysis.call_method1(intern!(py, "may_keep"), arguments)?.extract()
    };
    asked().unwrap_or_else(|error| {
        let _ = complain(py, "it is unknown what a function has kept of an import", error);
        true
    })
}
