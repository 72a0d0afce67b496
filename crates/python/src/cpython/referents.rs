//! What does an object refer to? As the cycle collector sees it, without running any code.

#[cfg(not(Py_GIL_DISABLED))]
use std::ffi::{c_int, c_void};

#[cfg(not(Py_GIL_DISABLED))]
use pyo3::ffi;
use pyo3::prelude::*;

use crate::cpython::address_map::Pointer;

/// The objects that the cycle collector would visit: items, attributes, slots, and the type.
pub fn visit(py: Python<'_>, object: Pointer, into: &mut Vec<Pointer>) {
    #[cfg(not(Py_GIL_DISABLED))]
    // SAFETY: attached, a live object; `push` runs no Python code, and gets what it is given here.
    unsafe {
        extern "C" fn push(object: Pointer, into: *mut c_void) -> c_int {
            // SAFETY: `into` is what `visit` hands over, and nothing else refers to it meanwhile.
            unsafe { (*into.cast::<Vec<Pointer>>()).push(object) };
            0
        }
        if let Some(traverse) = traverse_of(object) {
            traverse(object, push, std::ptr::from_mut(into).cast());
        }
    }
    #[cfg(Py_GIL_DISABLED)]
    // SAFETY: attached, a live object.
    if let Ok(all) =
        crate::cpython::snapshot::referents(&unsafe { Bound::from_borrowed_ptr(py, object) })
    {
        into.extend(all.iter().map(|each| each.as_ptr()));
    }
    let _ = py;
}

/// Whether it would visit these objects, in this order, and no others.
#[cfg(not(Py_GIL_DISABLED))]
pub fn are(object: Pointer, these: &[Pointer]) -> bool {
    struct Rest<'a> {
        expected: std::slice::Iter<'a, Pointer>,
        differs: bool,
    }
    extern "C" fn compare(object: Pointer, rest: *mut c_void) -> c_int {
        // SAFETY: `rest` is what `are` hands over, and nothing else refers to it meanwhile.
        let rest = unsafe { &mut *rest.cast::<Rest<'_>>() };
        // Accumulated, because some `tp_traverse` functions ignore a nonzero result and go on.
        rest.differs |= rest.expected.next() != Some(&object);
        rest.differs.into()
    }
    let mut rest = Rest { expected: these.iter(), differs: false };
    // SAFETY: attached, a live object; `compare` runs no Python code, and gets what it is given here.
    unsafe {
        if let Some(traverse) = traverse_of(object) {
            traverse(object, compare, (&raw mut rest).cast());
        }
    }
    !rest.differs && rest.expected.as_slice().is_empty()
}

/// The function that visits what an object refers to, if the cycle collector sees that object. The answer is
/// that of `PyObject_IS_GC`, without a call into the interpreter: this runs for each object that is compared.
///
/// # Safety
/// Attached; a live object.
#[cfg(not(Py_GIL_DISABLED))]
#[inline]
unsafe fn traverse_of(object: Pointer) -> Option<ffi::traverseproc> {
    // SAFETY: as the caller says. The functions of a type run no Python code here.
    unsafe {
        let kind = &*ffi::Py_TYPE(object);
        if kind.tp_flags & ffi::Py_TPFLAGS_HAVE_GC == 0 {
            return None;
        }
        match kind.tp_is_gc {
            Some(is_gc) if is_gc(object) == 0 => None,
            _ => kind.tp_traverse,
        }
    }
}
