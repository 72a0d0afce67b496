//! How is a generation represented by Python objects?
//!
//! A numbered view of the roots together with the instances loaded from it. The instances live in a
//! Python dict, so that the cycle collector sees them: a generation that nothing refers to any more
//! goes, whatever its modules refer to among themselves. Numbers, pins and which generations are
//! kept are the engine's.

use std::{path::Path, sync::Arc};

use pyo3::types::{PyDict, PyString, PyWeakrefMethods, PyWeakrefReference};
use pyo3::{gc::PyTraverseError, gc::PyVisit, prelude::*};
use transfuse_engine::sync::Mutex;
use transfuse_engine::{FileChange, GenerationId, ModuleName, Source, SourceSnapshot};

use crate::state::{reported_absent::ReportedAbsent, request_counts::RequestCounts};
use crate::{state::live_module::LiveModule, state::staging_area::StagingArea};

#[pyclass(frozen, module = "transfuse._core")]
pub struct Generation {
    /// Its number, `12`.
    pub id: GenerationId,
    /// Its view: path -> source. Fixed, but for new files that are admitted later.
    view: Mutex<SourceSnapshot>,
    /// Modules that stay absent for the units of work that are pinned to it, see
    /// `loading/new_files.rs`. A lock for set operations only.
    pub reported_absent: Mutex<ReportedAbsent>,
    /// Its instances: `"shop.prices" -> LiveModule`, those being loaded included. Grows on demand;
    /// entries leave when a load fails, and turn into weak references in `let_go`.
    pub instances: Py<PyDict>,
    /// The changed files, where no module ran for it: until it loads a module from one of these, it
    /// answers as the generation before. Written when it is published.
    pub changed_without_effect: Mutex<Vec<FileChange>>,
    /// The requests that began in it.
    pub requests: Arc<RequestCounts>,
    /// The state that it has only while it is staged.
    pub staging: StagingArea,
}

impl Generation {
    /// A generation that knows `view` and shares `instances` (a dict of its own).
    pub fn new(id: GenerationId, view: SourceSnapshot, instances: Py<PyDict>) -> Self {
        Generation {
            id,
            view: Mutex::new(view),
            reported_absent: Mutex::default(),
            changed_without_effect: Mutex::default(),
            instances,
            requests: Arc::default(),
            staging: StagingArea::default(),
        }
    }

    /// Whether it is being staged, or was staged and abandoned: no request runs in it.
    pub fn is_staged(&self) -> bool {
        self.staging.has_base()
    }

    pub fn base<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Generation>> {
        self.staging.base(py)
    }

    /// The instances that were executed for it while it is staged, and are still part of it.
    pub fn executed<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, LiveModule>> {
        let all = self.staging.executed(py).into_iter();
        all.filter(|instance| self.holds(py, instance)).collect()
    }

    /// The instance of that name, ready or being loaded.
    pub fn get<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyString>,
    ) -> Option<Bound<'py, LiveModule>> {
        let found = self.instances.bind(py).get_item(name).ok().flatten()?;
        match found.cast_into_exact::<LiveModule>() {
            Ok(instance) => Some(instance),
            Err(weak) => {
                weak.into_inner().cast_into::<PyWeakrefReference>().ok()?.upgrade_as().ok()?
            }
        }
    }

    /// The same by a Rust string.
    pub fn find<'py>(&self, py: Python<'py>, name: &str) -> Option<Bound<'py, LiveModule>> {
        self.get(py, &PyString::new(py, name))
    }

    pub fn all<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, LiveModule>> {
        let values = self.instances.bind(py).values();
        values.iter().filter_map(|value| value.cast_into_exact::<LiveModule>().ok()).collect()
    }

    /// The last parts of the names of a package's submodules that it has, `["prices"]`.
    pub fn children(&self, py: Python<'_>, package: &ModuleName) -> Vec<String> {
        let all = self.all(py).into_iter().map(|one| one.get().name.clone());
        let children = all.filter(|name| name.parent().as_ref() == Some(package));
        children.map(|name| name.tail().to_owned()).collect()
    }

    pub fn put(&self, py: Python<'_>, instance: &Bound<'_, LiveModule>) -> PyResult<()> {
        self.instances.bind(py).set_item(&instance.get().key, instance)
    }

    /// Takes an instance out, if it is the one that stands there; whether it was.
    pub fn take(&self, py: Python<'_>, instance: &Bound<'_, LiveModule>) -> bool {
        let name = instance.get().name.as_str();
        let there = self.find(py, name).is_some_and(|there| there.is(instance));
        there && self.instances.bind(py).del_item(name).is_ok()
    }

    /// Called when no unit of work is pinned to it and it is not kept. From now on it refers weakly
    /// to its instances. A superseded instance answers for the generation it was last part of. If
    /// that generation held all of its modules, which answer for later ones, one function of old
    /// code would hold every later generation. A module that old code still asks for is loaded
    /// again if it is gone.
    pub fn let_go(&self, py: Python<'_>) -> PyResult<()> {
        let instances = self.instances.bind(py);
        for (name, instance) in instances.items().iter().filter_map(|pair| pair.extract().ok()) {
            let (name, instance): (Bound<'_, PyAny>, Bound<'_, PyAny>) = (name, instance);
            instances.set_item(name, PyWeakrefReference::new(&instance)?)?;
        }
        Ok(())
    }

    pub fn holds(&self, py: Python<'_>, instance: &Bound<'_, LiveModule>) -> bool {
        self.get(py, instance.get().key.bind(py)).is_some_and(|there| there.is(instance))
    }

    /// Its view (a cheap copy of a persistent map).
    pub fn view(&self) -> SourceSnapshot {
        self.view.lock().clone()
    }

    /// Adds a file to its view, if it is new there, or only its existence was known.
    pub fn admit_new(&self, path: &Path, source: &Arc<Source>) {
        self.admit(|view| match view.get(path) {
            Some(known) if !known.is_existence() || source.is_existence() => view.clone(),
            _ => view.with(path, source.clone()),
        });
    }

    pub fn admit(&self, change: impl FnOnce(&SourceSnapshot) -> SourceSnapshot) {
        let mut view = self.view.lock();
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
        self.staging.traverse(&visit)
    }
}
