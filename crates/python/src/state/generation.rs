//! What is a generation, as Python objects?
//!
//! A numbered view of the roots together with the instances loaded from it.
//! The instances live in a Python dict, so that the cycle collector sees them:
//! a generation that nothing refers to any more goes, whatever its modules
//! refer to among themselves. Numbers, pins and who is kept are the engine's.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyWeakrefMethods, PyWeakrefReference};
use transfuse_engine::{GenerationId, ModuleName, View};

use crate::state::live_module::Instance;
use crate::state::reported_absent::Denied;
use crate::state::staging_area::{Batch, InPlace};

/// One generation: what it knows and what it has loaded.
#[pyclass(frozen, module = "transfuse._core")]
pub struct Generation {
    /// Its number, `12`.
    pub id: GenerationId,
    /// What it knows: path -> source. Fixed, but for files that nobody had seen when it was made.
    view: Mutex<View>,
    /// What is not there for whoever is pinned to it, and never will be: see `late.rs`. A lock for
    /// set operations only.
    pub denied: Mutex<Denied>,
    /// What it has loaded: `"shop.prices" -> Instance`, those being loaded included. Grows on
    /// demand; entries leave when a load fails, and turn into weak references when it is let go of.
    pub instances: Py<PyDict>,
    /// While it is staged: the generation it would supersede. None before and after.
    base: Mutex<Option<Py<Generation>>>,
    /// While it is staged: what was executed for it, in this order. Emptied when it is published.
    executed: Mutex<Vec<Py<Instance>>>,
    /// While it is staged: how many modules the plan has. For those who watch.
    expected: AtomicUsize,
    /// While it is staged: the modules that take new code in place. Emptied with `executed`.
    in_place: Mutex<Vec<Py<InPlace>>>,
    /// What these become, as far as it has been written down. Emptied with `executed`.
    batches: Mutex<Vec<Py<Batch>>>,
}

impl Generation {
    /// A generation that knows `view` and shares `instances` (a dict of its own).
    pub fn new(id: GenerationId, view: View, instances: Py<PyDict>) -> Self {
        Generation {
            id,
            view: Mutex::new(view),
            denied: Mutex::default(),
            instances,
            base: Mutex::new(None),
            executed: Mutex::default(),
            expected: AtomicUsize::new(0),
            in_place: Mutex::default(),
            batches: Mutex::default(),
        }
    }

    /// The generation it would supersede, if it is staged.
    pub fn base<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Generation>> {
        self.base.lock().unwrap().as_ref().map(|g| g.bind(py).clone())
    }

    /// Says that it is staged over another, or (none) that it no longer is. Returns what it was staged
    /// over.
    pub fn set_base(&self, base: Option<Py<Generation>>) -> Option<Py<Generation>> {
        std::mem::replace(&mut *self.base.lock().unwrap(), base)
    }

    /// Says how many modules are to run for it.
    pub fn expect(&self, count: usize) {
        self.expected.store(count, Ordering::Relaxed);
    }

    /// Notes what is executed for it while it is staged. Returns how many that makes, and of how
    /// many.
    pub fn note_executed(&self, instance: &Bound<'_, Instance>) -> (usize, usize) {
        let mut executed = self.executed.lock().unwrap();
        executed.push(instance.clone().unbind());
        (executed.len(), self.expected.load(Ordering::Relaxed).max(executed.len()))
    }

    /// What was executed for it, and is still part of it.
    pub fn executed<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, Instance>> {
        let all: Vec<_> =
            self.executed.lock().unwrap().iter().map(|i| i.bind(py).clone()).collect();
        all.into_iter().filter(|instance| self.holds(py, instance)).collect()
    }

    /// Notes that a module takes new code in place.
    pub fn note_in_place(&self, change: Py<InPlace>) {
        self.in_place.lock().unwrap().push(change);
    }

    /// The modules that take new code in place, in the order in which they ran.
    pub fn in_place<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, InPlace>> {
        self.in_place.lock().unwrap().iter().map(|change| change.bind(py).clone()).collect()
    }

    /// Notes what some of them become.
    pub fn note_batch(&self, batch: Py<Batch>) {
        self.batches.lock().unwrap().push(batch);
    }

    /// What they become, as far as it has been written down.
    pub fn batches<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, Batch>> {
        self.batches.lock().unwrap().iter().map(|batch| batch.bind(py).clone()).collect()
    }

    /// Whether it is staged and this module has run for it, and takes its new code in place.
    pub fn takes_in_place(&self, py: Python<'_>, instance: &Bound<'_, Instance>) -> bool {
        self.in_place(py).iter().any(|change| std::ptr::eq(change.get().stays(), instance.get()))
    }

    /// Forgets what was executed: it is published, or abandoned.
    pub fn forget_executed(&self) {
        let all = std::mem::take(&mut *self.executed.lock().unwrap());
        let changes = std::mem::take(&mut *self.in_place.lock().unwrap());
        let batches = std::mem::take(&mut *self.batches.lock().unwrap());
        drop((all, changes, batches));
    }

    /// The instance of that name, ready or being loaded.
    pub fn get<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyString>,
    ) -> Option<Bound<'py, Instance>> {
        let found = self.instances.bind(py).get_item(name).ok().flatten()?;
        match found.cast_into_exact::<Instance>() {
            Ok(instance) => Some(instance),
            Err(weak) => {
                weak.into_inner().cast_into::<PyWeakrefReference>().ok()?.upgrade_as().ok()?
            }
        }
    }

    /// The same by a Rust string.
    pub fn find<'py>(&self, py: Python<'py>, name: &str) -> Option<Bound<'py, Instance>> {
        self.get(py, &PyString::new(py, name))
    }

    /// All of its instances.
    pub fn all<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, Instance>> {
        let values = self.instances.bind(py).values();
        values.iter().filter_map(|value| value.cast_into_exact::<Instance>().ok()).collect()
    }

    /// The last parts of the names of a package's submodules that it has, `["prices"]`.
    pub fn children(&self, py: Python<'_>, package: &ModuleName) -> Vec<String> {
        let all = self.all(py).into_iter().map(|one| one.get().name.clone());
        let children = all.filter(|name| name.parent().as_ref() == Some(package));
        children.map(|name| name.tail().to_owned()).collect()
    }

    /// Puts an instance under its name.
    pub fn put(&self, py: Python<'_>, instance: &Bound<'_, Instance>) -> PyResult<()> {
        self.instances.bind(py).set_item(&instance.get().key, instance)
    }

    /// Takes an instance out, if it is the one that stands there; whether it was.
    pub fn take(&self, py: Python<'_>, instance: &Bound<'_, Instance>) -> bool {
        let name = instance.get().name.as_str();
        let there = self.find(py, name).is_some_and(|there| there.is(instance));
        there && self.instances.bind(py).del_item(name).is_ok()
    }

    /// Nobody is pinned to it, and it is not kept. What is left of it is what somebody holds: a
    /// superseded instance answers for the generation it was last part of, and if that held all of
    /// its modules, which answer for later ones, one function of old code would hold everything
    /// that there was since. What old code still asks for and nobody holds is loaded again.
    pub fn let_go(&self, py: Python<'_>) -> PyResult<()> {
        let instances = self.instances.bind(py);
        for (name, instance) in instances.items().iter().filter_map(|pair| pair.extract().ok()) {
            let (name, instance): (Bound<'_, PyAny>, Bound<'_, PyAny>) = (name, instance);
            instances.set_item(name, PyWeakrefReference::new(&instance)?)?;
        }
        Ok(())
    }

    /// Whether this very instance belongs to the generation.
    pub fn holds(&self, py: Python<'_>, instance: &Bound<'_, Instance>) -> bool {
        self.get(py, instance.get().key.bind(py)).is_some_and(|there| there.is(instance))
    }

    /// What it knows (a cheap copy of a persistent map).
    pub fn view(&self) -> View {
        self.view.lock().unwrap().clone()
    }

    /// Adds a file that nobody had seen yet.
    pub fn admit(&self, change: impl FnOnce(&View) -> View) {
        let mut view = self.view.lock().unwrap();
        *view = change(&view);
    }
}

#[pymethods]
impl Generation {
    fn __repr__(&self) -> String {
        format!("<generation {}>", self.id)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.instances)?;
        if let Ok(executed) = self.executed.try_lock() {
            for instance in executed.iter() {
                visit.call(instance)?;
            }
        }
        if let Ok(changes) = self.in_place.try_lock() {
            for change in changes.iter() {
                visit.call(change)?;
            }
        }
        if let Ok(batches) = self.batches.try_lock() {
            for batch in batches.iter() {
                visit.call(batch)?;
            }
        }
        match self.base.try_lock() {
            Ok(base) => visit.call(base.as_ref()),
            Err(_) => Ok(()),
        }
    }
}
