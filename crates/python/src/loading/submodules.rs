//! How does a package that several generations share answer for a submodule they do not share?
//!
//! A submodule is an attribute of its package. When only the submodule is run again, the package
//! instance stays the same one, yet old code must find the old submodule on it and new code the new
//! one. While generations disagree the attribute is therefore taken out of the package's namespace
//! and answered by a module-level `__getattr__` (PEP 562), which answers for the caller's
//! generation. Where they agree it is a plain attribute, as always.

use std::collections::BTreeSet;

use pyo3::exceptions::{PyAttributeError, PyModuleNotFoundError};
use pyo3::types::{PyDict, PyList, PyModule, PyString};
use pyo3::{gc::PyTraverseError, gc::PyVisit, intern, prelude::*};
use transfuse_engine::{ModuleName, sync::Mutex};

use crate::cpython::{lazy_object, snapshot};
use crate::loading::later_submodules;
use crate::state::{
    caller, execution_stack, generation::Generation, lazy_imports, live_module::LiveModule,
    runtime, runtime::Runtime, scope::Scope,
};

/// The `__getattr__` of a package whose submodules differ between generations.
#[pyclass(frozen, module = "transfuse._core")]
pub struct SubmoduleGetattr {
    /// The package's name, `shop`.
    package: String,
    /// The submodules that differ, `prices`. They leave when generations agree again.
    names: Mutex<BTreeSet<String>>,
    /// The `__getattr__` that the package itself defines, if it does.
    own: Option<Py<PyAny>>,
}

#[pymethods]
impl SubmoduleGetattr {
    fn __call__<'py>(&self, py: Python<'py>, name: &Bound<'py, PyString>) -> PyResult<Py<PyAny>> {
        let text = &*name.to_string_lossy();
        let differs = self.names.lock().contains(text);
        if differs && let Some(runtime) = runtime::in_force() {
            let scope = caller::scope_of_running(py, runtime);
            let name = format!("{}.{text}", self.package);
            let ready = || scope.find(&name).filter(|child| child.get().is_ready());
            // One that is being loaded is no attribute yet, as under plain Python.
            if let Some(child) = ready() {
                return Ok(child.get().value(py).unbind());
            }
            if scope.find(&name).is_none() && lazy_imports::name_submodule(&name) {
                let loaded = py
                    .import(intern!(py, "importlib"))?
                    .call_method1(intern!(py, "import_module"), (&name,));
                match (loaded, ready()) {
                    (Ok(_), Some(child)) => return Ok(child.get().value(py).unbind()),
                    (Err(error), _) if !is_for(py, &error, &name) => return Err(error),
                    _ => {}
                }
            }
        }
        match &self.own {
            Some(own) => own.call1(py, (name,)),
            None => Err(PyAttributeError::new_err(format!(
                "module '{}' has no attribute '{text}'",
                self.package
            ))),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.own)
    }
}

/// Whether an error says that there is no module of that name.
fn is_for(py: Python<'_>, error: &PyErr, name: &str) -> bool {
    error.is_instance_of::<PyModuleNotFoundError>(py)
        && error.value(py).getattr(intern!(py, "name")).is_ok_and(|of| of.eq(name).unwrap_or(false))
}

/// The `__dir__` that goes with it.
#[pyclass(frozen, module = "transfuse._core")]
struct SubmoduleDir {
    of: Py<SubmoduleGetattr>,
    namespace: Py<PyDict>,
    own: Option<Py<PyAny>>,
}

#[pymethods]
impl SubmoduleDir {
    fn __call__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        if let Some(own) = &self.own {
            // The package says itself what it has.
            let listed = own.bind(py).call0()?.try_iter()?.collect::<PyResult<Vec<_>>>()?;
            return PyList::new(py, listed);
        }
        let own = |key: &Bound<'_, PyAny>| {
            !["__getattr__", "__dir__"].iter().any(|ours| key.eq(ours).unwrap_or(false))
        };
        let keys: Vec<_> = self.namespace.bind(py).keys().iter().filter(own).collect();
        let listed = PyList::new(py, keys)?;
        let differing = self.of.get().names.lock().clone();
        let Some(runtime) = runtime::in_force() else { return Ok(listed) };
        let scope = caller::scope_of_running(py, runtime);
        let later = self.later(&scope);
        for name in differing {
            let child = format!("{}.{name}", self.of.get().package);
            let is_there = scope.find(&child).is_some_and(|child| child.get().is_ready());
            if is_there && !later.contains(&name) {
                listed.append(name)?;
            }
        }
        Ok(listed)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.of)?;
        visit.call(&self.namespace)?;
        visit.call(&self.own)
    }
}

impl SubmoduleDir {
    /// The submodules that the module which is being executed must not find yet.
    fn later(&self, scope: &Scope<'_>) -> BTreeSet<String> {
        let package = scope.find(&self.of.get().package);
        match (execution_stack::innermost(scope.py), package) {
            (Some(running), Some(package)) if scope.is_staged() => {
                later(scope, &running, package.get())
            }
            _ => BTreeSet::new(),
        }
    }
}

/// Makes a loaded child an attribute of its package, for every generation that should see it.
pub fn bind(
    py: Python<'_>,
    parent: &Bound<'_, LiveModule>,
    child: &Bound<'_, LiveModule>,
) -> PyResult<()> {
    let Some(runtime) = runtime::in_force() else { return Ok(()) };
    let name = &child.get().name;
    let bound = parent.get().namespace(py).get_item(name.tail())?;
    let lazy = bound.and_then(|bound| lazy_object::parts(&bound));
    if lazy.is_some_and(|lazy| lazy.takes(parent.get().name.as_str(), name.tail())) {
        // `from . import prices` in the package gives the same, and is answered by generation.
        return Ok(());
    }
    if agreed(py, runtime, parent, child) {
        parent.get().namespace(py).set_item(name.tail(), child.get().value(py))?;
        if let Some(shim) = shim(py, &parent.get().namespace(py)) {
            let over = {
                let mut names = shim.get().names.lock();
                names.remove(name.tail()) && names.is_empty()
            };
            if over {
                remove(py, &parent.get().namespace(py))?;
            }
        }
        Ok(())
    } else {
        make_dynamic(py, parent, name.tail())
    }
}

/// Whether every generation that has this package has this very submodule of it.
fn agreed(
    py: Python<'_>,
    runtime: &Runtime,
    parent: &Bound<'_, LiveModule>,
    child: &Bound<'_, LiveModule>,
) -> bool {
    let alive = runtime.alive(py);
    let mut with_parent = alive.iter().filter(|generation| generation.get().holds(py, parent));
    with_parent.all(|generation| generation.get().holds(py, child))
}

/// Lazy imports name these submodules of a package: they are loaded when they are asked for, in the
/// generation that asks. The interpreter would not know of generations.
pub fn load_when_asked_for(
    py: Python<'_>,
    package: &Bound<'_, LiveModule>,
    children: &[ModuleName],
) -> PyResult<()> {
    for child in children {
        lazy_object::withdraw_submodule(py, package.get().name.as_str(), child.tail())?;
        if !package.get().namespace(py).contains(child.tail())? {
            make_dynamic(py, package, child.tail())?;
        }
    }
    Ok(())
}

/// From now on the attribute is answered by generation. A value that the package itself bound
/// stays.
pub fn make_dynamic(py: Python<'_>, parent: &Bound<'_, LiveModule>, tail: &str) -> PyResult<()> {
    let namespace = parent.get().namespace(py);
    let bound = namespace.get_item(tail)?;
    if bound.as_ref().is_some_and(|value| !value.is_instance_of::<PyModule>()) {
        return Ok(());
    }
    let shim = match shim(py, &namespace) {
        Some(shim) => shim,
        None => install(py, parent, &namespace)?,
    };
    shim.get().names.lock().insert(tail.to_owned());
    if bound.is_some() {
        namespace.del_item(tail)?;
    }
    Ok(())
}

/// The module that is being executed has imported a package: if it may list it, the later submodules
/// are taken out of its namespace until the update ends.
pub fn hide_later(
    scope: &Scope<'_>,
    running: &Bound<'_, LiveModule>,
    package: &Bound<'_, LiveModule>,
) -> PyResult<()> {
    if !scope.is_staged() || !package.get().package {
        return Ok(());
    }
    let lists = running
        .get()
        .with_name_usage(|usage| usage.attributes.of(package.get().name.tail()).any(str::is_empty));
    if lists != Some(true) {
        return Ok(());
    }
    for tail in later(scope, running, package.get()) {
        make_dynamic(scope.py, package, &tail)?;
        let hidden = &scope.generation.get().staging.later;
        hidden.lock().push(package.get().name.join(&tail));
    }
    Ok(())
}

fn later(
    scope: &Scope<'_>,
    running: &Bound<'_, LiveModule>,
    package: &LiveModule,
) -> BTreeSet<String> {
    if !scope.is_staged() {
        return BTreeSet::new();
    }
    let names = names(scope.py, scope.generation.get(), package);
    later_submodules::later(scope, running, package, names)
}

/// Puts plain attributes back wherever all generations that are alive agree again.
pub fn make_plain(
    py: Python<'_>,
    runtime: &Runtime,
    parent: &Bound<'_, LiveModule>,
) -> PyResult<()> {
    let namespace = parent.get().namespace(py);
    let Some(shim) = shim(py, &namespace) else { return Ok(()) };
    let names: Vec<String> = shim.get().names.lock().iter().cloned().collect();
    let generation = runtime.current(py);
    for tail in names {
        let name = format!("{}.{tail}", parent.get().name);
        if let Some(child) = generation.get().find(py, &name)
            && child.get().is_ready()
        {
            bind(py, parent, &child)?;
        } else if !runtime.alive(py).iter().any(|generation| {
            generation.get().holds(py, parent) && generation.get().find(py, &name).is_some()
        }) {
            // No generation has it any more, or yet.
            if !lazy_imports::name_submodule(&name) {
                shim.get().names.lock().remove(&tail);
            }
        }
    }
    let over = shim.get().names.lock().is_empty();
    if over { remove(py, &namespace) } else { Ok(()) }
}

/// All generations agree about all submodules: the namespace is as its source made it.
fn remove(py: Python<'_>, namespace: &Bound<'_, PyDict>) -> PyResult<()> {
    let put_back = |name: &Bound<'_, PyString>, own: Option<&Py<PyAny>>| match own {
        Some(own) => namespace.set_item(name, own),
        None => namespace.del_item(name),
    };
    if let Some(shim) = shim(py, namespace) {
        put_back(intern!(py, "__getattr__"), shim.get().own.as_ref())?;
    }
    if let Some(listing) = namespace.get_item(intern!(py, "__dir__"))?
        && let Ok(listing) = listing.cast::<SubmoduleDir>()
    {
        put_back(intern!(py, "__dir__"), listing.get().own.as_ref())?;
    }
    Ok(())
}

/// The submodules that importing them bound on a package, whether or not they differ now, or would
/// have bound if the package did not call something else so.
pub fn names(py: Python<'_>, generation: &Generation, parent: &LiveModule) -> Vec<String> {
    let namespace = parent.namespace(py);
    let mut names: Vec<String> = shim(py, &namespace)
        .map(|shim| shim.get().names.lock().iter().cloned().collect())
        .unwrap_or_default();
    for (key, _) in snapshot::items(&namespace) {
        if let Ok(key) = key.extract::<String>()
            && generation.find(py, parent.name.join(&key).as_str()).is_some()
        {
            names.push(key);
        }
    }
    names
}

/// The module that a star import takes its names from, if the package's namespace lacks submodules
/// that differ: a star import reads the namespace, and does not call `__getattr__`.
pub fn whole<'py>(
    scope: &Scope<'py>,
    caller: &Bound<'py, LiveModule>,
    package: &LiveModule,
) -> PyResult<Option<Bound<'py, PyModule>>> {
    let py = scope.py;
    let later = later(scope, caller, package);
    let shim = shim(py, &package.namespace(py));
    if shim.is_none() && later.is_empty() {
        return Ok(None);
    }
    let names = shim.map(|shim| shim.get().names.lock().clone()).unwrap_or_default();
    let there = names.iter().filter_map(|tail| {
        let child = scope.find(&format!("{}.{tail}", package.name))?;
        child.get().is_ready().then(|| (tail.as_str(), child.get().value(py)))
    });
    let whole = package_with(py, package, there)?;
    for tail in later {
        if whole.dict().contains(&tail)? {
            whole.dict().del_item(&tail)?;
        }
    }
    Ok(Some(whole))
}

/// Whether the package itself has a `__getattr__`.
pub fn has_own_getattr(py: Python<'_>, package: &LiveModule) -> PyResult<bool> {
    let namespace = package.namespace(py);
    match shim(py, &namespace) {
        Some(shim) => Ok(shim.get().own.is_some()),
        None => namespace.contains(intern!(py, "__getattr__")),
    }
}

fn shim<'py>(
    py: Python<'py>,
    namespace: &Bound<'py, PyDict>,
) -> Option<Bound<'py, SubmoduleGetattr>> {
    namespace.get_item(intern!(py, "__getattr__")).ok()??.cast_into::<SubmoduleGetattr>().ok()
}

fn install<'py>(
    py: Python<'py>,
    parent: &Bound<'py, LiveModule>,
    namespace: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, SubmoduleGetattr>> {
    let made = SubmoduleGetattr {
        package: parent.get().name.to_string(),
        names: Mutex::default(),
        own: namespace.get_item(intern!(py, "__getattr__"))?.map(Bound::unbind),
    };
    let made = Bound::new(py, made)?;
    let listing = SubmoduleDir {
        of: made.clone().unbind(),
        namespace: namespace.clone().unbind(),
        own: namespace.get_item(intern!(py, "__dir__"))?.map(Bound::unbind),
    };
    namespace.set_item(intern!(py, "__dir__"), Bound::new(py, listing)?)?;
    namespace.set_item(intern!(py, "__getattr__"), &made)?;
    Ok(made)
}

pub fn package_with<'a, 'py>(
    py: Python<'py>,
    package: &LiveModule,
    names: impl IntoIterator<Item = (&'a str, Bound<'py, PyAny>)>,
) -> PyResult<Bound<'py, PyModule>> {
    let made = PyModule::new(py, package.name.as_str())?;
    made.dict().update(package.namespace(py).as_mapping())?;
    for (name, value) in names {
        made.dict().set_item(name, value)?;
    }
    Ok(made)
}
