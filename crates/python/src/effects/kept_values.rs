//! Where may a function have put what it imported?
//!
//! A number or a text belongs to no module, so no walk finds it (`effects/retention.rs`). What is
//! left is the code of the function that imported: an import that was executed counts, unless the
//! code shows that nothing plain of it outlives the call (`transfuse/source/kept_values.py`). It may
//! have put the value, or an object, into what its module took from another.

use pyo3::{intern, prelude::*, types::PyBytes};
use transfuse_engine::ModuleName;

use crate::cpython::log::complain;
use crate::effects::ownership::origins;
use crate::state::{generation::Generation, live_module::LiveModule};

/// Modules that functions have put something into.
#[derive(Clone, Default)]
pub struct Keepers {
    /// A plain value: the functions' own module among them.
    pub of_values: Vec<ModuleName>,
    /// Anything, other modules than the functions' own.
    pub of_objects: Vec<ModuleName>,
}

/// The modules that functions of `user` which import `of` may have put something of that into.
pub fn keepers(
    current: &Bound<'_, Generation>,
    user: &Bound<'_, LiveModule>,
    of: &Bound<'_, LiveModule>,
) -> Keepers {
    let py = user.py();
    let Ok(text) = user.get().text() else { return Keepers::default() };
    let digest = user.get().source().map(|source| source.digest().as_u128());
    let asked = || -> PyResult<(Option<Vec<String>>, Vec<String>)> {
        let analysis = py.import(intern!(py, "transfuse.source.kept_values"))?;
        let (by, imported) = (user.get(), of.get());
        let arguments = (
            (PyBytes::new(py, &text), digest),
            (by.name.as_str(), by.package, by.namespace(py)),
            (imported.name.as_str(), imported.namespace(py)),
        );
        analysis.call_method1(intern!(py, "keeping"), arguments)?.extract()
    };
    let (values, objects) = asked().unwrap_or_else(|error| {
        let _ = complain(py, "it is unknown what a function has kept of an import", error);
        (Some(Vec::new()), Vec::new())
    });
    let origins_of = |places: Vec<String>| -> Vec<ModuleName> {
        let namespace = user.get().namespace(py);
        let found = places.iter().filter_map(|place| namespace.get_item(place).ok().flatten());
        found.flat_map(|value| origins(current, user, &value)).collect()
    };
    let own = |places| {
        let mut all = origins_of(places);
        all.push(user.get().name.clone());
        all
    };
    Keepers { of_values: values.map(own).unwrap_or_default(), of_objects: origins_of(objects) }
}
