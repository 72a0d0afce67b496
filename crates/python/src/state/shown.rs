//! Is the entry of a module in `sys.modules` still the one that was last seen?
//!
//! Every import asks this. `sysmodules/entry.rs` decides about other entries.

use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::{ffi, gc::PyTraverseError, gc::PyVisit, prelude::*};
use transfuse_engine::sync::Mutex;

/// The entry of an instance in `sys.modules` when that was last as expected.
#[derive(Default)]
pub struct LastShown {
    /// Held, so that nothing else can come to lie where it lies. Locked for field access only.
    held: Mutex<Option<Py<PyAny>>>,
    /// Its address, which each import of the instance compares. Written with `held`.
    at: AtomicPtr<ffi::PyObject>,
}

impl LastShown {
    #[inline]
    pub fn is(&self, there: &Bound<'_, PyAny>) -> bool {
        self.at.load(Ordering::Acquire) == there.as_ptr()
    }

    pub fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.held.lock().as_ref().map(|held| held.bind(py).clone())
    }

    /// This stands there, and it should.
    pub fn set(&self, there: &Bound<'_, PyAny>) {
        let mut held = self.held.lock();
        self.at.store(there.as_ptr(), Ordering::Release);
        let old = held.replace(there.clone().unbind());
        drop(held);
        drop(old);
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.held.try_lock() {
            Some(held) => visit.call(held.as_ref()),
            None => Ok(()),
        }
    }
}
