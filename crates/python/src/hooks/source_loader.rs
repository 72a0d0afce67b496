//! How does a live module's loader answer the standard library?
//!
//! A [`LiveModule`] is its module's `__loader__`, so it answers as `SourceFileLoader` does, for
//! `inspect`, `pkgutil`, `runpy` and `importlib.resources`. The source it returns is the one that
//! this execution was run from, whatever the file says now.

use std::path::{Path, PathBuf};

use pyo3::{gc::PyTraverseError, gc::PyVisit, intern, prelude::*, types::PyBytes, types::PyString};
use transfuse_engine::{FileSystem, OsFileSystem};

use crate::hooks::standard_class;
use crate::{loading::namespace_path, state::live_module::LiveModule};

#[pymethods]
#[allow(unused_variables, reason = "the import protocol passes them by name")]
impl LiveModule {
    /// The dotted name, as `SourceFileLoader.name` gives it.
    #[getter]
    fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The file, as `SourceFileLoader.path` gives it (`importlib.resources` asks for it).
    #[getter]
    fn path(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The digest of the source this instance was run from: facts read off the source hold as long
    /// as this is the same. A patched module keeps its loader, and gets another digest.
    #[getter]
    fn digest(&self) -> Option<String> {
        self.source().map(|source| source.digest().to_string())
    }

    #[pyo3(signature = (name=None))]
    fn is_package(&self, name: Option<&str>) -> bool {
        self.package
    }

    #[pyo3(signature = (name=None))]
    fn get_filename(&self, name: Option<&str>) -> Option<&str> {
        self.file.as_deref()
    }

    /// The source this instance was run from, whatever the file says now.
    #[pyo3(signature = (name=None))]
    fn get_source<'py>(&self, py: Python<'py>, name: Option<&str>) -> PyResult<Bound<'py, PyAny>> {
        if self.source().is_none() {
            return Ok(PyString::new(py, "").into_any());
        }
        py.import(intern!(py, "importlib.util"))?
            .call_method1(intern!(py, "decode_source"), (PyBytes::new(py, &self.text()?),))
    }

    #[pyo3(signature = (name=None))]
    fn get_code<'py>(&self, py: Python<'py>, name: Option<&str>) -> PyResult<Bound<'py, PyAny>> {
        let Some(file) = &self.file else { return Ok(py.None().into_bound(py)) };
        Ok(crate::code::pyc::code(py, file, &self.text()?)?.into_any())
    }

    /// Bytes of a file beside the module (PEP 302's `get_data`).
    fn get_data<'py>(&self, py: Python<'py>, path: PathBuf) -> PyResult<Bound<'py, PyBytes>> {
        data(py, &path)
    }

    #[pyo3(signature = (name=None))]
    fn get_resource_reader<'py>(
        slf: &Bound<'py, Self>,
        name: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let readers = py.import(intern!(py, "importlib.readers"))?;
        match namespace_path::of(py, slf.get()) {
            Some(path) => readers.getattr(intern!(py, "NamespaceReader"))?.call1((path,)),
            None => readers.getattr(intern!(py, "FileReader"))?.call1((slf,)),
        }
    }

    /// `importlib.util.module_from_spec` on a live module's own spec: the default module.
    fn create_module<'py>(&self, py: Python<'py>, spec: &Bound<'py, PyAny>) -> Py<PyAny> {
        py.None()
    }

    /// Executes this instance's code in a module that other code made.
    fn exec_module<'py>(&self, py: Python<'py>, module: &Bound<'py, PyAny>) -> PyResult<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let code = match self.attributes.own(py, "get_code")? {
            Some(get_code) => get_code.call1((self.name.as_str(),))?,
            None => crate::code::pyc::code(py, file, &self.text()?)?.into_any(),
        };
        let namespace = module.getattr(intern!(py, "__dict__"))?;
        py.import(intern!(py, "builtins"))?.call_method1(intern!(py, "exec"), (code, namespace))?;
        Ok(())
    }

    fn __getattribute__<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let one = slf.get();
        standard_class::attribute(slf, &one.attributes, one.file.as_ref(), name)
    }

    fn __setattr__(&self, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.attributes.set(name, value)
    }

    fn __delattr__(&self, name: &Bound<'_, PyString>) -> PyResult<()> {
        self.attributes.delete(name)
    }

    fn __repr__(&self) -> String {
        match &self.file {
            Some(file) => format!("<live module {} from {file:?}>", self.name),
            None => format!("<live namespace package {}>", self.name),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.traverse(&visit)
    }
}

/// Bytes of a file, for `get_data` of a loader.
pub fn data<'py>(py: Python<'py>, path: &Path) -> PyResult<Bound<'py, PyBytes>> {
    // Raises the audit event of `open`, which makes the file a dependency.
    py.import("sys")?.call_method1("audit", ("open", path, "rb", 0))?;
    let bytes = py.detach(|| OsFileSystem.read(path))?;
    Ok(PyBytes::new(py, &bytes))
}
