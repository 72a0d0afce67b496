//! What does `from package import a, b` do about each name?
//!
//! A name that is no attribute of the package may be a submodule that is yet to
//! be imported, or one that is being imported in a circle. Which module the
//! statement means, and what it returns, is `hooks/import_statement.rs`'s.

use pyo3::exceptions::PyModuleNotFoundError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyString, PyTuple};

use crate::code::bytecode;
use crate::code::name_usage::NameUsage;
use crate::cpython::exceptions;
use crate::effects::dependencies::{record_import, record_not_found, record_star};
use crate::effects::{conflict, observation};
use crate::hooks::import_statement::ImportStatement;
use crate::hooks::{partial_import, submodule_imports};
use crate::loading::load::{self, Loaded};
use crate::loading::submodules;
use crate::state::generation::Generation;
use crate::state::live_module::LiveModule;
use crate::state::{caller, pending_submodules};
use crate::sysmodules::entry;

impl<'py> ImportStatement<'_, 'py> {
    /// Whether it is `from x import *`.
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
    /// Returns what live code takes them from, if that is not the package itself.
    pub fn handle_fromlist(
        &self,
        py: Python<'py>,
        caller: Option<&Bound<'py, LiveModule>>,
        generation: &Bound<'py, Generation>,
        package: &Bound<'py, LiveModule>,
    ) -> PyResult<Option<Bound<'py, PyModule>>> {
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
                            self.import_from(py, caller, generation, package, name)?;
                        }
                    }
                }
                if let Some(caller) = caller {
                    let whole = submodules::whole(py, generation, package.get())?;
                    let from =
                        whole.as_ref().map_or_else(|| package.get().namespace(py), |m| m.dict());
                    record_star(caller, &from, all)?;
                    return Ok(whole);
                }
            } else {
                taken_early.extend(self.import_from(py, caller, generation, package, name)?);
            }
        }
        // Who calls `__import__` gets the package.
        if taken_early.is_empty() || caller.is_none() || !bytecode::takes_a_name(py)? {
            return Ok(None);
        }
        partial_import::package_with(py, package.get(), &taken_early).map(Some)
    }

    /// Returns the submodule of that name if it is being loaded, and no attribute of its package yet.
    fn import_from(
        &self,
        py: Python<'py>,
        caller: Option<&Bound<'py, LiveModule>>,
        generation: &Bound<'py, Generation>,
        package: &Bound<'py, LiveModule>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Option<Bound<'py, LiveModule>>> {
        if !package.get().package {
            return Ok(None);
        }
        let child = package.get().name.join(name.to_str()?);
        let mut found = generation.get().find(py, child.as_str());
        let seen = |found: &Bound<'_, LiveModule>| {
            !found.get().is_ready()
                || entry::is_as_seen(py, self.runtime, found.get().key.bind(py), found)
        };
        if let Some(there) = &found
            && pending_submodules::any()
            && package.get().value(py).getattr_opt(name)?.is_none()
        {
            submodule_imports::imported(py, self.runtime, generation, there)?;
        }
        if !found.as_ref().is_some_and(seen) && package.get().value(py).getattr_opt(name)?.is_none()
        {
            match load::load(py, self.runtime, generation, &child)? {
                Loaded::Live(loaded) => found = Some(loaded),
                Loaded::Foreign => {
                    // An extension module in a live package, or `None` in the place of a live one.
                    let import = self.runtime.original_gcd_import.bind(py);
                    if let Err(error) = import.call1((child.as_str(),)) {
                        let there = self.runtime.sys_modules.bind(py).get_item(child.as_str())?;
                        let halted = there.is_some_and(|there| there.is_none());
                        if halted || !error.is_instance_of::<PyModuleNotFoundError>(py) {
                            return Err(error);
                        }
                    }
                }
                Loaded::Missing(_) => {
                    if let Some(caller) = caller {
                        record_not_found(caller, &child);
                    }
                    // The interpreter would go on to look in `sys.modules`, where the facade
                    // stands for generations that have the module.
                    if self.runtime.facades.bind(py).contains(child.as_str())?
                        && self.runtime.sys_modules.bind(py).contains(child.as_str())?
                    {
                        return Err(exceptions::cannot_import(
                            py,
                            &package.get().name,
                            package.get().file.as_deref(),
                            name,
                        )?);
                    }
                }
            }
        } else if let Some(there) = &found
            && !there.get().is_ready()
            && let Loaded::Live(loaded) = load::load(py, self.runtime, generation, &child)?
        {
            found = Some(loaded);
        }
        let Some(found) = found else { return Ok(None) };
        let is_half_loaded = partial_import::is_partial(py, package.get(), &found)?;
        // The name may be the package's own, and no submodule.
        let taken = package.get().value(py).getattr_opt(name)?;
        let is_submodule = taken.map_or(is_half_loaded, |value| value.is(found.get().value(py)));
        if is_submodule && caller.is_none_or(|caller| caller.get().is_ready()) {
            observation::imported_through(py, self.runtime, generation, caller, &found)?;
        }
        if let Some(caller) = caller
            && is_submodule
        {
            record_import(py, self.runtime, caller, &found);
            let written = self.name.to_str()?;
            let attribute = name.to_str()?;
            let uses = |outline: &NameUsage| outline.uses_attribute(written, attribute);
            if !caller.get().is_ready() && self.is_in_function() {
                observation::imported_through(py, self.runtime, generation, Some(caller), &found)?;
                observation::imported_within(py, self.runtime, generation, caller, &found)?;
            } else if !caller.get().is_ready()
                && caller.get().with_name_usage(uses).unwrap_or(false)
            {
                let written = format!("{written}.{attribute}");
                conflict::check(py, self.runtime, generation, caller, &found, &written)?;
                observation::imported(py, generation, caller, &found);
            }
        }
        Ok(is_half_loaded.then_some(found))
    }

    /// Live code took names from a foreign package: those that are live modules it depends on.
    pub fn connect_live_portions(
        &self,
        py: Python<'py>,
        caller: &Bound<'py, LiveModule>,
        package: &Bound<'py, PyString>,
    ) -> PyResult<()> {
        let Some(list) = self.fromlist else { return Ok(()) };
        let generation = caller::generation_for_live(py, self.runtime, caller);
        for name in list.try_iter()? {
            let name = name?;
            let Ok(name) = name.extract::<&str>() else { continue };
            if let Some(found) = generation.get().find(py, &format!("{}.{name}", package.to_str()?))
            {
                record_import(py, self.runtime, caller, &found);
            }
        }
        Ok(())
    }
}
