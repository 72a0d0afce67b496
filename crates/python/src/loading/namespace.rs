//! Which names does a module's namespace start with, and which code runs in it?
//!
//! The policies `overlay` and `fresh`, preserved names and `__migrate__`, as
//! `docs/policies.md` defines them: data is carried, code is not. The old namespace is only ever read.

use std::collections::HashSet;
use std::sync::Arc;

use pyo3::types::{PyBytes, PyCode, PyDict, PyFrozenSet, PyMappingProxy, PyType};
use pyo3::{exceptions::PyException, exceptions::PySyntaxError, ffi, intern, prelude::*};
use transfuse_engine::{EdgeKind, Policy, Target};

use crate::code::{name_usage, name_usage::NameUsage, pyc};
use crate::cpython::{lazy_object, snapshot::items, static_lookup};
use crate::effects::{
    annotations, dependencies::record_start, environ, kept_values, ownership::code_of,
    retention::is_bound_submodule,
};
use crate::loading::{bind_submodules, foreign_loader, submodules};
use crate::state::{live_module::LiveModule, scope::Scope};

/// Executes a module's source in its new namespace, over the previous instance if there is one, by
/// the loader of the spec `claimed`, if a finder of other code made one.
pub fn exec_module(
    scope: &Scope<'_>,
    instance: &Bound<'_, LiveModule>,
    previous: Option<&Bound<'_, LiveModule>>,
    text: &[u8],
    file: &str,
    claimed: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let py = scope.py;
    record_start(scope.runtime, instance.get());
    let namespace = instance.get().namespace(py);
    let carried = match previous {
        Some(previous) => preserved(instance.get(), &namespace, &previous.get().namespace(py))?,
        None => Vec::new(),
    };
    let code = if carried.is_empty() {
        compiled(instance, text, file, claimed)?
    } else {
        // It differs from the source, so it is never written to a precompiled file.
        let names = PyFrozenSet::new(py, carried.iter().map(|(name, _)| name))?;
        py.import(intern!(py, "transfuse.source.compiler"))?
            .call_method1(intern!(py, "compile_carrying"), (PyBytes::new(py, text), file, names))?
            .cast_into::<PyCode>()?
    };
    let names = carried.iter().map(|(name, _)| name.clone()).collect();
    let outline = usage(instance, previous, &code, names)?;
    submodules_of(scope, instance.get(), previous)?;
    if let Some(previous) = previous.filter(|_| !carried.is_empty()) {
        inherit_imports(instance.get(), previous.get());
    }
    if let Some(previous) = previous
        && matches!(instance.get().policy(), Policy::Overlay | Policy::Patch)
    {
        overlay(scope, instance.get(), previous.get(), &outline)?;
        inherit_imports(instance.get(), previous.get());
    }
    let may_read = scope.is_staged() && environ::may_read(&outline);
    instance.get().set_name_usage(outline);
    if may_read {
        environ::undo_later(scope);
    }
    match claimed {
        Some(spec) => foreign_loader::execute(scope, instance, spec, &code, text)?,
        None => evaluate(py, &code, &namespace)?,
    }
    annotations::record(scope, instance, &code)?;
    bind_submodules::ended(scope, instance)?;
    for (name, value) in carried {
        namespace.set_item(name, value)?;
    }
    if let Some(previous) = previous
        && let Some(migrate) = namespace.get_item(intern!(py, "__migrate__"))?
    {
        let old = previous.get().namespace(py);
        migrate.call1((PyMappingProxy::new(py, old.as_mapping()),))?;
    }
    Ok(())
}

/// Compiles a source file. If it is not valid Python, the loader of other code may still compile it.
fn compiled<'py>(
    instance: &Bound<'py, LiveModule>,
    text: &[u8],
    file: &str,
    claimed: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyCode>> {
    let py = instance.py();
    let (error, spec) = match (pyc::code(py, file, text), claimed) {
        (Err(error), Some(spec)) if error.is_instance_of::<PySyntaxError>(py) => (error, spec),
        (code, _) => return code,
    };
    foreign_loader::own_code(instance, spec, text, file)?.ok_or(error)
}

/// The names that the code uses, without those it does not bind because they are carried. An execution
/// of the same code has read them off.
fn usage(
    instance: &Bound<'_, LiveModule>,
    previous: Option<&Bound<'_, LiveModule>>,
    code: &Bound<'_, PyCode>,
    carried: Vec<String>,
) -> PyResult<Arc<NameUsage>> {
    let digest = |of: &Bound<'_, LiveModule>| of.get().source().map(|source| source.digest());
    let same = previous.filter(|_| carried.is_empty());
    let same =
        same.filter(|previous| digest(previous).is_some_and(|d| digest(instance) == Some(d)));
    let known = same.and_then(|previous| previous.get().name_usage());
    if let Some(known) = known.filter(|known| !known.is_extended) {
        return Ok(known);
    }
    let mut read = name_usage::outline(code.py(), code)?;
    read.define(carried, false);
    Ok(Arc::new(read))
}

/// Puts the preserved values of the former run into the namespace; returns them.
fn preserved<'py>(
    instance: &LiveModule,
    namespace: &Bound<'py, PyDict>,
    old: &Bound<'py, PyDict>,
) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
    let mut carried = Vec::new();
    for name in instance.preserve() {
        if let Some(value) = old.get_item(&name)? {
            namespace.set_item(&name, &value)?;
            carried.push((name, value));
        }
    }
    Ok(carried)
}

fn evaluate(
    py: Python<'_>,
    code: &Bound<'_, PyCode>,
    namespace: &Bound<'_, PyDict>,
) -> PyResult<()> {
    // SAFETY: attached; three live objects; null means an exception is set.
    unsafe {
        let result = ffi::PyEval_EvalCode(code.as_ptr(), namespace.as_ptr(), namespace.as_ptr());
        Bound::from_owned_ptr_or_err(py, result)?;
    }
    Ok(())
}

/// Copies the old namespace into the new one: data as it is, code only as its counterpart.
fn overlay(
    scope: &Scope<'_>,
    instance: &LiveModule,
    previous: &LiveModule,
    outline: &NameUsage,
) -> PyResult<()> {
    let (py, defined) = (scope.py, &outline.defined);
    let namespace = instance.namespace(py);
    let keep_deleted = scope.runtime.settings().keep_deleted;
    let imported = late_globals(scope, previous)?;
    let getattr = previous.namespace(py).get_item(intern!(py, "__getattr__"))?;
    // Foreign code answers for names that are missing (PEP 562), and may bind what it found.
    let fills = getattr.is_some_and(|getattr| code_of(py, &getattr).is_none());
    // A snapshot: the old namespace is in use, and threads bind names in it.
    for (key, value) in items(&previous.namespace(py)) {
        let Ok(name) = key.extract::<&str>() else { continue };
        // A lazy import that was not used is the old code's; the new code declares its own.
        if is_special(name) || namespace.contains(&key)? || lazy_object::is_lazy(&value) {
            continue;
        }
        // `from . import alpha` would find the value that the former code gave that name afterwards.
        if instance.package && outline.imported.contains(name) {
            continue;
        }
        if instance.pending_submodules.has(name) && code_of(py, &value).is_some() {
            // The old source may have called a function so; the new one may mean the submodule.
            continue;
        }
        // Another module's value, which may have left that module: an import binds it again.
        let imported_only = previous.with_name_usage(|usage| usage.is_only_imported(name));
        let dropped = !keep_deleted
            && (imported_only == Some(true) || !defined.contains(name) && defines(previous, name));
        // A function bound it, from a module that runs again: code in the form of data.
        let stale = fills || imported.contains(name) || imported.contains("");
        if dropped || (stale && !defines(previous, name)) {
            continue;
        }
        match code_of(py, &value) {
            None => namespace.set_item(key, value)?,
            // A submodule is bound when it is imported, and may be none any more.
            Some(owner) if is_bound_submodule(previous, name, owner.get()) => {}
            Some(owner) => {
                if keep_deleted && !defined.contains(name) {
                    namespace.set_item(key, value)?;
                } else if let Some(counterpart) = counterpart(scope, &owner, &value)? {
                    namespace.set_item(key, counterpart)?;
                }
            }
        }
    }
    Ok(())
}

/// Carried values may hold imports of the old instance's functions, which the functions of the new one
/// then do not import again.
fn inherit_imports(instance: &LiveModule, previous: &LiveModule) {
    for edge in previous.edges() {
        if edge.kind == EdgeKind::Deferred {
            instance.add_edge(edge.to, edge.kind);
        }
    }
}

fn defines(module: &LiveModule, name: &str) -> bool {
    module.with_name_usage(|usage| usage.defined.contains(name)).unwrap_or(false)
}

/// The globals of an instance that may hold what its functions took of modules that this generation
/// does not share; empty text stands for all.
fn late_globals(scope: &Scope<'_>, previous: &LiveModule) -> PyResult<HashSet<String>> {
    let (py, current) = (scope.py, scope.runtime.current(scope.py));
    let mut found = HashSet::new();
    let Some(holder) = current.get().find(py, previous.name.as_str()) else { return Ok(found) };
    let mut all = None;
    for edge in previous.edges() {
        let (EdgeKind::Deferred, Target::Module(name)) = (edge.kind, &edge.to) else { continue };
        let before = current.get().find(py, name.as_str());
        let now = scope.find(name.as_str());
        if before.as_ref().zip(now.as_ref()).is_some_and(|(before, now)| before.is(now)) {
            continue;
        }
        if all.is_none() {
            all = Some(kept_values::namespaces(py, current.get())?);
        }
        if let Some(all) = &all {
            found.extend(kept_values::kept(&holder, (name, before.as_ref()), &[], all).globals);
        }
    }
    Ok(found)
}

/// A new execution of a package has the submodules that are loaded and do not run again: at once
/// where it has no code of its own, else when they are imported.
pub fn submodules_of(
    scope: &Scope<'_>,
    instance: &LiveModule,
    previous: Option<&Bound<'_, LiveModule>>,
) -> PyResult<()> {
    let py = scope.py;
    if !instance.package {
        return Ok(());
    }
    let failed = scope.runtime.records.lock().failed.contains(&instance.name);
    let loaded = failed.then(|| scope.generation.get().children(py, &instance.name));
    let before =
        previous.map(|previous| submodules::names(py, scope.generation.get(), previous.get()));
    let ready = |tail: &str| {
        let name = instance.name.join(tail);
        scope.find(name.as_str()).filter(|child| child.get().is_ready())
    };
    let namespace = instance.namespace(py);
    let mut later = Vec::new();
    // Loaded before it in an earlier attempt to stage this generation, and still part of it.
    let staged = scope.generation.get().staging.executed(py).into_iter().filter_map(|one| {
        let is_child = one.get().name.parent().as_ref() == Some(&instance.name);
        is_child.then(|| one.get().name.tail().to_owned())
    });
    let mut known: Vec<String> = before.into_iter().flatten().collect();
    known.extend(staged.filter(|_| previous.is_some()));
    known.sort();
    known.dedup();
    for tail in known {
        match ready(&tail) {
            Some(_) if instance.file.is_some() => later.push(tail),
            Some(child) if !namespace.contains(&tail)? => {
                namespace.set_item(tail, child.get().value(py))?;
            }
            _ => {}
        }
    }
    for tail in loaded.into_iter().flatten() {
        if let Some(child) = ready(&tail)
            && !later.contains(&tail)
            && !namespace.contains(&tail)?
        {
            namespace.set_item(tail, child.get().value(py))?;
        }
    }
    bind_submodules::begin(instance, later);
    Ok(())
}

/// Names that the import system or the special variables own; each execution sets its own.
fn is_special(name: &str) -> bool {
    name.len() > 4 && name.starts_with("__") && name.ends_with("__")
}

/// The counterpart of a piece of live code in a generation: itself, if its instance is part of it;
/// else the object of its qualified name there, if that is loaded.
fn counterpart<'py>(
    scope: &Scope<'py>,
    owner: &Bound<'py, LiveModule>,
    value: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = scope.py;
    if scope.holds(owner) {
        return Ok(Some(value.clone()));
    }
    let Some(now) = scope.find(owner.get().name.as_str()) else { return Ok(None) };
    if !now.get().is_ready() {
        return Ok(None);
    }
    if value.is(owner.get().module.bind(py)) {
        return Ok(Some(now.get().value(py)));
    }
    let Some(qualified) = qualified_name(py, value) else { return Ok(None) };
    let mut found = now.get().module.bind(py).clone().into_any();
    for part in qualified.split('.') {
        // A module or class may have a `__getattr__` that raises: then there is no counterpart.
        match found.getattr_opt(part) {
            Ok(Some(next)) => found = next,
            Ok(None) => return Ok(None),
            Err(error) if error.is_instance_of::<PyException>(py) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(found))
}

/// The qualified name of a class or function. A wrapper of one need not have any, and may have a
/// wrong one.
fn qualified_name(py: Python<'_>, value: &Bound<'_, PyAny>) -> Option<String> {
    let name = intern!(py, "__qualname__");
    let said = match value.is_instance_of::<PyType>() || static_lookup::is_function(value) {
        true => value.getattr(name).ok(),
        false => static_lookup::own(value, name),
    };
    said?.extract().ok()
}
