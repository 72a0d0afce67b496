//! What does `from package import a, b` do about each name?
//!
//! A name that is no attribute of the package may be a submodule that is yet to be imported, or one
//! that is being imported in a circle. The module that the statement names, and its result, are
//! `hooks/import_statement.rs`'s.

use pyo3::types::{PyModule, PyString, PyTuple};
use pyo3::{exceptions::PyModuleNotFoundError, intern, prelude::*};
use transfuse_engine::ModuleName;

use crate::effects::dependencies::{record_import, record_not_found, record_star};
use crate::hooks::{import_statement::ImportStatement, partial_import, submodule_imports};
use crate::loading::{load, load::Loaded, submodules};
use crate::state::{caller, live_module::LiveModule, pending_submodules, scope::Scope};
use crate::{code::bytecode, cpython::exceptions, effects::observation, sysmodules::entry};

impl<'py> ImportStatement<'_, 'py> {
    pub fn is_star(&self) -> bool {
        let Some(Ok(list)) = self.fromlist.map(|list| list.cast_exact::<PyTuple>()) else {
            return false;
        };
        list.len() == 1
            && list
                .get_item(0)
                .is_ok_and(|name| name.extract::<&str>().is_ok_and(|name| name == "*"))
    }

    /// Makes sure that names taken from a package are there, importing submodules where need be.
    ///
    /// Returns the module that live code takes them from, if that is not the package itself.
    pub fn handle_fromlist(
        &self,
        scope: &Scope<'py>,
        caller: Option<&Bound<'py, LiveModule>>,
        package: &Bound<'py, LiveModule>,
    ) -> PyResult<Option<Bound<'py, PyModule>>> {
        let py = scope.py;
        let Some(list) = self.fromlist else { return Ok(None) };
        let mut taken_early = Vec::new();
        for name in list.try_iter()? {
            let name = name?;
            let Ok(name) = name.cast::<PyString>() else { continue };
            if name.to_str()? == "*" {
                let all = package.get().value(py).getattr_opt(intern!(py, "__all__"))?;
                if let (Some(all), true) = (&all, package.get().package) {
                    for name in all.try_iter()? {
                        if let Ok(name) = name?.cast::<PyString>() {
                            self.import_from(scope, caller, package, name)?;
                        }
                    }
                }
                if let Some(caller) = caller {
                    let whole = submodules::whole(scope, caller, package.get())?;
                    let from =
                        whole.as_ref().map_or_else(|| package.get().namespace(py), |m| m.dict());
                    record_star(caller, &from, all)?;
                    return Ok(whole);
                }
            } else {
                taken_early.extend(self.import_from(scope, caller, package, name)?);
            }
        }
        // A direct call of `__import__` gets the package.
        if taken_early.is_empty() || caller.is_none() || !bytecode::takes_a_name(py)? {
            return Ok(None);
        }
        partial_import::package_with(py, package.get(), &taken_early).map(Some)
    }

    /// Imports `name` where it is a submodule of the package. Returns the submodule if it is only
    /// partially initialized, and so no attribute of its package yet.
    fn import_from(
        &self,
        scope: &Scope<'py>,
        caller: Option<&Bound<'py, LiveModule>>,
        package: &Bound<'py, LiveModule>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Option<Bound<'py, LiveModule>>> {
        if !package.get().package {
            return Ok(None);
        }
        let Some(found) = self.submodule(scope, caller, package, name)? else { return Ok(None) };
        let is_partial = partial_import::is_partial(scope.py, package.get(), &found)?;
        // The name may be the package's own, and no submodule.
        let taken = package.get().value(scope.py).getattr_opt(name)?;
        let is_submodule = taken.map_or(is_partial, |value| value.is(found.get().value(scope.py)));
        if is_submodule {
            if caller.is_none_or(|caller| caller.get().is_ready()) {
                observation::imported_through(scope, caller, &found)?;
            }
            if let Some(caller) = caller {
                record_import(scope.py, self.runtime, caller, &found);
                let (written, attribute) = (self.name.to_str()?, name.to_str()?);
                self.record_use(scope, caller, &found, written, Some(attribute))?;
            }
        }
        Ok(is_partial.then_some(found))
    }

    /// The submodule of that name, loaded if the package has no such attribute.
    fn submodule(
        &self,
        scope: &Scope<'py>,
        caller: Option<&Bound<'py, LiveModule>>,
        package: &Bound<'py, LiveModule>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Option<Bound<'py, LiveModule>>> {
        let py = scope.py;
        let child = package.get().name.join(name.to_str()?);
        let found = scope.find(child.as_str());
        let is_missing = || Ok::<_, PyErr>(package.get().value(py).getattr_opt(name)?.is_none());
        if let Some(there) = &found
            && pending_submodules::any()
            && is_missing()?
        {
            submodule_imports::imported(scope, there)?;
        }
        let as_seen = found.as_ref().is_some_and(|there| {
            let key = there.get().key.bind(py);
            !there.get().is_ready() || entry::is_as_seen(py, self.runtime, key, there)
        });
        if !as_seen && is_missing()? {
            return match load::load(scope, &child)? {
                Loaded::Live(loaded) => Ok(Some(loaded)),
                Loaded::Foreign => self.import_foreign(py, &child).map(|()| found),
                Loaded::Missing(_) => {
                    if let Some(caller) = caller {
                        record_not_found(self.runtime, caller, &child);
                    }
                    self.refuse_facade(py, package.get(), &child, name).map(|()| found)
                }
            };
        }
        if found.as_ref().is_some_and(|there| !there.get().is_ready())
            && let Loaded::Live(loaded) = load::load(scope, &child)?
        {
            return Ok(Some(loaded));
        }
        // The package may have had it loaded when it was asked for the attribute.
        Ok(found.or_else(|| scope.find(child.as_str())))
    }

    /// An extension module in a live package, or `None` in the place of a live one.
    fn import_foreign(&self, py: Python<'py>, child: &ModuleName) -> PyResult<()> {
        let import = self.runtime.original_gcd_import.bind(py);
        if let Err(error) = import.call1((child.as_str(),)) {
            let there = self.runtime.sys_modules.bind(py).get_item(child.as_str())?;
            let halted = there.is_some_and(|there| there.is_none());
            if halted || !error.is_instance_of::<PyModuleNotFoundError>(py) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Raises where the interpreter would go on to look in `sys.modules` and find the facade, which
    /// stands there for generations that have the module.
    fn refuse_facade(
        &self,
        py: Python<'py>,
        package: &LiveModule,
        child: &ModuleName,
        name: &Bound<'py, PyString>,
    ) -> PyResult<()> {
        if self.runtime.facades.bind(py).contains(child.as_str())?
            && self.runtime.sys_modules.bind(py).contains(child.as_str())?
        {
            let file = package.file.as_deref();
            return Err(exceptions::cannot_import(py, &package.name, file, name)?);
        }
        Ok(())
    }

    /// Live code took names from a foreign package: records those that are live modules.
    pub fn connect_live_portions(
        &self,
        py: Python<'py>,
        caller: &Bound<'py, LiveModule>,
        package: &Bound<'py, PyString>,
    ) -> PyResult<()> {
        let Some(list) = self.fromlist else { return Ok(()) };
        let scope = caller::scope_of_live(py, self.runtime, caller);
        for name in list.try_iter()? {
            let name = name?;
            let Ok(name) = name.extract::<&str>() else { continue };
            if let Some(found) = scope.find(&format!("{}.{name}", package.to_str()?)) {
                record_import(py, self.runtime, caller, &found);
            }
        }
        Ok(())
    }
}
