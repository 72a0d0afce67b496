//! Which lazy imports does one live module declare, and which has it used? (PEP 810)

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use transfuse_engine::ModuleName;
use transfuse_engine::sync::Mutex;

/// The key of the declaring module in the dict that lazy objects have in place of `builtins`.
pub const DECLARING: &str = "__transfuse_declaring__";

/// Whether any live module has declared one: until then no update looks for them.
static DECLARED: AtomicBool = AtomicBool::new(false);

/// Whether any live module has declared a lazy import.
pub fn are_declared() -> bool {
    DECLARED.load(Ordering::Acquire)
}

/// `shop.prices`: the names below packages in lazy imports, of live and foreign code, in whatever
/// generation. Such an attribute of a package is loaded when it is asked for. There are as many as
/// statements.
static BELOW_PACKAGES: Mutex<BTreeSet<ModuleName>> = Mutex::new(BTreeSet::new());

/// Lazy imports name that submodule.
pub fn declare_submodule(name: ModuleName) {
    BELOW_PACKAGES.lock().insert(name);
}

/// Transfuse leaves the process, or comes into it.
pub fn forget_submodules() {
    BELOW_PACKAGES.lock().clear();
}

/// The submodules of a package that lazy imports name.
pub fn submodules_of(package: &ModuleName) -> Vec<ModuleName> {
    let all = BELOW_PACKAGES.lock();
    // Its name and a dot come before all of them.
    let after = all.range(package.clone()..);
    let below = after.take_while(|name| name.as_str().starts_with(package.as_str()));
    below.filter(|name| name.parent().as_ref() == Some(package)).cloned().collect()
}

/// Whether lazy imports name that submodule.
pub fn name_submodule(name: &str) -> bool {
    ModuleName::new(name).is_ok_and(|name| BELOW_PACKAGES.lock().contains(&name))
}

/// The lazy imports of one live module. The locks are held for field access only.
#[derive(Default)]
pub struct LazyImports {
    /// The dict in place of `builtins` in its lazy objects: one, made with the first of them, and
    /// those of executions whose code it has taken in place.
    builtins: Mutex<Vec<Py<PyDict>>>,
    /// `shop.prices -> 12`: the line of the statement that names a module, the last one if several do.
    lines: Mutex<BTreeMap<String, u32>>,
    /// `PRICES`: names that were bound, or are about to be, because they were used.
    used: Mutex<BTreeSet<String>>,
    /// `(shop.prices, 17)`: which executions of modules it has used. Several of one module if generations
    /// shared this one.
    bound: Mutex<BTreeSet<(ModuleName, u64)>>,
}

impl LazyImports {
    /// The dict in place of `builtins` in its lazy objects, made by `make` if necessary.
    pub fn builtins<'py>(
        &self,
        py: Python<'py>,
        make: impl FnOnce() -> PyResult<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let known = self.builtins.lock().first().map(|known| known.bind(py).clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let made = make()?;
        self.builtins.lock().push(made.clone().unbind());
        Ok(made)
    }

    /// Whether it has declared any.
    pub fn has_any(&self) -> bool {
        !self.builtins.lock().is_empty()
    }

    /// Whether a lazy object with these `builtins` is one of this module's.
    pub fn has_made(&self, builtins: &Bound<'_, PyDict>) -> bool {
        self.builtins.lock().iter().any(|own| own.is(builtins))
    }

    /// `module` has taken the code of this execution in place: its lazy objects are that module's.
    pub fn become_those_of(
        &self,
        py: Python<'_>,
        module: &Bound<'_, PyAny>,
        others: &LazyImports,
    ) -> PyResult<()> {
        let builtins = std::mem::take(&mut *self.builtins.lock());
        for each in &builtins {
            each.bind(py).set_item(DECLARING, module)?;
        }
        others.builtins.lock().extend(builtins);
        others.lines.lock().append(&mut self.lines.lock());
        others.used.lock().append(&mut self.used.lock());
        others.bound.lock().append(&mut self.bound.lock());
        Ok(())
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

    /// A name stands, or stood, for something of that execution of a module.
    pub fn set_bound(&self, module: &ModuleName, execution: u64) {
        self.bound.lock().insert((module.clone(), execution));
    }

    /// Which executions of modules it has used.
    pub fn bound(&self) -> Vec<(ModuleName, u64)> {
        self.bound.lock().iter().cloned().collect()
    }

    /// For the cycle collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        for builtins in self.builtins.try_lock().iter().flat_map(|all| all.iter()) {
            visit.call(builtins)?;
        }
        Ok(())
    }
}
