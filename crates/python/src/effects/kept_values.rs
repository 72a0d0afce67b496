//! Which modules may keep a plain value of what a function imported?
//!
//! A number or a text belongs to no module, so no walk finds it (`effects/retention.rs`). What is
//! left is the code of the function that imported: an import that was executed counts, unless the
//! code shows that nothing plain of it outlives the call (`transfuse/source/kept_values.py`). It may
//! have put the value into what its module took from another.

use pyo3::{intern, prelude::*, types::PyBytes};
use transfuse_engine::ModuleName;

use crate::cpython::log::complain;
use crate::effects::ownership::origins;
use crate::state::{generation::Generation, live_module::LiveModule};

/// The modules in which a function of `user` that imports `of` may have put a plain value of it.
pub fn keepers(
    current: &Bound<'_, Generation>,
    user: &Bound<'_, LiveModule>,
    of: &Bound<'_, LiveModule>,
) -> Vec<ModuleName> {
    let py = user.py();
    let Ok(text) = user.get().text() else { return Vec::new() };
    let digest = user.get().source().map(|source| source.digest().as_u128());
    let asked = || -> PyResult<Option<Vec<String>>> {
        let analysis = py.import(intern!(py, "transfuse.source.kept_values"))?;
        let (by, imported) = (user.get(), of.get());
        let arguments = (
            (PyBytes::new(py, &text), digest),
            (by.name.as_str(), by.package, by.namespace(py)),
            (imported.name.as_str(), imported.namespace(py)),
        );
        analysis.call_method1(intern!(py, "keeping"), arguments)?.extract()
    };
    let places = asked().unwrap_or_else(|error| {
        let _ = complain(py, "it is unknown what a function has kept of an import", error);
        Some(Vec::new())
    });
    let Some(places) = places else { return Vec::new() };
    let mut found = vec![user.get().name.clone()];
    for place in places {
        if let Ok(Some(value)) = user.get().namespace(py).get_item(place) {
            found.extend(origins(current, user, &value));
        }
    }
    found
}
