//! What does an import statement do?
//!
//! [`import`] has the rules; `hooks/fast_path.rs` stands in front of it as `builtins.__import__`,
//! and importing by calls is `hooks/import_module.rs`'s. A foreign caller of a foreign module costs
//! one dict look-up and goes to the original; a live caller gets the real module of its generation;
//! a foreign caller of a live module gets the facade. Edges are recorded as they happen.

use std::sync::atomic::Ordering;

use pyo3::exceptions::{PyImportError, PyModuleNotFoundError};
use pyo3::types::{PyDict, PyList, PyModule, PyString, PyTuple};
use pyo3::{intern, prelude::*, sync::PyOnceLock};
use transfuse_engine::ModuleName;

use crate::code::{bytecode, name_usage::NameUsage};
use crate::effects::dependencies::{
    record_import, record_import_through, record_not_found, record_statement,
};
use crate::effects::{
    conflict, foreign_lookups, listener_adapters, names_from_elsewhere, observation,
};
use crate::hooks::{partial_import, submodule_imports};
use crate::loading::load::{self, Loaded};
use crate::loading::{packages_before, submodules};
use crate::state::{caller, live_module::LiveModule, runtime, runtime::Runtime, scope::Scope};
use crate::sysmodules::{entry, facade, facade::of_instance};

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
        let fromlist = fromlist.unwrap_or(&PyTuple::empty(py).into_any()).clone();
        return import.call1((name, globals, locals, fromlist, level));
    };
    let statement = ImportStatement { runtime, name, globals, locals, fromlist, level };
    let caller = match globals.filter(|globals| !is_nobodys(globals)) {
        Some(globals) => caller::module_of_globals(py, globals),
        // `__import__("shop.urls", fromlist=["routes"])`, a call: the code that runs has made it.
        None => caller::immediate(py),
    };
    match caller {
        Some(caller) => statement.for_live(py, &caller),
        None => statement.for_foreign(py),
    }
}

/// Whether what stands for the globals of an import are those of no code.
pub fn is_nobodys(globals: &Bound<'_, PyAny>) -> bool {
    globals.is_none() || globals.cast_exact::<PyDict>().is_ok_and(|globals| globals.is_empty())
}

/// [`import`] as a Python function.
pub fn function(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = FUNCTION.get_or_try_init(py, || {
        Ok::<_, PyErr>(pyo3::wrap_pyfunction!(import, py)?.into_any().unbind())
    })?;
    Ok(made.bind(py))
}

pub struct ImportStatement<'a, 'py> {
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
        let fromlist = self.fromlist.unwrap_or(&empty);
        let args = (self.name, self.globals, self.locals, fromlist, self.level);
        self.runtime.original_import.bind(py).call1(args)
    }

    /// Whether names are taken from the module (`from x import a`).
    fn takes_names(&self) -> bool {
        self.fromlist.is_some_and(|list| list.is_truthy().unwrap_or(false))
    }

    /// Whether C code imports (`pickle.loads`), in the name of the Python code that called it: only that
    /// passes an empty list.
    fn is_call_of_c(&self) -> bool {
        let list = self.fromlist.and_then(|taken| taken.cast_exact::<PyList>().ok());
        list.is_some_and(|list| list.is_empty())
    }

    fn for_live(
        &self,
        py: Python<'py>,
        caller: &Bound<'py, LiveModule>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let scope = caller::scope_of_live(py, self.runtime, caller);
        let absolute = match self.level {
            0 => self.name.clone(),
            level => relative(py, self.globals, level, self.name)?,
        };
        if scope.is_staged() {
            self.run_packages(&scope, &absolute)?;
        }
        let instance = match scope.get(&absolute) {
            Some(found)
                if found.get().is_ready()
                    && entry::is_as_seen(py, self.runtime, &absolute, &found) =>
            {
                found
            }
            _ => match self.load_for(&scope, caller, &absolute)? {
                Some(found) => found,
                None => {
                    self.record_replaced(&scope, caller, &absolute);
                    return self.foreign_for(py, caller, &absolute);
                }
            },
        };
        submodule_imports::imported(&scope, &instance)?;
        self.record(&scope, caller, &instance, &absolute)?;
        if self.is_call_of_c() {
            record_import_through(&scope, &instance);
        }
        if self.takes_names() {
            let other = match instance.get().package || self.is_star() {
                true => self.handle_fromlist(&scope, Some(caller), &instance),
                false => Ok(None),
            };
            if !caller.get().is_ready() {
                let names = if other.is_ok() { self.names() } else { None };
                names_from_elsewhere::record(&scope, caller, &instance, names.as_deref())?;
            }
            return Ok(other?.map_or_else(|| instance.get().value(py), Bound::into_any));
        }
        let Some((_, rest)) = self.name.to_str()?.split_once('.') else {
            return Ok(instance.get().value(py));
        };
        if let Some(chain) = partial_import::partial_package_chain(&scope, &instance)?
            && bytecode::takes_a_name(py)?
        {
            return Ok(chain.into_any());
        }
        let whole = absolute.to_str()?;
        match scope.find(&whole[..whole.len() - rest.len() - 1]) {
            Some(top) => Ok(top.get().value(py)),
            None => self.original(py),
        }
    }

    /// The packages around an imported module run first, also where an update runs them again and
    /// not that module. The packages around its own imports do, too.
    fn run_packages(&self, scope: &Scope<'py>, absolute: &Bound<'py, PyString>) -> PyResult<()> {
        let Some(found) = scope.get(absolute).filter(|found| found.get().is_ready()) else {
            return Ok(());
        };
        load::load_packages(scope, &found.get().name)?;
        packages_before::start(scope, &found)
    }

    /// The instance of a name that is not loaded; none where the name is not ours.
    fn load_for(
        &self,
        scope: &Scope<'py>,
        caller: &Bound<'py, LiveModule>,
        absolute: &Bound<'py, PyString>,
    ) -> PyResult<Option<Bound<'py, LiveModule>>> {
        let py = scope.py;
        if self.runtime.has_foreign(py, absolute)? {
            return Ok(None);
        }
        let Ok(name) = ModuleName::new(absolute.to_str()?) else { return Ok(None) };
        load::load_live(scope, Some(caller), &name)
    }

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
            record_not_found(self.runtime, caller, &name);
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
            listener_adapters::attend(py, self.runtime);
        }
        match found {
            Ok(top) if facade::is_facade(&top) && !self.takes_names() => {
                // Something else stands under a name below a live package.
                let scope = caller::scope_of_live(py, self.runtime, caller);
                match load::load(&scope, &facade::name_of(&top)?)? {
                    Loaded::Live(own) => Ok(own.get().value(py)),
                    _ => Ok(top),
                }
            }
            found => found,
        }
    }

    /// Records a statement that names a live module, if the program has put something else in its place.
    fn record_replaced(
        &self,
        scope: &Scope<'py>,
        caller: &Bound<'py, LiveModule>,
        absolute: &Bound<'py, PyString>,
    ) {
        if let Some(replaced) = scope.get(absolute) {
            record_statement(self.runtime, &caller.get().name, &replaced.get().name);
        }
    }

    /// Records that `caller` imported `instance` (and, of a plain `import a.b.c`, its packages).
    fn record(
        &self,
        scope: &Scope<'py>,
        caller: &Bound<'py, LiveModule>,
        instance: &Bound<'py, LiveModule>,
        absolute: &Bound<'py, PyString>,
    ) -> PyResult<()> {
        let py = scope.py;
        if caller.get().is_ready() {
            observation::imported_through(scope, Some(caller), instance)?;
            if caller.get().deferred.bind(py).contains(absolute).unwrap_or(false) {
                return Ok(());
            }
            // `hooks/fast_path.rs` needs to know whether the name has a dot.
            let plain = !absolute.to_str()?.contains('.');
            let _ = caller.get().deferred.bind(py).set_item(absolute, plain);
        }
        record_statement(self.runtime, &caller.get().name, &instance.get().name);
        if caller.get().is_ready() || !self.takes_names() {
            record_import(py, self.runtime, caller, instance);
        }
        let written = self.name.to_str().unwrap_or("");
        self.record_use(scope, caller, instance, written, None)?;
        if !self.takes_names() {
            // It binds the first of these packages, or `import a.b as c` the last submodule alone.
            let mut below = instance.get().name.clone();
            let mut written = written;
            while let Some(name) = below.parent() {
                written = written.rsplit_once('.').map_or("", |(package, _)| package);
                if let Some(package) = scope.find(name.as_str()) {
                    let taken = [below.tail().to_owned()];
                    names_from_elsewhere::record(scope, caller, &package, Some(&taken))?;
                    self.record_use(scope, caller, &package, written, None)?;
                }
                below = name;
            }
        }
        Ok(())
    }

    /// The names that are taken of the module; none for a star.
    fn names(&self) -> Option<Vec<String>> {
        self.fromlist.filter(|_| !self.is_star())?.extract().ok()
    }

    /// Observes what module-level code, or a function that it calls, changes by using an import.
    ///
    /// `written` is the module's name in the source, `attribute` the name taken from it, if the
    /// instance is that submodule.
    pub fn record_use(
        &self,
        scope: &Scope<'py>,
        caller: &Bound<'py, LiveModule>,
        instance: &Bound<'py, LiveModule>,
        written: &str,
        attribute: Option<&str>,
    ) -> PyResult<()> {
        if caller.get().is_ready() {
            return Ok(());
        }
        submodules::hide_later(scope, caller, instance)?;
        // Only functions have their variables elsewhere than in a dict.
        if self.locals.is_none_or(|locals| locals.is_none()) {
            observation::imported_through(scope, Some(caller), instance)?;
            return observation::imported_within(scope, caller, instance);
        }
        let uses = |usage: &NameUsage| match attribute {
            Some(attribute) => usage.uses_attribute(written, attribute),
            None => usage.uses(written),
        };
        if caller.get().with_name_usage(uses).unwrap_or(false) {
            let path = attribute.map(|attribute| format!("{written}.{attribute}"));
            conflict::check(scope, caller, instance, path.as_deref().unwrap_or(written))?;
            observation::imported(scope, caller, instance);
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
        let scope = caller::scope_of_foreign(py, self.runtime);
        let Ok(name) = ModuleName::new(self.name.to_str()?) else { return self.original(py) };
        let at_hand = scope.get(self.name).filter(|found| {
            found.get().is_ready() && entry::is_as_seen(py, self.runtime, self.name, found)
        });
        let found = match at_hand {
            Some(found) => found,
            None => match load::load_live(&scope, None, &name)? {
                Some(found) => found,
                None => {
                    entry::not_ours(py, self.runtime, name.as_str())?;
                    return self.original(py);
                }
            },
        };
        submodule_imports::imported(&scope, &found)?;
        observation::imported_through(&scope, None, &found)?;
        record_import_through(&scope, &found);
        foreign_lookups::record(&scope, &found);
        if self.takes_names() {
            if found.get().package {
                self.handle_fromlist(&scope, None, &found)?;
            }
            return of_instance(py, self.runtime, &found);
        }
        let top = name.top();
        match scope.find(top) {
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
