//! Where are the submodules of a namespace package looked for?
//!
//! In its portions, found anew each time, as the import system's own `_NamespacePath` does it: a
//! folder that was created since, or an entry that was added to `sys.path`, is seen without running
//! anything again. Unlike that, it answers for a generation, so a pinned unit of work does not see
//! portions that came after it. This object is the `__path__` of the package.

use pyo3::{
    gc::PyTraverseError, gc::PyVisit, intern, prelude::*, types::PyIterator, types::PyList,
};
use transfuse_engine::{ModuleName, SourceSnapshot};

use crate::loading::kept_origin;
use crate::loading::search::{self, Resolution};
use crate::state::{caller, live_module::LiveModule, runtime, runtime::Runtime, scope::Scope};

/// The `__path__` of a live namespace package.
#[pyclass(frozen, name = "_NamespacePath", module = "transfuse._core")]
pub struct NamespacePath {
    /// The package, `plugins`.
    name: ModuleName,
    /// The portions when it was loaded, `["/srv/a/plugins", "/srv/b/plugins"]`: the answer where
    /// looking again finds no such namespace package.
    first: Vec<String>,
    /// Entries that code added with `append`. Python's own lock guards it.
    appended: Py<PyList>,
}

impl NamespacePath {
    /// The path of a package that is being loaded, from the portions that were found.
    pub fn new(py: Python<'_>, name: ModuleName, first: Vec<String>) -> Self {
        NamespacePath { name, first, appended: PyList::empty(py).unbind() }
    }

    /// The portions that a generation has.
    pub fn portions<'py>(&self, scope: &Scope<'py>) -> PyResult<Bound<'py, PyList>> {
        let py = scope.py;
        let found = match self.name.parent() {
            None => kept_origin::top_level(scope, &self.name)?,
            Some(parent) => match search_path(scope, &parent)? {
                Some(path) => search::along(scope, &self.name, &path)?,
                None => Resolution::Missing,
            },
        };
        let portions = match found {
            Resolution::Namespace { portions, .. } => PyList::new(py, portions)?,
            _ => PyList::new(py, &self.first)?,
        };
        portions.call_method1(intern!(py, "extend"), (&self.appended,))?;
        Ok(portions)
    }

    /// Whether a view has a file in any of the portions.
    pub fn is_known_to(&self, runtime: &Runtime, view: &SourceSnapshot) -> bool {
        let mut folders = self.first.iter().filter_map(|portion| runtime.entry(portion));
        folders.any(|folder| view.has_dir(&folder))
    }

    /// The portions in the generation of the running code.
    fn list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        match runtime::in_force() {
            Some(runtime) => self.portions(&caller::scope_of_running(py, runtime)),
            None => PyList::new(py, &self.first),
        }
    }
}

/// The path of an instance, if that is a namespace package.
pub fn of<'py>(py: Python<'py>, package: &LiveModule) -> Option<Bound<'py, NamespacePath>> {
    let path = package.namespace(py).get_item(intern!(py, "__path__")).ok()??;
    path.cast_into::<NamespacePath>().ok()
}

/// Where the submodules of a package are looked for in a generation; none if it is no package.
pub fn search_path<'py>(
    scope: &Scope<'py>,
    package: &ModuleName,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = scope.py;
    let path = match scope.find(package.as_str()) {
        Some(package) => package.get().namespace(py).get_item(intern!(py, "__path__"))?,
        None => match scope.runtime.sys_modules.bind(py).get_item(package.as_str())? {
            Some(foreign) => foreign.getattr_opt(intern!(py, "__path__"))?,
            None => None,
        },
    };
    let Some(path) = path else { return Ok(None) };
    match path.cast::<NamespacePath>() {
        Ok(ours) => Ok(Some(ours.get().portions(scope)?.into_any())),
        Err(_) => Ok(Some(path)),
    }
}

#[pymethods]
impl NamespacePath {
    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.list(py)?.try_iter()
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.list(py)?.len())
    }

    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        index: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.list(py)?.as_any().get_item(index)
    }

    fn __contains__(&self, py: Python<'_>, item: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.list(py)?.contains(item)
    }

    fn append(&self, py: Python<'_>, item: &Bound<'_, PyAny>) -> PyResult<()> {
        self.appended.bind(py).append(item)
    }

    /// `importlib.resources` knows the path of a namespace package by this text.
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("_NamespacePath({})", self.list(py)?.repr()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.appended)
    }
}
