//! What does the first use of a lazy import give, and is its name bound to that? (PEP 810)
//!
//! A live module's lazy objects call [`FirstUse`] as their `__import__`. It imports as that module does,
//! in the generation that answers the code that touches the name, if that one has the module.
//!
//! The interpreter then binds what came of it, unless the name was rebound meanwhile. Where the generations
//! that have the module would get different things, it is: by a new lazy object, so each use asks anew.
//! What is taken of the imported module is therefore looked up here, and handed over in a module made for
//! it: by then that name may be one that was rebound so.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule, PyTuple};
use pyo3::{ffi, intern};
use transfuse_engine::{EdgeKind, GenerationState, ModuleName};

use crate::cpython::lazy_object::{self, LazyParts, with_builtins};
use crate::cpython::snapshot::items;
use crate::effects::dependencies::add_edge;
use crate::state::generation::Generation;
use crate::state::lazy_imports::DECLARING;
use crate::state::live_module::LiveModule;
use crate::state::pin::GenerationScope;
use crate::state::runtime::{self, Runtime};
use crate::state::{caller, scope::Scope};
use crate::sysmodules::facade::is_facade;

/// A module, the packages around it, and what may be submodules of it: what a statement names.
pub fn named(absolute: &str, taken: &[String]) -> Vec<ModuleName> {
    let Ok(name) = ModuleName::new(absolute) else { return Vec::new() };
    let mut names: Vec<_> = std::iter::successors(Some(name.clone()), ModuleName::parent).collect();
    names.extend(taken.iter().map(|one| name.join(one)));
    names
}

/// The names in the list of a `from` statement.
pub fn names_in(fromlist: Option<&Bound<'_, PyAny>>) -> Vec<String> {
    let Some(Ok(list)) = fromlist.map(|list| list.cast::<PyTuple>()) else { return Vec::new() };
    list.iter().filter_map(|one| one.extract().ok()).collect()
}

/// The `__import__` that a live module's lazy objects call when they are first used.
#[pyclass(frozen, module = "transfuse._core")]
pub struct FirstUse {
    /// What it is the `__import__` of. The declaring module is in there.
    pub builtins: Py<PyDict>,
}

#[pymethods]
impl FirstUse {
    #[pyo3(signature = (name, globals=None, locals=None, fromlist=None, level=0))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        globals: Option<&Bound<'py, PyAny>>,
        locals: Option<&Bound<'py, PyAny>>,
        fromlist: Option<&Bound<'py, PyAny>>,
        level: i32,
    ) -> PyResult<Bound<'py, PyAny>> {
        // Those of the code that touches the name.
        let _ = (globals, locals);
        let declaring = self.builtins.bind(py).as_any().get_item(intern!(py, DECLARING))?;
        let declaring = declaring.cast::<LiveModule>()?;
        let namespace = declaring.get().namespace(py);
        // No locals: what is imported is used at once, as in a function.
        let none = py.None().into_bound(py);
        let list = fromlist.unwrap_or(&none);
        let import = py.import(intern!(py, "builtins"))?.getattr(intern!(py, "__import__"))?;
        let locals = if declaring.get().is_ready() { namespace.as_any() } else { &none };
        let import = || import.call1((name, &namespace, locals, list, level));
        let Some(runtime) = runtime::in_force() else { return import() };

        let scope = answering(py, runtime, declaring);
        let waiting = Placeholder::all(declaring, name);
        let imported = {
            let usual = caller::scope_of_live(py, runtime, declaring).generation;
            let other = !usual.is(&scope.generation);
            let _within = other.then(|| GenerationScope::begin(&scope)).transpose()?;
            import()?
        };
        let taken = names_in(fromlist);
        let found = match &*taken {
            [one] => take(&scope, name, &imported, one)?,
            _ => None,
        };
        let is_passing = found.as_ref().is_some_and(|found| found.is_passing);
        let of = Settling { scope: &scope, declaring, names: named(name, &taken), is_passing };
        of.settle(&waiting, taken.first())?;
        Ok(found.map_or(imported, |found| found.from.into_any()))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.builtins)
    }
}

/// The generation that answers the code that touches the name, if that one has the declaring module; else
/// the declaring module's.
fn answering<'py>(
    py: Python<'py>,
    runtime: &'static Runtime,
    declaring: &Bound<'py, LiveModule>,
) -> Scope<'py> {
    let running = caller::scope_of_running(py, runtime);
    if running.holds(declaring) { running } else { caller::scope_of_live(py, runtime, declaring) }
}

/// What a statement takes of a module.
struct Taken<'py> {
    /// A module that has it as its attribute.
    from: Bound<'py, PyModule>,
    /// Whether the imported module's own name for it is a lazy import that answers by who asks.
    is_passing: bool,
}

/// Looks up what a statement takes. None if there is no such name, or foreign code is to give it.
fn take<'py>(
    scope: &Scope<'py>,
    of: &str,
    imported: &Bound<'py, PyAny>,
    name: &str,
) -> PyResult<Option<Taken<'py>>> {
    let Some((value, is_passing)) = attribute(scope, of, imported, name)? else { return Ok(None) };
    let from = PyModule::new(scope.py, of)?;
    from.dict().set_item(name, value)?;
    Ok(Some(Taken { from, is_passing }))
}

/// One attribute of a live module, as the generation has it, and whether it is a lazy import that answers
/// by who asks.
fn attribute<'py>(
    scope: &Scope<'py>,
    of: &str,
    value: &Bound<'py, PyAny>,
    part: &str,
) -> PyResult<Option<(Bound<'py, PyAny>, bool)>> {
    let py = scope.py;
    let Some(module) = scope.find(of) else { return Ok(None) };
    if module.get().is_replaced() || !module.get().value(py).is(value) {
        return Ok(None);
    }
    let namespace = module.get().namespace(py);
    let child = scope.find(module.get().name.join(part).as_str());
    let child = child.map(|child| (child.get().value(py), false));
    let own = namespace.get_item(part)?;
    match own.as_ref().map(|own| lazy_object::parts(own)) {
        // `from . import prices` in the package itself names this very submodule.
        Some(Some(parts)) if child.is_some() && parts.takes(of, part) => Ok(child),
        Some(Some(_)) => {
            let Some(found) = value.getattr_opt(part)? else { return Ok(None) };
            let now = namespace.get_item(part)?;
            Ok(Some((found, now.is_some_and(|now| lazy_object::is_lazy(&now)))))
        }
        Some(None) => Ok(own.filter(|own| !is_facade(own)).map(|own| (own, false)).or(child)),
        None if child.is_some() => Ok(child),
        None => Ok(value.getattr_opt(part)?.map(|found| (found, false))),
    }
}

/// A name of the declaring module, and the lazy object that it holds.
struct Placeholder<'py> {
    slot: String,
    value: Bound<'py, PyAny>,
    parts: LazyParts<'py>,
}

impl<'py> Placeholder<'py> {
    /// Those of a module for what is imported from there.
    fn all(module: &Bound<'py, LiveModule>, from: &str) -> Vec<Self> {
        let all = items(&module.get().namespace(module.py())).into_iter();
        all.filter_map(|(slot, value)| {
            let parts = lazy_object::parts(&value)?;
            let own = parts.from == from && module.get().lazy.has_made(&parts.builtins);
            own.then(|| Some(Placeholder { slot: slot.extract().ok()?, value, parts }))?
        })
        .collect()
    }
}

/// What was imported is about to be bound.
struct Settling<'a, 'py> {
    scope: &'a Scope<'py>,
    declaring: &'a Bound<'py, LiveModule>,
    /// What the statement names, and the packages around it.
    names: Vec<ModuleName>,
    is_passing: bool,
}

impl<'py> Settling<'_, 'py> {
    /// Lets it be bound for all generations that have the declaring module, if it is the same in all of
    /// them.
    fn settle(&self, waiting: &[Placeholder<'py>], taken: Option<&String>) -> PyResult<()> {
        let Scope { py, runtime, ref generation } = *self.scope;
        let declaring = self.declaring.get();
        let namespace = declaring.namespace(py);
        let guard = runtime.nogil_lock.lock(py);
        for Placeholder { slot, value, parts } in waiting {
            declaring.lazy.set_used(slot);
            // Loading a submodule makes it an attribute of its package, before `from .prices import
            // prices` in there has taken what the name is for.
            if parts.taken.as_ref() == taken && taken.is_some() && self.is_own_submodule(slot)? {
                namespace.set_item(slot, value)?;
            }
        }
        let others = in_use(py, runtime);
        let mut others = others.iter().filter(|other| other.get().holds(py, self.declaring));
        if !self.is_passing && others.all(|other| self.names.iter().all(|n| self.same(other, n))) {
            for name in &self.names {
                if let Some(found) = generation.get().find(py, name.as_str()) {
                    declaring.lazy.set_bound(name, found.get().started());
                    add_edge(py, runtime, self.declaring, name, EdgeKind::ModuleLevel);
                }
            }
            return Ok(());
        }
        drop(guard);
        for Placeholder { slot, value, parts } in waiting {
            let Some(again) = renewed(py, self.declaring, parts)? else { continue };
            if namespace.get_item(slot)?.is_some_and(|now| now.is(value)) {
                namespace.set_item(slot, again)?;
            }
        }
        Ok(())
    }

    fn is_own_submodule(&self, slot: &str) -> PyResult<bool> {
        let declaring = self.declaring.get();
        let Some(child) = self.scope.find(declaring.name.join(slot).as_str()) else {
            return Ok(false);
        };
        let py = self.scope.py;
        let now = declaring.namespace(py).get_item(slot)?;
        Ok(now.is_some_and(|now| now.is(child.get().value(py))))
    }

    /// Whether another generation has the same module of that name.
    fn same(&self, other: &Bound<'_, Generation>, name: &ModuleName) -> bool {
        let mine = self.scope.find(name.as_str());
        let theirs = other.get().find(self.scope.py, name.as_str());
        match (mine, theirs) {
            (Some(mine), Some(theirs)) => mine.is(&theirs),
            (None, None) => true,
            _ => false,
        }
    }
}

/// Generations in which a unit of work may be, begin, or come to be once an update is published.
fn in_use<'py>(py: Python<'py>, runtime: &Runtime) -> Vec<Bound<'py, Generation>> {
    let all = runtime.generations.alive(|generation, _, state| {
        (!matches!(state, GenerationState::Retired)).then(|| generation.bind(py).clone())
    });
    all.into_iter().flatten().collect()
}

/// Another lazy object for the same; none if the interpreter does not make one (by a filter).
fn renewed<'py>(
    py: Python<'py>,
    module: &Bound<'py, LiveModule>,
    parts: &LazyParts<'py>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let scratch = PyDict::new(py);
    let statement = match &parts.of {
        Some((attribute, of)) => {
            let builtins = PyDict::new(py);
            let answer = Bound::new(py, Answer(of.clone().unbind()))?;
            builtins.set_item(intern!(py, "__import__"), &answer)?;
            builtins.set_item(intern!(py, "__lazy_import__"), &answer)?;
            scratch.set_item(intern!(py, "__builtins__"), builtins)?;
            format!("from _ import {attribute} as found")
        }
        None => {
            let globals = with_builtins(py, module.get().namespace(py).as_any(), &parts.builtins)?;
            let none = py.None();
            let make = parts.builtins.as_any().get_item(intern!(py, "__lazy_import__"))?;
            scratch.set_item("make", make)?;
            scratch.set_item("given", (parts.from.as_str(), &globals, &globals, none, 0))?;
            scratch.set_item(intern!(py, "__builtins__"), &parts.builtins)?;
            "found = make(*given)".to_owned()
        }
    };
    // An error at its use names the statement by its code: let that be the line of the real one.
    let line = module.get().lazy.line(&parts.from);
    let source = "\n".repeat(line.saturating_sub(1) as usize) + &statement;
    let file = module.get().file.as_deref().unwrap_or("<lazy import>");
    let builtins = py.import(intern!(py, "builtins"))?;
    let code = builtins.call_method1(intern!(py, "compile"), (source, file, "exec"))?;
    // SAFETY: attached; live objects; null means an exception is set.
    unsafe {
        let ran = ffi::PyEval_EvalCode(code.as_ptr(), scratch.as_ptr(), scratch.as_ptr());
        Bound::from_owned_ptr_or_err(py, ran)?;
    }
    let found = scratch.get_item(intern!(py, "found"))?;
    Ok(found.filter(lazy_object::is_lazy))
}

/// An `__import__` that has one answer.
#[pyclass(frozen, module = "transfuse._core")]
struct Answer(Py<PyAny>);

#[pymethods]
impl Answer {
    #[pyo3(signature = (*_args))]
    fn __call__(&self, py: Python<'_>, _args: &Bound<'_, PyTuple>) -> Py<PyAny> {
        self.0.clone_ref(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.0)
    }
}
