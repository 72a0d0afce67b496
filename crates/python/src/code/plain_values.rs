//! Text and numbers, which are the same where their values are.

use crate::code::names::Constants;
use crate::cpython::address_map::Pointer;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString};

/// Adds a constant of some code if it is text or a number, but for those found everywhere.
pub fn add_constant(constant: &Bound<'_, PyAny>, into: &mut Constants) {
    // Not every constant is asked for a number: one that is none raises an exception.
    let common = || constant.extract::<i64>().is_ok_and(|number| (0..=1).contains(&number));
    if is_plain(constant.py(), constant.as_ptr())
        && !(constant.is_exact_instance_of::<PyInt>() && common())
    {
        into.insert(worth(constant.py(), constant.as_ptr()));
    }
}

/// Whether it is text or a number, which is known by its value.
pub fn is_plain(py: Python<'_>, object: Pointer) -> bool {
    // SAFETY: attached, a live object.
    let object = unsafe { Bound::from_borrowed_ptr(py, object) };
    object.is_exact_instance_of::<PyString>()
        || object.is_exact_instance_of::<PyInt>()
        || object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyBytes>()
}

/// A number that is equal for the same object, and for equal text and numbers.
pub fn worth(py: Python<'_>, object: Pointer) -> u64 {
    if object.is_null() {
        return 0;
    }
    // SAFETY: attached, a live object.
    let bound = unsafe { Bound::from_borrowed_ptr(py, object) };
    if bound.is_exact_instance_of::<PyInt>() && !bound.is_exact_instance_of::<PyBool>() {
        // -1 and -2 have the same hash.
        if let Ok(number) = bound.extract::<i64>() {
            return number.cast_unsigned().rotate_left(17) ^ 0x5bd1_e995;
        }
    }
    let hash = if is_plain(py, object) { bound.hash().ok() } else { None };
    hash.map_or(object as u64, |hash| hash.cast_unsigned() as u64)
}
