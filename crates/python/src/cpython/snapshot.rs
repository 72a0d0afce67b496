//! How is a container walked that others may write to meanwhile?
//!
//! By its contents at one moment. A namespace that is in use is written to by the threads that use
//! it, whenever code of the program runs between two steps of a walk, and without a GIL at any
//! time; the iterators of PyO3 take that for a fault and panic. No code of the program runs while a
//! snapshot is taken.

use std::cell::RefCell;

use pyo3::{prelude::*, sync::PyOnceLock, types::PyDict, types::PyList};

/// The keys and values of a dict, as they are now.
pub fn items<'py>(dict: &Bound<'py, PyDict>) -> Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let all = RefCell::new(Vec::with_capacity(dict.len()));
    let _: PyResult<()> = dict.locked_for_each(|key, value| {
        all.borrow_mut().push((key, value));
        Ok(())
    });
    all.into_inner()
}

/// The objects that an object holds directly, whatever its type, without running its code: the
/// members of a set, the attributes and slots of an instance.
pub fn referents<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    static REFERENTS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = object.py();
    let referents = REFERENTS.import(py, "gc", "get_referents")?;
    Ok(referents.call1((object,))?.cast_into::<PyList>()?)
}
