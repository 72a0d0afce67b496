//! Which specs and loaders does the standard import machinery get for live modules?
//!
//! Import statements and `import_module` have their own hooks. `importlib.util.find_spec`, `runpy`,
//! `pkgutil` and the machinery's own imports of parent packages ask `sys.meta_path`, where
//! [`Finder`] stands first. The loader in its specs hands out the facade.

use std::path::PathBuf;

use pyo3::types::{PyBytes, PyCode, PyList, PyString};
use pyo3::{gc::PyTraverseError, gc::PyVisit, intern, prelude::*};
use transfuse_engine::ModuleName;

use crate::cpython::extra_attributes::ExtraAttributes;
use crate::hooks::{reload, source_loader, standard_class};
use crate::loading::{
    foreign_loader, kept_origin, load, load::Loaded, search, search::Resolution, source_text,
};
use crate::state::{caller, runtime};
use crate::sysmodules::{entry, facade, spec, spec::FacadeLoader, spec::Finder, spec::is_loading};
use crate::{cpython::frames, effects::data_files, effects::dependencies};

/// Whether the running frame is that of `importlib.util.find_spec`, or of a function that it calls:
/// the caller asks whether a module exists, and does not import it.
pub fn asks_only(py: Python<'_>) -> bool {
    for frame in frames::stack(py) {
        let name = frame
            .getattr(intern!(py, "f_globals"))
            .and_then(|globals| globals.get_item(intern!(py, "__name__")))
            .and_then(|name| name.extract::<String>());
        match name.as_deref() {
            Ok("importlib.util") => return true,
            // `_find_spec` only finds; other functions would import.
            Ok("importlib._bootstrap") => {
                let code = frame.getattr(intern!(py, "f_code"));
                let called = code.and_then(|code| code.getattr(intern!(py, "co_name")));
                if !called.is_ok_and(|called| called.eq("_find_spec").unwrap_or(false)) {
                    return false;
                }
            }
            _ => return false,
        }
    }
    false
}

#[pymethods]
#[allow(unused_variables, reason = "the import protocol passes them by name")]
impl Finder {
    #[pyo3(signature = (name, path=None, target=None))]
    fn find_spec<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        path: Option<&Bound<'py, PyAny>>,
        target: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(runtime) = runtime::in_force() else { return Ok(None) };
        let Ok(dotted) = ModuleName::new(name) else { return Ok(None) };
        let is_foreign = match path {
            Some(path) => !search::touches_root(runtime, path)?,
            None => false,
        };
        if is_foreign && !asks_only(py) {
            // As for most names: the next finder searches there, so not this one as well.
            return Ok(None);
        }
        let scope = caller::scope_of_foreign(py, runtime);
        let found = match path {
            Some(path) => search::along(&scope, &dotted, path)?,
            None => kept_origin::top_level(&scope, &dotted)?,
        };
        if asks_only(py) {
            dependencies::record_probe(&scope, &dotted, matches!(found, Resolution::Missing));
        }
        let (origin, place, package) = match found {
            Resolution::Source(origin) => {
                (Some(origin.file), Some(origin.path), origin.package.map(|p| vec![p]))
            }
            Resolution::Namespace { portions, foreign: false } => (None, None, Some(portions)),
            Resolution::Namespace { .. } | Resolution::Foreign | Resolution::Missing => {
                return Ok(None);
            }
            Resolution::Hidden => {
                return Err(crate::cpython::exceptions::not_found(py, name, None));
            }
        };
        let loaded = scope.find(name).filter(|loaded| loaded.get().is_ready());
        let removed = loaded.map(|loaded| loaded.get().started());
        let (file, is_package) = (origin.clone(), package.is_some());
        let attributes = ExtraAttributes::default();
        spec::handed_out(&dotted);
        let loader = FacadeLoader {
            name: dotted,
            file,
            path: place,
            package: is_package,
            removed,
            attributes,
        };
        let loader = Bound::new(py, loader)?;
        let package = package.map(|p| PyList::new(py, p)).transpose()?.map(Bound::into_any);
        let made = spec::spec(py, name, loader.as_any(), origin.as_deref(), package)?;
        // Stays when another finder wraps the loader.
        made.setattr(intern!(py, "loader_state"), loader)?;
        Ok(Some(made))
    }

    fn invalidate_caches(&self) {}
}

impl FacadeLoader {
    /// The source in the caller's generation; none for a namespace package.
    fn text(&self, py: Python<'_>) -> PyResult<Option<Vec<u8>>> {
        let Some(path) = &self.path else { return Ok(None) };
        let runtime = runtime::required()?;
        let scope = caller::scope_of_foreign(py, runtime);
        match scope.generation.get().view().get(path) {
            Some(source) => source_text::text(&scope, source, path).map(Some),
            None => Err(crate::cpython::exceptions::not_found(py, self.name.as_str(), None)),
        }
    }

    /// The code that other code has `get_code` return instead of ours, if it has replaced that.
    fn replaced_code<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let replaced = self.attributes.own(py, "get_code")?;
        replaced.map(|get_code| get_code.call1((self.name.as_str(),))).transpose()
    }

    fn code<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyCode>>> {
        match (&self.file, self.text(py)?) {
            (Some(file), Some(text)) => crate::code::pyc::code(py, file, &text).map(Some),
            _ => Ok(None),
        }
    }
}

#[pymethods]
#[allow(unused_variables, reason = "the import protocol passes them by name")]
impl FacadeLoader {
    fn create_module(&self, py: Python<'_>, spec: &Bound<'_, PyAny>) -> Py<PyAny> {
        py.None()
    }

    /// For the machinery: loads the live module and puts its facade into `sys.modules`. For code
    /// that has made a module of its own from the spec: executes the source in it, once more.
    fn exec_module(&self, py: Python<'_>, module: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Some((instance, code)) = foreign_loader::being_executed(module) {
            // A loader that wraps this one executes a live module.
            let code = self.replaced_code(py)?.unwrap_or(code.into_any());
            let namespace = instance.get().namespace(py);
            namespace.set_item(intern!(py, "__loader__"), &instance)?;
            return run(py, code, namespace.as_any());
        }
        let runtime = runtime::required()?;
        if facade::is_facade(module) {
            // `importlib.reload`, taken before Transfuse was installed.
            return reload::update(py, runtime, &self.name);
        }
        let scope = caller::scope_of_foreign(py, runtime);
        let name = PyString::new(py, self.name.as_str());
        let there = runtime.sys_modules.bind(py).get_item(&name)?;
        if !there.is_some_and(|there| there.is(module)) || !is_loading(module)? {
            let code = match self.replaced_code(py)? {
                Some(code) => Some(code),
                None => self.code(py)?.map(Bound::into_any),
            };
            let Some(code) = code else { return Ok(()) };
            return run(py, code, &module.getattr(intern!(py, "__dict__"))?);
        }
        let there = scope.get(&name);
        if let Some(removed) = there.filter(|there| Some(there.get().started()) == self.removed) {
            entry::release(&scope, &removed)?;
        }
        match load::load_own(&scope, &self.name)? {
            Loaded::Live(found) => {
                entry::show(py, runtime, &name, &facade::of_instance(py, runtime, &found)?)
            }
            _ => Err(crate::cpython::exceptions::not_found(py, self.name.as_str(), None)),
        }
    }

    #[pyo3(signature = (name=None))]
    fn is_package(&self, name: Option<&str>) -> bool {
        self.package
    }

    #[getter(path)]
    fn spelled(&self) -> Option<&str> {
        self.file.as_deref()
    }

    #[getter]
    fn name(&self) -> &str {
        self.name.as_str()
    }

    #[pyo3(signature = (name=None))]
    fn get_filename(&self, name: Option<&str>) -> Option<&str> {
        self.file.as_deref()
    }

    /// For `runpy`, which runs the code itself as `__main__`.
    #[pyo3(signature = (name=None))]
    fn get_code<'py>(&self, py: Python<'py>, name: Option<&str>) -> PyResult<Bound<'py, PyAny>> {
        if let (Some(path), Some(runtime)) = (&self.path, runtime::in_force()) {
            data_files::record_source_to_run(py, runtime, path);
        }
        Ok(self.code(py)?.map_or_else(|| py.None().into_bound(py), Bound::into_any))
    }

    #[pyo3(signature = (name=None))]
    fn get_source<'py>(&self, py: Python<'py>, name: Option<&str>) -> PyResult<Bound<'py, PyAny>> {
        let Some(text) = self.text(py)? else { return Ok(py.None().into_bound(py)) };
        py.import(intern!(py, "importlib.util"))?
            .call_method1(intern!(py, "decode_source"), (text,))
    }

    /// For `pkgutil.get_data`, before the package is loaded.
    fn get_data<'py>(&self, py: Python<'py>, path: PathBuf) -> PyResult<Bound<'py, PyBytes>> {
        source_loader::data(py, &path)
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

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.attributes.traverse(&visit)
    }

    fn get_resource_reader<'py>(slf: &Bound<'py, Self>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        py.import(intern!(py, "importlib.readers"))?
            .getattr(intern!(py, "FileReader"))?
            .call1((slf,))
    }
}

fn run(py: Python<'_>, code: Bound<'_, PyAny>, namespace: &Bound<'_, PyAny>) -> PyResult<()> {
    py.import(intern!(py, "builtins"))?.call_method1(intern!(py, "exec"), (code, namespace))?;
    Ok(())
}

/// A new spec for a module that may be loaded: a finder of other code, which is asked for each
/// execution, means to wrap the loader of the next one.
pub fn find_again<'py>(py: Python<'py>, name: &ModuleName) -> PyResult<Bound<'py, PyAny>> {
    let path = match name.parent() {
        None => py.None().into_bound(py),
        Some(parent) => {
            let modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?;
            modules.get_item(parent.as_str())?.getattr(intern!(py, "__path__"))?
        }
    };
    py.import(intern!(py, "importlib._bootstrap"))?
        .call_method1(intern!(py, "_find_spec"), (name.as_str(), path))
}
