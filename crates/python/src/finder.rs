//! What of the standard import machinery meets live modules?
//!
//! Import statements and `import_module` go through `hook.rs`. What is left
//! (`importlib.util.find_spec`, `runpy`, `pkgutil`, the machinery's own
//! importing of parents) asks `sys.meta_path`, where this finder stands first.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use transfuse_engine::ModuleName;

use crate::asker;
use crate::engine;
use crate::facade;
use crate::loading::{self, Ensured};
use crate::search::{self, Found};

/// The entry in `sys.meta_path`.
#[pyclass(frozen, module = "transfuse._core")]
pub struct Finder;

#[pymethods]
impl Finder {
    #[pyo3(signature = (name, path=None, target=None))]
    fn find_spec<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        path: Option<&Bound<'py, PyAny>>,
        target: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let _ = target;
        let Some(engine) = engine::in_force() else { return Ok(None) };
        let Ok(dotted) = ModuleName::new(name) else { return Ok(None) };
        let generation = asker::for_foreign(py, engine);
        let found = match path {
            Some(path) => search::along(py, engine, generation.get(), &dotted, path)?,
            None => search::top_level(py, engine, generation.get(), &dotted)?,
        };
        let (origin, package) = match found {
            Found::Source(origin) => (Some(origin.file), origin.package.map(|p| vec![p])),
            Found::Namespace { portions, foreign: false } => (None, Some(portions)),
            Found::Namespace { .. } | Found::Foreign | Found::Missing => return Ok(None),
            Found::Hidden => return Err(crate::errors::not_found(py, name, None)),
        };
        let loader = Bound::new(
            py,
            Bridge { name: dotted, file: origin.clone(), package: package.is_some() },
        )?;
        let package = package.map(|p| PyList::new(py, p)).transpose()?.map(Bound::into_any);
        spec(py, name, loader.as_any(), origin.as_deref(), package).map(Some)
    }

    fn invalidate_caches(&self) {}
}

/// A module spec as the standard machinery makes it for a source file, or for a package whose
/// submodules are looked for in `package`.
pub fn spec<'py>(
    py: Python<'py>,
    name: &str,
    loader: &Bound<'py, PyAny>,
    file: Option<&str>,
    package: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let options = PyDict::new(py);
    options.set_item(intern!(py, "origin"), file)?;
    options.set_item(intern!(py, "is_package"), package.is_some())?;
    let made = py
        .import(intern!(py, "importlib.machinery"))?
        .getattr(intern!(py, "ModuleSpec"))?
        .call((name, loader), Some(&options))?;
    if let Some(file) = file {
        made.setattr(intern!(py, "has_location"), true)?;
        made.setattr(intern!(py, "cached"), crate::precompiled::cache_path(py, file))?;
    }
    if let Some(package) = package {
        made.setattr(intern!(py, "submodule_search_locations"), package)?;
    }
    Ok(made)
}

/// The loader that the standard machinery gets: loading gives it the facade.
#[pyclass(frozen, module = "transfuse._core")]
struct Bridge {
    name: ModuleName,
    file: Option<String>,
    package: bool,
}

#[pymethods]
impl Bridge {
    fn create_module<'py>(
        &self,
        py: Python<'py>,
        spec: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = spec;
        let engine = engine::required()?;
        let generation = asker::for_foreign(py, engine);
        match loading::ensure(py, engine, &generation, &self.name)? {
            Ensured::Live(found) => match found.get().replacement(py) {
                Some(other) => Ok(other),
                None => facade::of(py, engine, &self.name),
            },
            _ => Err(crate::errors::not_found(py, self.name.as_str(), None)),
        }
    }

    fn exec_module(&self, module: &Bound<'_, PyAny>) {
        let _ = module;
    }

    #[pyo3(signature = (name=None))]
    fn is_package(&self, name: Option<&str>) -> bool {
        let _ = name;
        self.package
    }

    #[getter]
    fn path(&self) -> Option<&str> {
        self.file.as_deref()
    }

    #[getter]
    fn name(&self) -> &str {
        self.name.as_str()
    }

    #[pyo3(signature = (name=None))]
    fn get_filename(&self, name: Option<&str>) -> Option<&str> {
        let _ = name;
        self.file.as_deref()
    }

    /// For `runpy`, which runs the code itself as `__main__`.
    #[pyo3(signature = (name=None))]
    fn get_code<'py>(&self, py: Python<'py>, name: Option<&str>) -> PyResult<Bound<'py, PyAny>> {
        let _ = name;
        let Some(file) = &self.file else { return Ok(py.None().into_bound(py)) };
        let text = py.detach(|| std::fs::read(file))?;
        Ok(crate::precompiled::code(py, file, &text)?.into_any())
    }

    #[pyo3(signature = (name=None))]
    fn get_source<'py>(&self, py: Python<'py>, name: Option<&str>) -> PyResult<Bound<'py, PyAny>> {
        let _ = name;
        let Some(file) = &self.file else { return Ok(py.None().into_bound(py)) };
        let text = py.detach(|| std::fs::read(file))?;
        py.import(intern!(py, "importlib.util"))?
            .call_method1(intern!(py, "decode_source"), (text,))
    }

    fn get_resource_reader<'py>(slf: &Bound<'py, Self>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let _ = name;
        let py = slf.py();
        py.import(intern!(py, "importlib.readers"))?
            .getattr(intern!(py, "FileReader"))?
            .call1((slf,))
    }
}
