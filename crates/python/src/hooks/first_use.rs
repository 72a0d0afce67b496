//! What does the first use of a lazy import give, and is its name bound to that? (PEP 810)
//!
//! A live module's lazy objects call [`FirstUse`] as their `__import__`. It imports as that module does,
//! in the generation that answers the code that touches the name, if that one has the module.
//!
//! The interpreter then binds what came of it, unless the name was rebound meanwhile. Where the
//! generations that have the module would get different things, it is: by a new lazy object, so
//! each use asks anew. The imported name is therefore looked up here, and handed over in a module
//! made for it: by then that name may be one that was rebound so.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{ffi, intern};
use transfuse_engine::{EdgeKind, GenerationState, ModuleName};

use crate::cpython::lazy_object::{self, LazyParts, with_builtins};
use crate::cpython::{frames, snapshot::items};
use crate::effects::dependencies::add_edge;
use crate::hooks::taken_name::{Origin, take};
use crate::state::generation::Generation;
use crate::state::lazy_imports::DECLARING;
use crate::state::live_module::LiveModule;
use crate::state::pin::GenerationScope;
use crate::state::runtime::{self, Runtime};
use crate::state::{caller, scope::Scope};

/// The names in a statement: a module, the packages around it, and its possible submodules.
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
    /// The builtins dict that has this as its `__import__`, and names the declaring module.
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
        // The interpreter passes locals that belong to no frame.
        let _ = locals;
        let declaring = self.builtins.bind(py).as_any().get_item(intern!(py, DECLARING))?;
        let declaring = declaring.cast::<LiveModule>()?;
        let namespace = declaring.get().namespace(py);
        // No locals: the imported name is used at once, as in a function.
        let none = py.None().into_bound(py);
        let list = fromlist.unwrap_or(&none);
        let import = py.import(intern!(py, "builtins"))?.getattr(intern!(py, "__import__"))?;
        let own = if declaring.get().is_ready() { namespace.as_any() } else { &none };
        let import = || import.call1((name, &namespace, own, list, level));
        let Some(runtime) = runtime::in_force() else { return import() };

        let scope = answering(py, runtime, declaring);
        let waiting = Placeholder::all(declaring, name, globals);
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
        let origin = found.as_ref().map_or(Origin::Own, |found| found.origin);
        let mut names = named(name, &taken);
        names.extend(found.iter().flat_map(|found| found.origins(&scope, name)));
        let of = Settling { scope: &scope, declaring, names, taken: origin };
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

/// A name, and the lazy object that it holds.
struct Placeholder<'py> {
    /// The declaring module's, or a copy of it that code is evaluated in.
    namespace: Bound<'py, PyDict>,
    slot: String,
    value: Bound<'py, PyAny>,
    parts: LazyParts<'py>,
}

impl<'py> Placeholder<'py> {
    /// The placeholders for imports from `from`, in the namespace of the module and in those of the code
    /// that touches the name.
    fn all(
        module: &Bound<'py, LiveModule>,
        from: &str,
        globals: Option<&Bound<'py, PyAny>>,
    ) -> Vec<Self> {
        let py = module.py();
        let locals = frames::top(py).and_then(|top| top.getattr(intern!(py, "f_locals")).ok());
        let mut namespaces = vec![module.get().namespace(py)];
        for other in [globals, locals.as_ref()].into_iter().flatten() {
            if let Ok(other) = other.cast_exact::<PyDict>()
                && !namespaces.iter().any(|known| known.is(other))
            {
                namespaces.push(other.clone());
            }
        }
        let all = namespaces.iter().flat_map(|namespace| {
            items(namespace).into_iter().filter_map(|(slot, value)| {
                let parts = lazy_object::parts(&value)?;
                let own = parts.from == from && module.get().lazy.has_made(&parts.builtins);
                let (namespace, slot) = (namespace.clone(), slot.extract().ok()?);
                own.then_some(Placeholder { namespace, slot, value, parts })
            })
        });
        all.collect()
    }
}

/// The imported object is about to be bound.
struct Settling<'a, 'py> {
    scope: &'a Scope<'py>,
    declaring: &'a Bound<'py, LiveModule>,
    /// The names in the statement, and the packages around them.
    names: Vec<ModuleName>,
    taken: Origin,
}

impl<'py> Settling<'_, 'py> {
    /// Lets it be bound for all generations that have the declaring module, if it is the same in all of
    /// them.
    fn settle(&self, waiting: &[Placeholder<'py>], taken: Option<&String>) -> PyResult<()> {
        let Scope { py, runtime, ref generation } = *self.scope;
        let declaring = self.declaring.get();
        let guard = runtime.nogil_lock.lock(py);
        for Placeholder { namespace, slot, value, parts } in waiting {
            declaring.lazy.set_used(slot);
            // Loading a submodule makes it an attribute of its package, before `from .prices import
            // prices` in there has taken what the name is for.
            if parts.taken.as_ref() == taken && taken.is_some() && self.is_own_submodule(slot)? {
                namespace.set_item(slot, value)?;
            }
        }
        for name in &self.names {
            if let Some(found) = generation.get().find(py, name.as_str()) {
                // The module may keep an effect of it, whether or not the name is bound.
                declaring.lazy.set_bound(name, found.get().started());
                add_edge(py, runtime, self.declaring, name, EdgeKind::ModuleLevel);
            }
        }
        if self.is_the_same_for_all() {
            return Ok(());
        }
        drop(guard);
        for Placeholder { namespace, slot, value, parts } in waiting {
            let Some(again) = renewed(py, self.declaring, parts)? else { continue };
            if namespace.get_item(slot)?.is_some_and(|now| now.is(value)) {
                namespace.set_item(slot, again)?;
            }
        }
        Ok(())
    }

    /// Whether all generations that have the declaring module would get the same.
    fn is_the_same_for_all(&self) -> bool {
        let Scope { py, runtime, ref generation } = *self.scope;
        let mut others = in_use(py, runtime);
        others.retain(|other| !other.is(generation) && other.get().holds(py, self.declaring));
        match self.taken {
            Origin::Lazy => false,
            Origin::Asked => others.is_empty(),
            Origin::Own => others.iter().all(|one| self.names.iter().all(|n| self.same(one, n))),
        }
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
