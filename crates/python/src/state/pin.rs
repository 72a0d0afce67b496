//! What ties a unit of work to one generation?
//!
//! A [`Pin`] stands in a context variable for as long as the unit of work
//! lasts. Copies of the context that outlive the unit keep the `Pin` object,
//! but it has let go of its generation by then, so they go on by the rule for
//! unpinned code (`state/caller.rs`). Pins are counted per unit, never per context.

use std::{ffi::CStr, sync::Arc, sync::OnceLock, sync::atomic::Ordering};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::{exceptions::PyRuntimeError, ffi, prelude::*, sync::PyOnceLock, types::PyTuple};
use transfuse_engine::sync::Mutex;

use crate::state::{
    generation::Generation, request_counts::CountedRequest, runtime, runtime::Runtime,
    scope::Scope, unit_of_work::UnitOfWork,
};

const NAME: &CStr = c"transfuse_pin";

/// The context variable. Its value is a [`Pin`].
static VARIABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

fn variable(py: Python<'_>) -> &Py<PyAny> {
    VARIABLE.get_or_init(py, || {
        // SAFETY: attached; a null default means "none".
        unsafe {
            let made = ffi::PyContextVar_New(NAME.as_ptr(), std::ptr::null_mut());
            Bound::from_owned_ptr(py, made).unbind()
        }
    })
}

/// The generation that the running unit of work is pinned to, if it is.
pub fn pinned(py: Python<'_>) -> Option<Bound<'_, Generation>> {
    in_force(py)?.get().held(py)
}

/// The pin of the running unit of work.
fn in_force(py: Python<'_>) -> Option<Bound<'_, Pin>> {
    let mut value = std::ptr::null_mut();
    // SAFETY: attached; on success `value` is null or a new reference.
    let found = unsafe {
        if ffi::PyContextVar_Get(variable(py).as_ptr(), std::ptr::null_mut(), &mut value) < 0 {
            ffi::PyErr_Clear();
            return None;
        }
        Bound::from_owned_ptr_or_opt(py, value)?
    };
    found.cast_into_exact::<Pin>().ok()
}

/// The running unit of work has asked for an update itself: it goes on in the current generation.
pub fn follow(py: Python<'_>) {
    let Some(pin) = in_force(py) else { return };
    let pin = pin.get();
    let next = pin.runtime.pin_current(py);
    let number = next.get().id.0;
    let before = {
        let mut held = pin.generation.lock();
        held.is_some().then(|| {
            (held.replace(next.unbind()), pin.unit.generation.swap(number, Ordering::AcqRel))
        })
    };
    // The unit of work was over already, so the new count is taken back.
    pin.runtime.unpin(before.as_ref().map_or(number, |(_, old)| *old));
    drop(before);
}

/// This thread belongs to one generation, until this is dropped: whatever happens meanwhile. For code that
/// stages, and that uses a lazy import for code of another generation.
pub struct GenerationScope<'py>(Bound<'py, Pin>);

impl<'py> GenerationScope<'py> {
    pub fn begin(scope: &Scope<'py>) -> PyResult<Self> {
        let generation = scope.generation.clone().unbind();
        // Not counted: the caller holds the generation.
        let pin = Pin {
            runtime: scope.runtime,
            unit: Arc::new(UnitOfWork::new(scope.generation.get().id.0, None)),
            generation: Mutex::new(Some(generation)),
            tokens: Mutex::new(Vec::new()),
            counted: None,
            request: OnceLock::new(),
        };
        let pin = Bound::new(scope.py, pin)?;
        Pin::resume(&pin)?;
        Ok(GenerationScope(pin))
    }
}

impl Drop for GenerationScope<'_> {
    fn drop(&mut self) {
        let _ = self.0.get().suspend(self.0.py());
        self.0.get().close();
    }
}

/// A unit of work tied to one generation, until `end` is called.
#[pyclass(frozen, module = "transfuse._core")]
pub struct Pin {
    runtime: &'static Runtime,
    /// The generation, none once the unit of work has ended. Replaced by `follow`.
    generation: Mutex<Option<Py<Generation>>>,
    /// Its description, including the generation's number, which is asked for after the end too.
    unit: Arc<UnitOfWork>,
    /// The tokens that reset the context variable, innermost last. A unit of work is run by one
    /// thread at a time, but not always the same: the lock is for the moment of handing over.
    tokens: Mutex<Vec<Py<PyAny>>>,
    /// Its number among the units of work (the staging thread's pin has none).
    counted: Option<u64>,
    /// The request that it is counted as, if it is one. It stays that of the generation in which it began.
    request: OnceLock<CountedRequest>,
}

impl Pin {
    /// One for a unit of work that begins now, in the generation of the enclosing one, else in the
    /// current one.
    pub fn begin(py: Python<'_>, what: Option<String>) -> PyResult<Self> {
        let runtime = runtime::required()?;
        let generation = match pinned(py) {
            Some(outer) if runtime.generations.pin(outer.get().id) => outer,
            _ => runtime.pin_current(py),
        };
        let unit = Arc::new(UnitOfWork::new(generation.get().id.0, what));
        Ok(Pin {
            runtime,
            counted: Some(runtime.units.add(&unit)),
            unit,
            generation: Mutex::new(Some(generation.unbind())),
            tokens: Mutex::new(Vec::new()),
            request: OnceLock::new(),
        })
    }

    /// Counts it as a request of its generation; only the first call does anything.
    pub fn begin_request(&self, py: Python<'_>) {
        if let Some(generation) = self.held(py) {
            let counts = generation.get().requests.clone();
            self.request.get_or_init(|| CountedRequest::begin(counts));
        }
    }

    /// The request that it is counted as.
    pub fn request(&self) -> Option<&CountedRequest> {
        self.request.get()
    }

    /// The generation, until the unit of work has ended.
    pub fn held<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Generation>> {
        self.generation.lock().as_ref().map(|g| g.bind(py).clone())
    }

    /// Ends the unit of work, once.
    pub fn close(&self) {
        if let Some(request) = self.request.get() {
            request.answered();
        }
        let held = self.generation.lock().take();
        if held.is_some()
            && let Some(counted) = self.counted
            && self.runtime.units.remove(counted)
        {
            self.runtime.unpin(self.unit.generation.load(Ordering::Acquire));
        }
    }
}

impl Drop for Pin {
    /// A unit of work was dropped without an `end` (a body that was never closed).
    fn drop(&mut self) {
        self.close();
    }
}

#[pymethods]
impl Pin {
    /// Takes the generation of the enclosing unit of work, else the current one.
    #[new]
    #[pyo3(signature = (what=None))]
    fn new(py: Python<'_>, what: Option<String>) -> PyResult<Self> {
        Pin::begin(py, what)
    }

    #[getter(generation)]
    fn number(&self) -> u64 {
        self.unit.generation.load(Ordering::Acquire)
    }

    /// Makes the running context see this pin.
    pub fn resume(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        // SAFETY: attached; both are live objects; null means an exception is set.
        let token = unsafe {
            let token = ffi::PyContextVar_Set(variable(py).as_ptr(), slf.as_ptr());
            Bound::from_owned_ptr_or_err(py, token)?
        };
        slf.get().tokens.lock().push(token.unbind());
        slf.get().unit.run_by_this_thread();
        Ok(())
    }

    /// Undoes the last `resume`, in the same context.
    pub fn suspend(&self, py: Python<'_>) -> PyResult<()> {
        let Some(token) = self.tokens.lock().pop() else {
            return Err(PyRuntimeError::new_err("this pin is not in force here"));
        };
        // SAFETY: as above.
        let status = unsafe { ffi::PyContextVar_Reset(variable(py).as_ptr(), token.as_ptr()) };
        if status < 0 {
            // Another context than the one that resumed (a generator closed by the collector):
            // there is nothing to reset here.
            drop(PyErr::fetch(py));
        }
        Ok(())
    }

    /// Counts it as a request of its generation; only the first call does anything.
    #[pyo3(name = "begin_request")]
    fn counts_as_request(&self, py: Python<'_>) {
        self.begin_request(py);
    }

    /// The request that it is counted as has failed.
    fn failed(&self) {
        if let Some(request) = self.request.get() {
            request.failed();
        }
    }

    /// Ends the unit of work. Calling it again does nothing.
    fn end(&self) {
        self.close();
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        Pin::resume(&slf)?;
        Ok(slf)
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyTuple>) -> PyResult<()> {
        let suspended = self.suspend(py);
        self.close();
        suspended
    }

    fn __repr__(&self) -> String {
        format!("<pin to generation {}>", self.number())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(held) = self.generation.try_lock() {
            visit.call(held.as_ref())?;
        }
        if let Some(tokens) = self.tokens.try_lock() {
            for token in tokens.iter() {
                visit.call(token)?;
            }
        }
        Ok(())
    }
}
