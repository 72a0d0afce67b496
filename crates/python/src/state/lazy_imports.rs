//! What is known of the lazy imports that one live module declares? (PEP 810)

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use transfuse_engine::ModuleName;
use transfuse_engine::sync::Mutex;

/// Whether any live module has declared one: until then no update looks for them.
static DECLARED: AtomicBool = AtomicBool::new(false);

/// Whether any live module has declared a lazy import.
pub fn are_declared() -> bool {
    DECLARED.load(Ordering::Acquire)
}

/// The lazy imports of one live module. The locks are held for field access only.
#[derive(Default)]
pub struct LazyImports {
    /// What stands for `builtins` in its lazy objects. Made with the first one.
    builtins: Mutex<Option<Py<PyDict>>>,
    /// `shop.prices -> 12`: the line of the statement that names a module, the last one if several do.
    lines: Mutex<BTreeMap<String, u32>>,
    /// `PRICES`: names that were bound, or are about to be, because they were used.
    used: Mutex<BTreeSet<String>>,
    /// `shop.prices -> 17`: which execution of a module it was bound to.
    bound: Mutex<BTreeMap<ModuleName, u64>>,
}

impl LazyImports {
    /// What stands for `builtins` in its lazy objects, made by `make` if need be.
    pub fn builtins<'py>(
        &self,
        py: Python<'py>,
        make: impl FnOnce() -> PyResult<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let known = self.builtins.lock().as_ref().map(|known| known.bind(py).clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let made = make()?;
        let mut builtins = self.builtins.lock();
        Ok(builtins.get_or_insert_with(|| made.unbind()).bind(py).clone())
    }

    /// Whether a lazy object with these `builtins` is one of this module's.
    pub fn has_made(&self, builtins: &Bound<'_, PyDict>) -> bool {
        self.builtins.lock().as_ref().is_some_and(|own| own.is(builtins))
    }

    /// A statement in this line declares a lazy import of the module.
    pub fn declare(&self, module: &str, line: u32) {
        DECLARED.store(true, Ordering::Release);
        self.lines.lock().insert(module.to_owned(), line);
    }

    /// The line of the statement that declares a lazy import of the module.
    pub fn line(&self, module: &str) -> u32 {
        self.lines.lock().get(module).copied().unwrap_or(1)
    }

    /// The name is used.
    pub fn set_used(&self, name: &str) {
        self.used.lock().insert(name.to_owned());
    }

    /// Whether the name is a lazy import that was used.
    pub fn is_used(&self, name: &str) -> bool {
        self.used.lock().contains(name)
    }

    /// A name is bound to something of that execution of a module.
    pub fn set_bound(&self, module: &ModuleName, execution: u64) {
        self.bound.lock().insert(module.clone(), execution);
    }

    /// Which executions of modules its names are bound to.
    pub fn bound(&self) -> Vec<(ModuleName, u64)> {
        self.bound.lock().iter().map(|(name, execution)| (name.clone(), *execution)).collect()
    }

    /// For the cycle collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.builtins.try_lock() {
            Some(builtins) => visit.call(builtins.as_ref()),
            None => Ok(()),
        }
    }
}
