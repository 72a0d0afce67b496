//! What does a generation hold only while it is staged?
//!
//! The generation that it would supersede, the modules that were executed for it, and those that
//! take new code in place. An update fills it; the end of the update empties it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pyo3::{gc::PyTraverseError, gc::PyVisit, prelude::*, types::PyList};
use transfuse_engine::{ModuleName, sync::Mutex};

use crate::cpython::exceptions;
use crate::state::{attempt, generation::Generation, lent_thread, live_module::LiveModule};

/// The state of a staged generation. The locks are held for field access only.
#[derive(Default)]
pub struct StagingArea {
    /// The generation it would supersede: none before staging, and none from the moment in which
    /// it is published. Written by the updating thread.
    base: Mutex<Option<Py<Generation>>>,
    /// Whether `base` is set: asked at every import.
    has_base: AtomicBool,
    /// `[shop.prices, shop.web]`: the executed instances, in this order. Written by each thread
    /// that loads a module for it, emptied when it is published or abandoned.
    executed: Mutex<Vec<Py<LiveModule>>>,
    /// How many modules the plan has, for progress reports. Written by the updating thread.
    expected: AtomicUsize,
    /// The modules that take new code in place. Emptied with `executed`.
    in_place: Mutex<Vec<Py<InPlaceUpdate>>>,
    /// Instances of the base that run again or go, and have changed `os.environ`: the last one first.
    /// Written by the updating thread, emptied with `executed`.
    setters: Mutex<Vec<Py<LiveModule>>>,
    /// The changes of these, as far as they are prepared. Emptied with `executed`.
    batches: Mutex<Vec<Py<InPlaceBatch>>>,
    /// `{shop}`: packages of the plan that no import has been found to lead through yet. Written by
    /// the updating thread (`loading/packages_before.rs`), emptied with `executed`.
    pub packages_before: Mutex<HashSet<ModuleName>>,
    /// The modules whose imports have been searched for these. As above.
    pub searched: Mutex<HashSet<ModuleName>>,
    /// `[shop.prices]`: submodules that were taken out of the namespace of their package, so that it does
    /// not list them (`loading/later_submodules.rs`). The end of the update puts them back.
    pub later: Mutex<Vec<ModuleName>>,
    /// `[shop.prices]`: modules that have run although the program had removed their entries from
    /// `sys.modules`. They have one again, which goes if the update is given up.
    pub had_no_entry: Mutex<Vec<ModuleName>>,
    /// Whether the staging thread has come to a module that has to run in the main thread. Written by it.
    lacks_main_thread: AtomicBool,
}

impl StagingArea {
    #[inline]
    pub fn has_base(&self) -> bool {
        self.has_base.load(Ordering::Acquire)
    }

    pub fn base<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Generation>> {
        if !self.has_base() {
            return None;
        }
        self.base.lock().as_ref().map(|base| base.bind(py).clone())
    }

    /// Says which generation it would supersede, or (none) that it is published. Returns the former
    /// base: dropping that can run Python code.
    pub fn set_base(&self, base: Option<Py<Generation>>) -> Option<Py<Generation>> {
        let has_base = base.is_some();
        let mut there = self.base.lock();
        let old = std::mem::replace(&mut *there, base);
        self.has_base.store(has_base, Ordering::Release);
        old
    }

    /// A module begins that has to run in the main thread. Refuses it in the thread that stages: then all
    /// modules run again in the main one (`update/steps.rs`).
    pub fn check_thread(&self) -> PyResult<()> {
        if lent_thread::is_lent() || attempt::current().is_none() {
            return Ok(());
        }
        self.lacks_main_thread.store(true, Ordering::Release);
        Err(exceptions::misuse("this module is to run in the main thread (__thread__)"))
    }

    pub fn lacks_main_thread(&self) -> bool {
        self.lacks_main_thread.load(Ordering::Acquire)
    }

    pub fn expect(&self, count: usize) {
        self.expected.store(count, Ordering::Relaxed);
    }

    /// Records that a module is executed. Returns how many that makes, and of how many.
    pub fn record_executed(&self, instance: &Bound<'_, LiveModule>) -> (usize, usize) {
        let mut executed = self.executed.lock();
        executed.push(instance.clone().unbind());
        (executed.len(), self.expected.load(Ordering::Relaxed).max(executed.len()))
    }

    /// The executed instances, in order, including those that have left the generation again.
    pub fn executed<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, LiveModule>> {
        self.executed.lock().iter().map(|one| one.bind(py).clone()).collect()
    }

    pub fn record_in_place(&self, change: Py<InPlaceUpdate>) {
        self.in_place.lock().push(change);
    }

    /// The modules that take new code in place, in the order in which they ran.
    pub fn in_place<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, InPlaceUpdate>> {
        self.in_place.lock().iter().map(|change| change.bind(py).clone()).collect()
    }

    /// Whether this module has run and takes its new code in place.
    pub fn takes_in_place(&self, py: Python<'_>, instance: &Bound<'_, LiveModule>) -> bool {
        self.in_place(py)
            .iter()
            .any(|change| std::ptr::eq(change.get().stays.get(), instance.get()))
    }

    pub fn set_setters(&self, setters: Vec<Py<LiveModule>>) {
        let old = std::mem::replace(&mut *self.setters.lock(), setters);
        drop(old);
    }

    pub fn setters<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, LiveModule>> {
        self.setters.lock().iter().map(|one| one.bind(py).clone()).collect()
    }

    pub fn record_batch(&self, batch: Py<InPlaceBatch>) {
        self.batches.lock().push(batch);
    }

    pub fn batches<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, InPlaceBatch>> {
        self.batches.lock().iter().map(|batch| batch.bind(py).clone()).collect()
    }

    /// Empties it: the generation is published, or abandoned.
    pub fn clear(&self) {
        self.packages_before.lock().clear();
        self.searched.lock().clear();
        let all = std::mem::take(&mut *self.executed.lock());
        let changes = std::mem::take(&mut *self.in_place.lock());
        let batches = std::mem::take(&mut *self.batches.lock());
        let setters = std::mem::take(&mut *self.setters.lock());
        // Dropped here, outside the locks: the last reference may run Python code.
        drop((all, changes, batches, setters));
    }

    /// For the cycle collector, which skips a field that another thread is writing.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        for instance in self.executed.try_lock().iter().flat_map(|all| all.iter()) {
            visit.call(instance)?;
        }
        for change in self.in_place.try_lock().iter().flat_map(|all| all.iter()) {
            visit.call(change)?;
        }
        for batch in self.batches.try_lock().iter().flat_map(|all| all.iter()) {
            visit.call(batch)?;
        }
        for instance in self.setters.try_lock().iter().flat_map(|all| all.iter()) {
            visit.call(instance)?;
        }
        match self.base.try_lock() {
            Some(base) => visit.call(base.as_ref()),
            None => Ok(()),
        }
    }
}

/// A change that could not be made in place, for the report: the module, and a sentence.
pub type InPlaceNote = (String, String);

/// A module whose new source has run beside it.
#[pyclass(frozen, module = "transfuse._core")]
pub struct InPlaceUpdate {
    /// The instance that stays.
    pub stays: Py<LiveModule>,
    /// The execution of the new source.
    pub shadow: Py<LiveModule>,
}

/// The changes of modules that were run together.
#[pyclass(frozen, module = "transfuse._core")]
pub struct InPlaceBatch {
    pub modules: Vec<Py<InPlaceUpdate>>,
    /// The `Change` of `transfuse/patching`.
    pub change: Py<PyAny>,
    /// Its pairs of calls: the change, and its undoing.
    pub steps: Py<PyList>,
    /// Whether the steps have been taken. Only the updating thread reads and writes it.
    pub done: AtomicBool,
}

#[pymethods]
impl InPlaceUpdate {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.stays)?;
        visit.call(&self.shadow)
    }
}

#[pymethods]
impl InPlaceBatch {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for module in &self.modules {
            visit.call(module)?;
        }
        visit.call(&self.change)?;
        visit.call(&self.steps)
    }
}
