//! What does an import statement do?
//!
//! [`import`] has the rules; `hooks/fast_path.rs` stands in front of it as `builtins.__import__`, and calls that
//! import are `hooks/import_module.rs`'s.
//! A foreign caller of a foreign module costs one dict look-up and goes to the
//! original; a live caller gets the real module of its generation; a foreign
//! caller of a live module gets the facade. Edges are recorded as they happen.

use std::sync::atomic::Ordering;

use pyo3::exceptions::{PyImportError, PyModuleNotFoundError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyModule, PyString, PyTuple};
use transfuse_engine::ModuleName;

use crate::code::bytecode;
use crate::cpython::exceptions;
use crate::effects::dependencies::{record_import, record_not_found};
use crate::effects::{conflict, observation};
use crate::hooks::{partial_import, submodule_imports};
use crate::loading::load::{self, Loaded};
use crate::state::caller;
use crate::state::generation::Generation;
use crate::state::live_module::LiveModule;
use crate::state::runtime::{self, Runtime};
use crate::sysmodules::entry;
use crate::sysmodules::facade::{self, of_instance};

/// `builtins.__import__` while Transfuse is installed.
#[pyfunction]
#[pyo3(name = "__import__", signature = (name, globals=None, locals=None, fromlist=None, level=0))]
pub fn import<'py>(
    py: Python<'py>,
    name: &Bound<'py, PyString>,
    globals: Option<&Bound<'py, PyAny>>,
    locals: Option<&Bound<'py, PyAny>>,
    fromlist: Option<&Bound<'py, PyAny>>,
    level: i32,
) -> PyResult<Bound<'py, PyAny>> {
    let Some(runtime) = runtime::in_force() else {
        let import = py.import(intern!(py, "importlib"))?.getattr(intern!(py, "__import__"))?;
        return import.call1((
            name,
            globals,
            locals,
            fromlist.unwrap_or(PyTuple::empty(py).as_any()),
            level,
        ));
    };
    let statement = ImportStatement { runtime, name, globals, locals, fromlist, level };
    match globals.and_then(|globals| caller::module_of_globals(py, globals)) {
        Some(caller) => statement.for_live(py, &caller),
        None => statement.for_foreign(py),
    }
}

/// [`import`] as a Python function.
pub fn function(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = FUNCTION.get_or_try_init(py, || {
        Ok::<_, PyErr>(pyo3::wrap_pyfunction!(import, py)?.into_any().unbind())
    })?;
    Ok(made.bind(py))
}

/// One import statement.
pub struct ImportStatement<'a, 'py> {
    /// What is installed.
    pub runtime: &'static Runtime,
    /// As it is written, `shop.prices` or, relative, `prices`.
    pub name: &'a Bound<'py, PyString>,
    globals: Option<&'a Bound<'py, PyAny>>,
    locals: Option<&'a Bound<'py, PyAny>>,
    /// The names taken, none or empty for `import x`.
    pub fromlist: Option<&'a Bound<'py, PyAny>>,
    level: i32,
}

impl<'py> ImportStatement<'_, 'py> {
    fn original(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let empty = PyTuple::empty(py).into_any();
        let none = py.None().into_bound(py);
        self.runtime.original_import.bind(py).call1((
            self.name,
            self.globals.unwrap_or(&none),
            self.locals.unwrap_or(&none),
            self.fromlist.unwrap_or(&empty),
            self.level,
        ))
    }

    /// Whether names are taken from the module (`from x import a`).
    fn takes_names(&self) -> bool {
        self.fromlist.is_some_and(|list| list.is_truthy().unwrap_or(false))
    }

    fn for_live(
        &self,
        py: Python<'py>,
        caller: &Bound<'py, LiveModule>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let generation = caller::generation_for_live(py, self.runtime, caller);
        let absolute = match self.level {
            0 => self.name.clone(),
            level => relative(py, self.globals, level, self.name)?,
        };
        if generation.get().is_staged() {
            self.run_packages(py, &generation, &absolute)?;
        }
        let instance = match generation.get().get(py, &absolute) {
            Some(found)
                if found.get().is_ready()
                    && entry::is_as_seen(py, self.runtime, &absolute, &found) =>
            {
                found
            }
            _ => match self.load_for(py, caller, &generation, &absolute)? {
                Some(found) => found,
                None => return self.foreign_for(py, caller, &absolute),
            },
        };
        submodule_imports::imported(py, self.runtime, &generation, &instance)?;
        self.record(py, caller, &generation, &instance, &absolute)?;
        if self.takes_names() {
            if (instance.get().package || self.is_star())
                && let Some(other) =
                    self.handle_fromlist(py, Some(caller), &generation, &instance)?
            {
                return Ok(other.into_any());
            }
            return Ok(instance.get().value(py));
        }
        let text = self.name.to_str()?;
        match text.split_once('.') {
            None => Ok(instance.get().value(py)),
            Some((first, rest)) => {
                if let Some(way) =
                    partial_import::partial_package_chain(py, &generation, &instance)?
                    && bytecode::takes_a_name(py)?
                {
                    return Ok(way.into_any());
                }
                let whole = absolute.to_str()?;
                let top = &whole[..whole.len() - rest.len() - 1];
                debug_assert!(top.ends_with(first));
                match generation.get().find(py, top) {
                    Some(top) => Ok(top.get().value(py)),
                    None => self.original(py),
                }
            }
        }
    }

    /// The packages around what is imported run first, also where an update runs them again and not
    /// what is imported.
    fn run_packages(
        &self,
        py: Python<'py>,
        generation: &Bound<'py, Generation>,
        absolute: &Bound<'py, PyString>,
    ) -> PyResult<()> {
        if absolute.to_str()?.contains('.')
            && generation.get().get(py, absolute).is_some_and(|found| found.get().is_ready())
            && let Ok(name) = ModuleName::new(absolute.to_str()?)
            && let Some(package) = name.parent()
            && generation.get().find(py, package.as_str()).is_none()
        {
            load::load(py, self.runtime, generation, &package)?;
        }
        Ok(())
    }

    /// The instance of a name that is not at hand; none where the name is not ours.
    fn load_for(
        &self,
        py: Python<'py>,
        caller: &Bound<'py, LiveModule>,
        generation: &Bound<'py, Generation>,
        absolute: &Bound<'py, PyString>,
    ) -> PyResult<Option<Bound<'py, LiveModule>>> {
        if self.runtime.has_foreign(py, absolute)? {
            return Ok(None);
        }
        let Ok(name) = ModuleName::new(absolute.to_str()?) else { return Ok(None) };
        let ensured = load::load(py, self.runtime, generation, &name);
        match ensured {
            Ok(Loaded::Live(found)) => Ok(Some(found)),
            Ok(Loaded::Foreign) => Ok(None),
            Ok(Loaded::Missing(parent)) => {
                record_not_found(caller, &name);
                if self.runtime.has_foreign(py, absolute)? {
                    return Ok(None);
                }
                Err(exceptions::not_found(
                    py,
                    name.as_str(),
                    parent.as_ref().map(ModuleName::as_str),
                ))
            }
            Err(error) => Err(error),
        }
    }

    /// Live code imports something foreign.
    fn foreign_for(
        &self,
        py: Python<'py>,
        caller: &Bound<'py, LiveModule>,
        absolute: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let found =
            entry::not_ours(py, self.runtime, absolute.to_str()?).and_then(|()| self.original(py));
        if let Err(error) = &found
            && error.is_instance_of::<PyModuleNotFoundError>(py)
            && let Ok(name) = ModuleName::new(absolute.to_str()?)
        {
            record_not_found(caller, &name);
        }
        if self.takes_names() && self.runtime.mixed.load(Ordering::Acquire) {
            self.connect_live_portions(py, caller, absolute)?;
        }
        if !caller.get().is_ready()
            && let Ok(Some(module)) = self.runtime.sys_modules.bind(py).get_item(absolute)
            && let Ok(module) = module.cast::<PyModule>()
            && !facade::is_facade(module)
        {
            observation::imported_foreign(caller, module);
        }
        match found {
            Ok(top) if facade::is_facade(&top) && !self.takes_names() => {
                // Something else stands under a name below a live package.
                let generation = caller::generation_for_live(py, self.runtime, caller);
                match load::load(py, self.runtime, &generation, &facade::name_of(&top)?)? {
                    Loaded::Live(own) => Ok(own.get().value(py)),
                    _ => Ok(top),
                }
            }
            found => found,
        }
    }

    /// Records that `caller` imported `instance` (and, of a plain `import a.b.c`, what it holds).
    fn record(
        &self,
        py: Python<'py>,
        caller: &Bound<'py, LiveModule>,
        generation: &Bound<'py, Generation>,
        instance: &Bound<'py, LiveModule>,
        absolute: &Bound<'py, PyString>,
    ) -> PyResult<()> {
        if caller.get().is_ready() {
            observation::imported_through(py, self.runtime, generation, Some(caller), instance)?;
            if caller.get().deferred.bind(py).contains(absolute).unwrap_or(false) {
                return Ok(());
            }
            // What `fast` needs to know: is the name a plain one?
            let plain = !absolute.to_str()?.contains('.');
            let _ = caller.get().deferred.bind(py).set_item(absolute, plain);
        }
        record_import(py, self.runtime, caller, instance);
        let written = self.name.to_str().unwrap_or("");
        self.record_use(py, caller, generation, instance, written)?;
        if !self.takes_names() {
            // It binds the first of these packages.
            let mut packages = instance.get().name.parent();
            let mut written = written;
            while let Some(name) = packages {
                written = written.rsplit_once('.').map_or("", |(package, _)| package);
                if let Some(package) = generation.get().find(py, name.as_str()) {
                    record_import(py, self.runtime, caller, &package);
                    self.record_use(py, caller, generation, &package, written)?;
                }
                packages = name.parent();
            }
        }
        Ok(())
    }

    /// Whether a function is importing: only those have their variables elsewhere than in a dict.
    pub fn is_in_function(&self) -> bool {
        self.locals.is_none_or(|locals| locals.is_none())
    }

    /// If module-level code, or a function that it calls, may use what it has imported: what does
    /// it change? `written` is its name in the source.
    fn record_use(
        &self,
        py: Python<'py>,
        caller: &Bound<'py, LiveModule>,
        generation: &Bound<'py, Generation>,
        instance: &Bound<'py, LiveModule>,
        written: &str,
    ) -> PyResult<()> {
        if caller.get().is_ready() {
            return Ok(());
        }
        if self.is_in_function() {
            observation::imported_through(py, self.runtime, generation, Some(caller), instance)?;
            return observation::imported_within(py, self.runtime, generation, caller, instance);
        }
        if caller.get().with_name_usage(|outline| outline.uses(written)).unwrap_or(false) {
            conflict::check(py, self.runtime, generation, caller, instance, written)?;
            observation::imported(py, generation, caller, instance);
        }
        Ok(())
    }

    fn for_foreign(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.level != 0 {
            return self.original(py);
        }
        let there = self.runtime.sys_modules.bind(py).get_item(self.name)?;
        if let Some(there) = &there
            && !facade::is_facade(there)
            && !self.runtime.facades.bind(py).contains(self.name)?
        {
            return self.original(py);
        }
        let generation = caller::generation_for_foreign(py, self.runtime);
        let Ok(name) = ModuleName::new(self.name.to_str()?) else { return self.original(py) };
        let at_hand = generation.get().get(py, self.name).filter(|found| {
            found.get().is_ready() && entry::is_as_seen(py, self.runtime, self.name, found)
        });
        let ensured = match at_hand {
            Some(found) => Loaded::Live(found),
            None => load::load(py, self.runtime, &generation, &name)?,
        };
        let found = match ensured {
            Loaded::Live(found) => found,
            Loaded::Foreign => {
                entry::not_ours(py, self.runtime, name.as_str())?;
                return self.original(py);
            }
            Loaded::Missing(parent) => {
                if self.runtime.has_foreign(py, self.name)? {
                    return self.original(py);
                }
                let parent = parent.as_ref().map(ModuleName::as_str);
                return Err(exceptions::not_found(py, name.as_str(), parent));
            }
        };
        submodule_imports::imported(py, self.runtime, &generation, &found)?;
        observation::imported_through(py, self.runtime, &generation, None, &found)?;
        if self.takes_names() {
            if found.get().package {
                self.handle_fromlist(py, None, &generation, &found)?;
            }
            return of_instance(py, self.runtime, &found);
        }
        let top = name.top();
        match generation.get().find(py, top) {
            Some(top) => of_instance(py, self.runtime, &top),
            None => self.original(py),
        }
    }
}

/// The absolute name of a relative import.
pub fn relative<'py>(
    py: Python<'py>,
    globals: Option<&Bound<'py, PyAny>>,
    level: i32,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyString>> {
    let package =
        globals.map(|globals| globals.get_item(intern!(py, "__package__"))).transpose()?;
    let package: &str = match &package {
        Some(package) if !package.is_none() => package.extract()?,
        _ => "",
    };
    let level = usize::try_from(level).unwrap_or(0);
    match ModuleName::resolve_relative(package, level, name.to_str()?) {
        Ok(absolute) => Ok(PyString::new(py, absolute.as_str())),
        Err(_) if package.is_empty() => {
            Err(PyImportError::new_err("attempted relative import with no known parent package"))
        }
        Err(_) => Err(PyImportError::new_err("attempted relative import beyond top-level package")),
    }
}
