//! Which thread is running, and in which interpreter?
//!
//! CPython's own identifier, and a number of ours that is never used twice in a process.

use std::{cell::Cell, ffi::c_ulong, sync::atomic::AtomicU64, sync::atomic::Ordering};

use pyo3::ffi;

unsafe extern "C" {
    /// `threading.get_ident()`, part of the stable C API since 3.2.
    fn PyThread_get_thread_ident() -> c_ulong;
}

/// The running thread, as `threading.get_ident` has it.
pub fn ident() -> u64 {
    // SAFETY: takes nothing and only reads what the thread itself has.
    unsafe { PyThread_get_thread_ident() as u64 }
}

/// The number of the running thread, for the engine's waiting rule.
pub fn thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local!(static NUMBER: Cell<u64> = const { Cell::new(0) });
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    })
}

/// Whether the thread is in the main interpreter, and not in a sub-interpreter. The thread must be attached.
///
/// A thread of the main interpreter that runs code in a sub-interpreter is the same thread of the system,
/// so `thread_local!` says nothing about it; and objects of one interpreter must not be touched in another.
pub fn is_in_main_interpreter() -> bool {
    // SAFETY: attached, so there is a current interpreter.
    unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) == 0 }
}
