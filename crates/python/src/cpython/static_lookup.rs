//! How is an object inspected without running its code?
//!
//! `isinstance` asks for `__class__`, which a lazy object answers by being made, and
//! `getattr` runs properties and `__getattr__`: a connection is opened, a lock taken,
//! a second passes, because a module beside it was edited. So here an object is
//! known by its type and by its own dict. No code of the program runs.

use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use pyo3::{ffi, prelude::*, sync::PyOnceLock};

/// Whether an object's type is one of these, or derives from one.
pub fn is_a(object: &Bound<'_, PyAny>, kinds: &Bound<'_, PyTuple>) -> bool {
    // SAFETY: attached; the type of a live object, and live objects that are types.
    kinds.iter_borrowed().any(|kind| unsafe {
        ffi::PyType_Check(kind.as_ptr()) != 0
            && ffi::PyObject_TypeCheck(object.as_ptr(), kind.as_ptr().cast()) != 0
    })
}

/// The types of these names, `("functools", "partial")`, looked up once.
pub fn types<'py>(
    py: Python<'py>,
    once: &'static PyOnceLock<Py<PyTuple>>,
    names: &[(&str, &str)],
) -> PyResult<&'py Bound<'py, PyTuple>> {
    let found = once.get_or_try_init(py, || {
        let found = names.iter().map(|(module, name)| py.import(*module)?.getattr(*name));
        PyTuple::new(py, found.collect::<PyResult<Vec<_>>>()?).map(Bound::unbind)
    });
    found.map(|types| types.bind(py))
}

/// Whether it is a function that was written in Python.
pub fn is_function(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: attached, a live object.
    (unsafe { ffi::PyFunction_Check(object.as_ptr()) }) != 0
}

/// The dict of an object's attributes, made if need be; none where its type has none.
pub fn attributes<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyDict>> {
    // SAFETY: attached, a live object and its type; the result is a new reference, or null with an
    // exception set.
    let found = unsafe {
        if (*ffi::Py_TYPE(object.as_ptr())).tp_dictoffset == 0 {
            return None;
        }
        let made = ffi::PyObject_GenericGetDict(object.as_ptr(), std::ptr::null_mut());
        Bound::from_owned_ptr_or_opt(object.py(), made)
    };
    if found.is_none() {
        drop(PyErr::take(object.py()));
    }
    found?.cast_into_exact::<PyDict>().ok()
}

/// The same, but none if an object of a built-in type (an `OrderedDict`) has no attributes yet: it would
/// keep the dict that is made here.
pub fn present_attributes<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyDict>> {
    // SAFETY: attached, a live object of a type that has its dict in this place; it is null until it
    // is made.
    let present = unsafe {
        let offset = (*ffi::Py_TYPE(object.as_ptr())).tp_dictoffset;
        if offset <= 0 || cfg!(Py_GIL_DISABLED) {
            return attributes(object);
        }
        let dict = *object.as_ptr().byte_offset(offset).cast::<*mut ffi::PyObject>();
        Bound::from_borrowed_ptr_or_opt(object.py(), dict)
    };
    present?.cast_into_exact::<PyDict>().ok().filter(|all| !all.is_empty())
}

/// The dict of a class; none of a built-in class.
pub fn of_class<'py>(class: &Bound<'py, PyType>) -> Option<Bound<'py, PyDict>> {
    // SAFETY: attached; a live type, whose dict is its own for as long as it lives.
    unsafe {
        if ffi::PyType_HasFeature(class.as_type_ptr(), ffi::Py_TPFLAGS_HEAPTYPE) == 0 {
            return None;
        }
        let dict = (*class.as_type_ptr()).tp_dict;
        Bound::from_borrowed_ptr_or_opt(class.py(), dict)?.cast_into::<PyDict>().ok()
    }
}

/// The value that an object has under a name, in its dict or in a slot. No descriptor and no
/// `__getattr__` is called. The dict of its attributes is made only where its class has that name.
pub fn own<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> Option<Bound<'py, PyAny>> {
    let py = object.py();
    let kind = object.get_type();
    let classes = kind.mro();
    let mut classes = classes.iter().filter_map(|class| of_class(class.cast::<PyType>().ok()?));
    let of_type = classes.find_map(|class| class.get_item(name).ok().flatten());
    // SAFETY: attached, live objects. Where no class has the name, the generic lookup reads the
    // instance's own values; reading a slot runs C code that reads a field. The results are new
    // references, or null with an exception set.
    let read = unsafe {
        let Some(found) = of_type else {
            let read = ffi::PyObject_GenericGetAttr(object.as_ptr(), name.as_ptr());
            let read = Bound::from_owned_ptr_or_opt(py, read);
            if read.is_none() {
                drop(PyErr::take(py));
            }
            return read;
        };
        if let Some(own) = attributes(object).and_then(|all| all.get_item(name).ok().flatten()) {
            return Some(own);
        }
        if !std::ptr::eq(ffi::Py_TYPE(found.as_ptr()), &raw const ffi::PyMemberDescr_Type) {
            return None;
        }
        let read = (*ffi::Py_TYPE(found.as_ptr())).tp_descr_get?;
        Bound::from_owned_ptr_or_opt(py, read(found.as_ptr(), object.as_ptr(), kind.as_ptr()))
    };
    if read.is_none() {
        drop(PyErr::take(py));
    }
    read
}
