//! How are calls of a builtin function observed that raises no audit event?
//!
//! Each call goes through the function object's `vectorcall`, which is replaced. The object keeps its
//! identity, name, hash and equality, so code that holds it notices nothing. From 3.11 on, a call site
//! that is specialized for the flags of the method definition does not use `vectorcall`. So the
//! object gets a copy of its definition with one more flag, `METH_COEXIST`, which has a meaning only
//! while a type is made: call sites are not specialized for it. As with audit hooks, this cannot be
//! undone.

use std::ffi::c_int;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::{exceptions::PyTypeError, ffi, prelude::*};

/// `METH_COEXIST` of the C API.
const COEXIST: c_int = 0x40;

/// How many functions can be observed.
pub const PLACES: usize = 8;

/// Gets the position of the function in the list, and the first argument of a call that has
/// returned. It must not raise.
type Observer = fn(usize, &Bound<'_, PyAny>);

/// The `vectorcall` that each observed function had. Written once, before its replacement is in place.
static ORIGINALS: [AtomicPtr<()>; PLACES] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; PLACES];

/// The one observer of all. Written before the first function is observed.
static OBSERVER: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

/// Calls `observer` after each call of these builtin functions, at most `PLACES`, for the life of the
/// process.
pub fn observe(functions: &[Bound<'_, PyAny>], observer: Observer) -> PyResult<()> {
    OBSERVER.store(observer as *mut (), Ordering::Release);
    let replacements: [ffi::vectorcallfunc; PLACES] =
        [call::<0>, call::<1>, call::<2>, call::<3>, call::<4>, call::<5>, call::<6>, call::<7>];
    for (at, function) in functions.iter().take(PLACES).enumerate() {
        // SAFETY: attached; the type is checked before the object is taken for one of it. The copy of
        // the definition is never freed, as the original one is not.
        unsafe {
            if ffi::PyCFunction_CheckExact(function.as_ptr()) == 0 {
                return Err(PyTypeError::new_err("no builtin function"));
            }
            let object = function.as_ptr().cast::<ffi::PyCFunctionObject>();
            let Some(original) = (*object).vectorcall else { continue };
            ORIGINALS[at].store(original as *mut (), Ordering::Release);
            let mut definition = std::ptr::read((*object).m_ml);
            definition.ml_flags |= COEXIST;
            (*object).m_ml = Box::into_raw(Box::new(definition));
            (*object).vectorcall = Some(replacements[at]);
        }
    }
    Ok(())
}

/// Calls the function of a place, and then the observer.
unsafe extern "C" fn call<const AT: usize>(
    callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    nargsf: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: both pointers were stored with these types, before this function was in place;
    // the interpreter passes as many arguments as it says, and a thread that calls is attached. The
    // error of the call, if there is one, is put back.
    unsafe {
        let original: ffi::vectorcallfunc =
            std::mem::transmute(ORIGINALS[AT].load(Ordering::Acquire));
        let result = original(callable, args, nargsf, names);
        if ffi::PyVectorcall_NARGS(nargsf) > 0 {
            let observer: Observer = std::mem::transmute(OBSERVER.load(Ordering::Acquire));
            let py = Python::assume_attached();
            observer(AT, &Bound::from_borrowed_ptr(py, *args));
        }
        result
    }
}
