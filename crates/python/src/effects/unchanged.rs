//! Does a container hold what it held, as far as that shows without reading it?
//!
//! Whenever control passes from one module's code to another's, all containers that the first may have
//! reached are compared (`state_snapshot.rs`), and nearly none has changed.

use pyo3::ffi;

use crate::cpython::address_map::Pointer;
#[cfg(not(Py_GIL_DISABLED))]
use crate::cpython::referents;
use crate::effects::container::Kind;
use crate::effects::owner::Container;

/// The dict whose version shows whether a container differs, where there is such a thing; else null.
pub fn versioned(object: Pointer, kind: Kind) -> Pointer {
    #[cfg(not(any(Py_3_12, Py_GIL_DISABLED)))]
    // SAFETY: attached, live objects of these types; a class keeps its dict for as long as it lives.
    unsafe {
        match kind {
            Kind::Namespace => object,
            Kind::Dict if ffi::PyDict_CheckExact(object) != 0 => object,
            Kind::Class => (*object.cast::<ffi::PyTypeObject>()).tp_dict,
            _ => std::ptr::null_mut(),
        }
    }
    #[cfg(any(Py_3_12, Py_GIL_DISABLED))]
    {
        let _ = (object, kind);
        std::ptr::null_mut()
    }
}

/// A number that differs when a dict does.
#[inline]
pub fn version(dict: Pointer) -> Option<u64> {
    #[cfg(not(any(Py_3_12, Py_GIL_DISABLED)))]
    // SAFETY: attached; a live dict, or null.
    return (!dict.is_null())
        .then(|| unsafe { (*dict.cast::<ffi::PyDictObject>()).ma_version_tag });
    #[cfg(any(Py_3_12, Py_GIL_DISABLED))]
    {
        let _ = dict;
        None
    }
}

/// Whether it holds what it held, compared where that lies. If not, it may do so nevertheless.
#[inline]
pub fn is_same_in_place(container: &Container, before: &[Pointer]) -> bool {
    #[cfg(not(Py_GIL_DISABLED))]
    if container.kind == Kind::List {
        // SAFETY: attached, a live list; the items are borrowed from it.
        return unsafe {
            let list = container.object.cast::<ffi::PyListObject>();
            let len = ffi::Py_SIZE(container.object).cast_unsigned();
            len == before.len()
                && (len == 0 || std::slice::from_raw_parts((*list).ob_item, len) == before)
        };
    }
    #[cfg(not(Py_GIL_DISABLED))]
    if container.kind == Kind::Function {
        // SAFETY: attached, a live function.
        let function = unsafe { &*container.object.cast::<ffi::PyFunctionObject>() };
        // As `container::read` has them.
        let parts = [
            function.func_closure,
            function.func_defaults,
            function.func_kwdefaults,
            function.func_dict,
        ];
        return parts.into_iter().filter(|part| !part.is_null()).eq(before.iter().copied());
    }
    #[cfg(not(Py_GIL_DISABLED))]
    if container.kind == Kind::Other {
        return referents::are(container.object, before);
    }
    let _ = (container, before);
    false
}
