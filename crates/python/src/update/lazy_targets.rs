//! Would every lazy import that has not been used yet find its target after an update? (PEP 810)
//!
//! A fresh process would notice at the first use, when requests are served; an update is refused
//! before it is published. Nothing is executed for that: the target is located and compiled, and a
//! name that is taken of it is looked for in its code. Looked at are the lazy imports of the
//! modules that the update runs, and those that lead to a changed file. An import that had no
//! target before the update refuses nothing.

use std::collections::BTreeSet;

use pyo3::exceptions::{PyModuleNotFoundError, PySyntaxError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyList, PyModule, PyString};
use transfuse_engine::{EdgeKind, FileChange, ModuleName, Policy, Reason};

use crate::code::{bytecode, name_usage, pyc};
use crate::cpython::{exceptions, lazy_object};
use crate::effects::annotations;
use crate::loading::kept_origin;
use crate::loading::names_of_file::would_be;
use crate::loading::namespace_path::search_path;
use crate::loading::search::{self, Resolution};
use crate::loading::{source_text, submodules};
use crate::state::generation::Generation;
use crate::state::lazy_imports;
use crate::state::live_module::LiveModule;
use crate::state::module_source::SourceFile;
use crate::state::policy::effective_policy;
use crate::state::runtime::Runtime;
use crate::state::scope::Scope;
use crate::sysmodules::spec::Finder;
use crate::update::staged_update::StagedUpdate;

/// A lazy import that has not been used yet: the module, and a name that is taken of it.
type Unused = (ModuleName, Option<String>);

/// Raises if an update would leave a lazy import without its target.
fn check(
    py: Python<'_>,
    runtime: &'static Runtime,
    staged: &Bound<'_, Generation>,
    changes: &[FileChange],
) -> PyResult<()> {
    if !lazy_imports::are_declared() {
        return Ok(());
    }
    let Some(base) = staged.get().base(py) else { return Ok(()) };
    let executed = staged.get().executed(py);
    for importer in &executed {
        for unused in unused(importer) {
            check_one(py, runtime, staged, &base, importer, &unused)?;
        }
    }
    for (importer, name) in declared_by(py, runtime, changes) {
        let Some(importer) = staged.get().find(py, importer.as_str()) else { continue };
        if executed.iter().any(|one| one.is(&importer)) {
            continue;
        }
        let concerned = unused(&importer).into_iter().filter(|(target, taken)| {
            let whole = taken.as_ref().map(|taken| target.join(taken));
            let leads = |to: &ModuleName| {
                std::iter::successors(Some(to.clone()), ModuleName::parent).any(|to| to == name)
            };
            leads(target) || whole.as_ref().is_some_and(leads)
        });
        for unused in concerned {
            check_one(py, runtime, staged, &base, &importer, &unused)?;
        }
    }
    Ok(())
}

impl StagedUpdate<'_> {
    /// Raises if it would leave a lazy import without its target.
    pub fn check_lazy_targets(&self, py: Python<'_>, changes: &[FileChange]) -> PyResult<()> {
        check(py, self.runtime, &self.staged, changes)
    }

    /// Modules that go on, and whose lazy imports were bound, while this was planned, to what it
    /// replaces.
    pub fn bound_meanwhile(&self, py: Python<'_>) -> Vec<(ModuleName, Reason)> {
        if !lazy_imports::are_declared() {
            return Vec::new();
        }
        let all = self.staged.get().all(py).into_iter();
        all.filter_map(|module| {
            let bound = module.get().lazy.bound().into_iter();
            let other = |(name, execution): &(ModuleName, u64)| {
                let now = self.staged.get().find(py, name.as_str());
                now.is_none_or(|now| now.get().started() != *execution)
            };
            if effective_policy(py, self.runtime, module.get()) == Policy::Never {
                return None;
            }
            let name = bound.filter(other).map(|(name, _)| name).next()?;
            Some((module.get().name.clone(), Reason::Imports(name)))
        })
        .collect()
    }
}

/// The modules that declare a lazy import of a changed file's module, each with that module.
fn declared_by(
    py: Python<'_>,
    runtime: &Runtime,
    changes: &[FileChange],
) -> BTreeSet<(ModuleName, ModuleName)> {
    let mut found = BTreeSet::new();
    for change in changes {
        let mut names = would_be(py, runtime, &change.path);
        let records = runtime.records.lock();
        names.extend(records.files.get(&change.path).cloned().unwrap_or_default());
        // A package may re-export the names of a module in it.
        let around =
            names.iter().flat_map(|name| std::iter::successors(name.parent(), ModuleName::parent));
        let around: Vec<_> = around.collect();
        names.extend(around);
        for name in names {
            let importers = records.graph.importers(&name);
            let lazy = importers.filter(|(_, kind)| *kind == EdgeKind::Lazy);
            found.extend(lazy.map(|(from, _)| (from.clone(), name.clone())));
        }
    }
    found
}

/// The lazy imports of a module that have not been used.
fn unused(module: &Bound<'_, LiveModule>) -> BTreeSet<Unused> {
    annotations::unused(module).into_iter().map(|(_, target, taken)| (target, taken)).collect()
}

fn check_one(
    py: Python<'_>,
    runtime: &'static Runtime,
    staged: &Bound<'_, Generation>,
    base: &Bound<'_, Generation>,
    importer: &Bound<'_, LiveModule>,
    wanted: &Unused,
) -> PyResult<()> {
    let Err(error) = reach(&Scope::new(py, runtime, staged), wanted) else { return Ok(()) };
    let before = base.get().find(py, importer.get().name.as_str());
    if before.is_some_and(|before| unused(&before).contains(wanted))
        && reach(&Scope::new(py, runtime, base), wanted).is_err()
    {
        return Ok(());
    }
    let (target, taken) = wanted;
    let statement = match taken {
        Some(taken) => format!("lazy from {target} import {taken}"),
        None => format!("lazy import {target}"),
    };
    let of = importer.get();
    let note = format!(
        "{} has not used its `{statement}` yet ({}, line {}): this would be its first use",
        of.name,
        of.file.as_deref().unwrap_or("?"),
        of.lazy.line(target.as_str())
    );
    if error.is_instance_of::<PySyntaxError>(py) {
        // Its text and place are what is shown; Python 3.15 has notes.
        error.value(py).call_method1(intern!(py, "add_note"), (note,))?;
        return Err(error);
    }
    let message = format!("{}; {note}", error.value(py).str()?);
    Err(exceptions::import(py, &message, target.as_str()))
}

/// How many modules may hand a name on, `from .prices import total`, before it is taken for found.
const HANDED_ON: usize = 16;

/// Whether a lazy import would find what it names in a generation. Raises what its use would raise, as
/// far as that can be known without executing the module.
fn reach(scope: &Scope<'_>, wanted: &Unused) -> PyResult<()> {
    reach_through(scope, wanted, HANDED_ON)
}

fn reach_through(scope: &Scope<'_>, (target, taken): &Unused, modules: usize) -> PyResult<()> {
    let py = scope.py;
    let found = find(scope, target)?;
    let Some(taken) = taken else { return Ok(()) };
    let has_name = match &found {
        LazyTarget::Unknown => return Ok(()),
        LazyTarget::Foreign(module) => {
            let namespace = module.dict();
            namespace.contains(taken)? || namespace.contains(intern!(py, "__getattr__"))?
        }
        LazyTarget::Loaded(module) => {
            // `lazy from . import prices` in the package itself names the submodule.
            let itself = |own: &Bound<'_, PyAny>| {
                lazy_object::parts(own).is_some_and(|own| own.takes(target.as_str(), taken))
            };
            let own = module.get().namespace(py).get_item(taken)?;
            module.get().is_replaced()
                || own.is_some_and(|own| !itself(&own))
                || submodules::has_own_getattr(py, module.get())?
        }
        LazyTarget::Namespace(_) => false,
        LazyTarget::Source { code, .. } => {
            let usage = name_usage::outline(py, code)?;
            let may_be_elsewhere = usage.defined.contains("__getattr__")
                || usage.runs_text
                || usage.sets_items
                || usage.used.values().any(|used| used.contains("*"));
            if !may_be_elsewhere && usage.is_only_imported(taken) && modules > 0 {
                return handed_on(scope, target, code, taken, modules - 1);
            }
            may_be_elsewhere || usage.defined.contains(taken)
        }
    };
    if has_name {
        return Ok(());
    }
    match find(scope, &target.join(taken)) {
        Ok(_) => return Ok(()),
        Err(error) if error.is_instance_of::<PySyntaxError>(py) => return Err(error),
        Err(_) => {}
    }
    let message = format!("cannot import name '{taken}' from '{target}'");
    Err(exceptions::import(py, &message, target.as_str()))
}

/// Whether the one statement that imports a name into a module would find it. How many dots a relative
/// import has is not known: it is found if any reading of it is.
fn handed_on(
    scope: &Scope<'_>,
    by: &ModuleName,
    code: &Bound<'_, PyCode>,
    bound: &str,
    modules: usize,
) -> PyResult<()> {
    let mut imports = bytecode::read(scope.py, code)?.imports;
    imports.retain(|import| import.bound == bound);
    let [import] = &*imports else { return Ok(()) };
    let Some(taken) = &import.attribute else { return Ok(()) };
    let around = std::iter::successors(Some(by.clone()), ModuleName::parent);
    let mut readings: Vec<_> = around.map(|package| package.join(&import.imported)).collect();
    readings.extend(ModuleName::new(&import.imported));
    let mut error = None;
    for reading in readings.into_iter().filter(|_| !import.imported.is_empty()) {
        match reach_through(scope, &(reading, Some(taken.clone())), modules) {
            Ok(()) => return Ok(()),
            // The one that is found, but is not right, tells more than those that are not found.
            Err(other) if error.is_none() || !is_not_found(scope.py, &other) => error = Some(other),
            Err(_) => {}
        }
    }
    error.map_or(Ok(()), Err)
}

fn is_not_found(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyModuleNotFoundError>(py)
}

/// The object under a name, as far as it is known without executing code.
enum LazyTarget<'py> {
    /// It is loaded.
    Loaded(Bound<'py, LiveModule>),
    /// It compiles.
    Source { file: SourceFile, code: Bound<'py, PyCode> },
    /// A namespace package.
    Namespace(Vec<String>),
    /// Foreign code that is loaded.
    Foreign(Bound<'py, PyModule>),
    /// Other foreign code.
    Unknown,
}

fn find<'py>(scope: &Scope<'py>, name: &ModuleName) -> PyResult<LazyTarget<'py>> {
    let py = scope.py;
    if let Some(loaded) = scope.find(name.as_str()) {
        return Ok(LazyTarget::Loaded(loaded));
    }
    let missing = || exceptions::not_found(py, name.as_str(), None);
    let mut along = None;
    let resolution = match name.parent() {
        None => kept_origin::top_level(scope, name)?,
        Some(parent) => {
            let path = match find(scope, &parent)? {
                LazyTarget::Loaded(_) => search_path(scope, &parent)?,
                LazyTarget::Source { file, .. } => {
                    file.package.map(|dir| PyList::new(py, [dir])).transpose()?.map(Bound::into_any)
                }
                LazyTarget::Namespace(portions) => Some(PyList::new(py, portions)?.into_any()),
                LazyTarget::Foreign(package) => {
                    let path = package.dict().get_item(intern!(py, "__path__"))?;
                    // `collections.abc` has no file there.
                    let is_loaded =
                        scope.runtime.has_foreign(py, &PyString::new(py, name.as_str()))?;
                    if path.is_none() || is_loaded {
                        return foreign(py, scope.runtime, name, None)?.ok_or_else(missing);
                    }
                    path
                }
                LazyTarget::Unknown => return Ok(LazyTarget::Unknown),
            };
            along = Some(path.ok_or_else(missing)?);
            search::along(scope, name, along.as_ref().ok_or_else(missing)?)?
        }
    };
    match resolution {
        Resolution::Source(file) => {
            let view = scope.generation.get().view();
            let source = view.get(&file.path).ok_or_else(missing)?;
            let text = source_text::text(scope, source, &file.path)?;
            let code = pyc::code(py, &file.file, &text)?;
            Ok(LazyTarget::Source { file, code })
        }
        Resolution::Namespace { portions, .. } => Ok(LazyTarget::Namespace(portions)),
        Resolution::Foreign => foreign(py, scope.runtime, name, along)?.ok_or_else(missing),
        // Another generation has it: for this one it is not there.
        Resolution::Hidden | Resolution::Missing => Err(missing()),
    }
}

/// The target of a foreign name; none if there is none. The packages around it are loaded, and
/// `path` is the last one's: without them it is not asked for, because that would import them.
fn foreign<'py>(
    py: Python<'py>,
    runtime: &Runtime,
    name: &ModuleName,
    path: Option<Bound<'py, PyAny>>,
) -> PyResult<Option<LazyTarget<'py>>> {
    if runtime.has_foreign(py, &PyString::new(py, name.as_str()))? {
        let loaded = runtime.sys_modules.bind(py).get_item(name.as_str())?;
        // One of another type may have names that are nowhere to be seen.
        let module = loaded.and_then(|loaded| loaded.cast_into_exact::<PyModule>().ok());
        return Ok(Some(module.map_or(LazyTarget::Unknown, LazyTarget::Foreign)));
    }
    if path.is_none() && name.parent().is_some() {
        return Ok(None);
    }
    for finder in py.import(intern!(py, "sys"))?.getattr(intern!(py, "meta_path"))?.try_iter()? {
        let finder = finder?;
        if finder.is_instance_of::<Finder>() {
            continue;
        }
        let spec = finder.call_method1(intern!(py, "find_spec"), (name.as_str(), &path));
        // An error here does not mean that the import itself would fail.
        let Ok(spec) = spec else { return Ok(Some(LazyTarget::Unknown)) };
        if spec.is_none() {
            continue;
        }
        // A folder without source is a namespace package to the standard finder.
        let portions = spec.getattr(intern!(py, "submodule_search_locations"))?;
        if spec.getattr(intern!(py, "origin"))?.is_none() && !portions.is_none() {
            let portions = portions.try_iter()?.map(|one| one?.extract());
            return Ok(Some(LazyTarget::Namespace(portions.collect::<PyResult<_>>()?)));
        }
        return Ok(Some(LazyTarget::Unknown));
    }
    Ok(None)
}
