//! What does an import statement do?
//!
//! [`import`] stands as `builtins.__import__` (calls that import are `dynamic.rs`'s).
//! A foreign caller of a foreign module costs one dict look-up and goes to the
//! original; a live caller gets the real module of its generation; a foreign
//! caller of a live module gets the facade. Edges are recorded as they happen.

use pyo3::exceptions::{PyImportError, PyModuleNotFoundError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyString, PyTuple};
use transfuse_engine::ModuleName;

use crate::asker;
use crate::bytecode::Outline;
use crate::doubt;
use crate::edges::{connect, missing, starred};
use crate::engine::{self, Engine};
use crate::errors;
use crate::facade;
use crate::generation::Generation;
use crate::instance::Instance;
use crate::loading::{self, Ensured};
use crate::observe;
use crate::sharing;
use crate::submodules;

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
    let Some(engine) = engine::in_force() else {
        let import = py.import(intern!(py, "importlib"))?.getattr(intern!(py, "__import__"))?;
        return import.call1((
            name,
            globals,
            locals,
            fromlist.unwrap_or(PyTuple::empty(py).as_any()),
            level,
        ));
    };
    let statement = Statement { engine, name, globals, locals, fromlist, level };
    match globals.and_then(|globals| asker::of_globals(py, globals)) {
        Some(caller) => statement.for_live(py, &caller),
        None => statement.for_foreign(py),
    }
}

/// One import statement.
struct Statement<'a, 'py> {
    engine: &'static Engine,
    name: &'a Bound<'py, PyString>,
    globals: Option<&'a Bound<'py, PyAny>>,
    locals: Option<&'a Bound<'py, PyAny>>,
    fromlist: Option<&'a Bound<'py, PyAny>>,
    level: i32,
}

impl<'py> Statement<'_, 'py> {
    fn original(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let empty = PyTuple::empty(py).into_any();
        let none = py.None().into_bound(py);
        self.engine.original_import.bind(py).call1((
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
        caller: &Bound<'py, Instance>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let generation = asker::for_live(py, self.engine, caller);
        let absolute = match self.level {
            0 => self.name.clone(),
            level => relative(py, self.globals, level, self.name)?,
        };
        let instance = match generation.get().get(py, &absolute) {
            Some(found) if found.get().is_ready() => found,
            _ => match self.load_for(py, caller, &generation, &absolute)? {
                Some(found) => found,
                None => return self.foreign_for(py, caller, &absolute),
            },
        };
        self.note(py, caller, &generation, &instance, &absolute)?;
        if self.takes_names() {
            if instance.get().package || self.is_star() {
                self.take(py, Some(caller), &generation, &instance)?;
            }
            return Ok(instance.get().value(py));
        }
        let text = self.name.to_str()?;
        match text.split_once('.') {
            None => Ok(instance.get().value(py)),
            Some((first, rest)) => {
                submodules::bind_half_loaded(py, &generation, &instance)?;
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

    /// The instance of a name that is not at hand; none where the name is not ours.
    fn load_for(
        &self,
        py: Python<'py>,
        caller: &Bound<'py, Instance>,
        generation: &Bound<'py, Generation>,
        absolute: &Bound<'py, PyString>,
    ) -> PyResult<Option<Bound<'py, Instance>>> {
        if self.engine.facades.bind(py).get_item(absolute)?.is_none()
            && self.engine.sys_modules.bind(py).contains(absolute)?
        {
            return Ok(None);
        }
        let Ok(name) = ModuleName::new(absolute.to_str()?) else { return Ok(None) };
        let ensured = loading::ensure(py, self.engine, generation, &name);
        match ensured {
            Ok(Ensured::Live(found)) => Ok(Some(found)),
            Ok(Ensured::Foreign) => Ok(None),
            Ok(Ensured::Missing(parent)) => {
                missing(caller, &name);
                if self.engine.facades.bind(py).get_item(absolute)?.is_none()
                    && self.engine.sys_modules.bind(py).contains(absolute)?
                {
                    return Ok(None);
                }
                Err(errors::not_found(py, name.as_str(), parent.as_ref().map(ModuleName::as_str)))
            }
            Err(error) => Err(error),
        }
    }

    /// Live code imports something foreign.
    fn foreign_for(
        &self,
        py: Python<'py>,
        caller: &Bound<'py, Instance>,
        absolute: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let found =
            sharing::not_ours(py, self.engine, absolute.to_str()?).and_then(|()| self.original(py));
        if let Err(error) = &found
            && error.is_instance_of::<PyModuleNotFoundError>(py)
            && let Ok(name) = ModuleName::new(absolute.to_str()?)
        {
            missing(caller, &name);
        }
        if !caller.get().is_ready()
            && let Ok(Some(module)) = self.engine.sys_modules.bind(py).get_item(absolute)
            && let Ok(module) = module.cast::<PyModule>()
            && !facade::is_facade(module)
        {
            observe::imported_foreign(caller, module);
        }
        found
    }

    /// Records that `caller` imported `instance` (and, of a plain `import a.b.c`, what it holds).
    fn note(
        &self,
        py: Python<'py>,
        caller: &Bound<'py, Instance>,
        generation: &Bound<'py, Generation>,
        instance: &Bound<'py, Instance>,
        absolute: &Bound<'py, PyString>,
    ) -> PyResult<()> {
        if caller.get().is_ready() {
            if caller.get().deferred.bind(py).contains(absolute).unwrap_or(false) {
                return Ok(());
            }
            let _ = caller.get().deferred.bind(py).set_item(absolute, true);
        }
        connect(py, self.engine, caller, instance);
        if !self.takes_names() {
            let mut name = instance.get().name.parent();
            while let Some(parent) = name {
                if let Some(package) = generation.get().find(py, parent.as_str()) {
                    connect(py, self.engine, caller, &package);
                }
                name = parent.parent();
            }
        }
        let written = self.name.to_str().unwrap_or("");
        let uses = !caller.get().is_ready()
            && caller.get().with_outline(|outline| outline.uses(written)).unwrap_or(false);
        if uses {
            doubt::consider(py, self.engine, generation, caller, instance, written)?;
            observe::imported(py, generation, caller, instance);
        }
        Ok(())
    }

    fn is_star(&self) -> bool {
        let Some(Ok(list)) = self.fromlist.map(|list| list.cast_exact::<PyTuple>()) else {
            return false;
        };
        list.len() == 1
            && list
                .get_item(0)
                .is_ok_and(|name| name.extract::<&str>().is_ok_and(|name| name == "*"))
    }

    /// Makes sure that names taken from a package are there, importing submodules where need be.
    fn take(
        &self,
        py: Python<'py>,
        caller: Option<&Bound<'py, Instance>>,
        generation: &Bound<'py, Generation>,
        package: &Bound<'py, Instance>,
    ) -> PyResult<()> {
        let Some(list) = self.fromlist else { return Ok(()) };
        for name in list.try_iter()? {
            let name = name?;
            let Ok(name) = name.cast::<PyString>() else { continue };
            if name.to_str()? == "*" {
                let all = package.get().value(py).getattr_opt(intern!(py, "__all__"))?;
                if let (Some(all), true) = (&all, package.get().package) {
                    for name in all.try_iter()? {
                        if let Ok(name) = name?.cast::<PyString>() {
                            self.take_one(py, caller, generation, package, name)?;
                        }
                    }
                }
                if let Some(caller) = caller {
                    starred(py, caller, package, all)?;
                }
            } else {
                self.take_one(py, caller, generation, package, name)?;
            }
        }
        Ok(())
    }

    fn take_one(
        &self,
        py: Python<'py>,
        caller: Option<&Bound<'py, Instance>>,
        generation: &Bound<'py, Generation>,
        package: &Bound<'py, Instance>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<()> {
        if !package.get().package {
            return Ok(());
        }
        let child = package.get().name.join(name.to_str()?);
        let mut found = generation.get().find(py, child.as_str());
        if found.is_none() && package.get().value(py).getattr_opt(name)?.is_none() {
            match loading::ensure(py, self.engine, generation, &child)? {
                Ensured::Live(loaded) => found = Some(loaded),
                Ensured::Foreign => {
                    // An extension module in a live package.
                    let import = self.engine.original_gcd_import.bind(py);
                    if let Err(error) = import.call1((child.as_str(),))
                        && !error.is_instance_of::<PyModuleNotFoundError>(py)
                    {
                        return Err(error);
                    }
                }
                Ensured::Missing(_) => {
                    if let Some(caller) = caller {
                        missing(caller, &child);
                    }
                    // The interpreter would go on to look in `sys.modules`, where the facade
                    // stands for generations that have the module.
                    if self.engine.facades.bind(py).contains(child.as_str())?
                        && self.engine.sys_modules.bind(py).contains(child.as_str())?
                    {
                        return Err(errors::cannot_import(py, package, name)?);
                    }
                }
            }
        } else if let Some(there) = &found
            && !there.get().is_ready()
            && let Ensured::Live(loaded) = loading::ensure(py, self.engine, generation, &child)?
        {
            found = Some(loaded);
        }
        let (Some(found), Some(caller)) = (found, caller) else { return Ok(()) };
        submodules::bind_half_loaded(py, generation, &found)?;
        // The name may be the package's own, and no submodule.
        let taken = package.get().value(py).getattr_opt(name)?;
        if taken.is_some_and(|value| value.is(found.get().value(py))) {
            connect(py, self.engine, caller, &found);
            let written = self.name.to_str()?;
            let attribute = name.to_str()?;
            let uses = |outline: &Outline| outline.uses_attribute(written, attribute);
            if !caller.get().is_ready() && caller.get().with_outline(uses).unwrap_or(false) {
                doubt::consider(py, self.engine, generation, caller, &found, written)?;
                observe::imported(py, generation, caller, &found);
            }
        }
        Ok(())
    }

    fn for_foreign(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.level != 0 {
            return self.original(py);
        }
        let facades = self.engine.facades.bind(py);
        let known = facades.get_item(self.name)?;
        if known.is_none() && self.engine.sys_modules.bind(py).contains(self.name)? {
            return self.original(py);
        }
        let generation = asker::for_foreign(py, self.engine);
        let Ok(name) = ModuleName::new(self.name.to_str()?) else { return self.original(py) };
        let found = match loading::ensure(py, self.engine, &generation, &name)? {
            Ensured::Live(found) => found,
            Ensured::Foreign => {
                sharing::not_ours(py, self.engine, name.as_str())?;
                return self.original(py);
            }
            Ensured::Missing(parent) => {
                if self.engine.sys_modules.bind(py).contains(self.name)? && known.is_none() {
                    return self.original(py);
                }
                let parent = parent.as_ref().map(ModuleName::as_str);
                return Err(errors::not_found(py, name.as_str(), parent));
            }
        };
        if self.takes_names() {
            if found.get().package {
                self.take(py, None, &generation, &found)?;
            }
            return outward(py, self.engine, &found);
        }
        let top = name.top();
        match generation.get().find(py, top) {
            Some(top) => outward(py, self.engine, &top),
            None => self.original(py),
        }
    }
}

/// What foreign code gets for an instance.
pub fn outward<'py>(
    py: Python<'py>,
    engine: &Engine,
    instance: &Bound<'py, Instance>,
) -> PyResult<Bound<'py, PyAny>> {
    match instance.get().replacement(py) {
        Some(other) => Ok(other),
        None => facade::of(py, engine, &instance.get().name),
    }
}

/// The absolute name of a relative import.
fn relative<'py>(
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
