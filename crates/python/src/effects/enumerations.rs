//! Where does an enumeration keep what it makes of its members?
//!
//! `A | B` and `~A` of a flag are made when they are first asked for, and kept with the class and the
//! member. Names of one underscore on each side are the enumeration's own.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};

use crate::cpython::address_map::Pointer;
use crate::cpython::{snapshot, static_lookup};
use crate::effects::state_snapshot::Difference;

/// Whether an entry lies there. Where it is an attribute of an instance (`holder`), `key` is its name.
pub fn keeps(
    py: Python<'_>,
    difference: &Difference<'_>,
    holder: Option<&Bound<'_, PyAny>>,
    key: Pointer,
) -> PyResult<bool> {
    static ENUMERATIONS: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    let known = static_lookup::types(py, &ENUMERATIONS, &[("enum", "EnumMeta")])?;
    if let Some(holder) = holder {
        // SAFETY: attached, a live object, or null.
        let name = unsafe { Bound::from_borrowed_ptr_or_opt(py, key) };
        let own = name.is_some_and(|name| is_reserved(&name));
        return Ok(own && static_lookup::is_a(holder.get_type().as_any(), known));
    }
    let Some(parent) = &difference.parent else { return Ok(false) };
    let Ok(class) = parent.cast::<PyType>() else { return Ok(false) };
    let Some(dict) = static_lookup::of_class(class) else { return Ok(false) };
    let mut items = snapshot::items(&dict).into_iter();
    Ok(static_lookup::is_a(parent, known)
        && items.any(|(name, held)| held.is(&difference.object) && is_reserved(&name)))
}

fn is_reserved(name: &Bound<'_, PyAny>) -> bool {
    let Ok(name) = name.extract::<&str>() else { return false };
    name.len() > 2 && name.starts_with('_') && name.ends_with('_') && !name.starts_with("__")
}
