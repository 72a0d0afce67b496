//! How does a module take new code and stay the module it is? (the policy `patch`)
//!
//! Its new source runs in a namespace of its own, as any other, where it may fail.
//! `transfuse/patching` then prepares the changes of the old one, and this file applies them in one
//! step without a Python frame in between: at the moment of publishing, or as soon as another
//! module of the update is about to run and may import it. If the update fails they are undone.
//! Importers run only if they hold, or have used, a value that could not stay the same. Units of
//! work that are pinned to older generations see these changes too.

use std::{cell::Cell, collections::HashSet, sync::atomic::Ordering};

use pyo3::types::{PyDict, PyFrozenSet, PyList, PyTuple};
use pyo3::{ffi, intern, prelude::*};
use transfuse_engine::{ModuleName, Policy, Reason};

use crate::code::names::{Name, Names};
use crate::effects::foreign_patches::{self, PendingPatches};
use crate::state::live_module::LiveModule;
use crate::state::staging_area::{InPlaceBatch, InPlaceNote, InPlaceUpdate};
use crate::{cpython::exceptions, state::generation::Generation, state::scope::Scope};

thread_local! {
    /// How many modules this thread is executing, one within the other, that are run as usual.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// The execution of a module's source for a staged generation, which may lie within another.
pub struct Nesting {
    /// How many modules were being executed that do not take their code in place.
    outer: u32,
}

impl Nesting {
    /// A module is about to run. One that does not take its code in place itself has to see the new
    /// state of those that do.
    pub fn begin(
        scope: &Scope<'_>,
        policy: Policy,
        previous: Option<&Bound<'_, LiveModule>>,
    ) -> PyResult<Nesting> {
        let outer = DEPTH.get();
        if policy != Policy::Patch || previous.is_none() {
            if scope.is_staged() {
                apply(scope.py, &scope.generation)?;
            }
            DEPTH.set(outer + 1);
        }
        Ok(Nesting { outer })
    }
}

impl Drop for Nesting {
    fn drop(&mut self) {
        DEPTH.set(self.outer);
    }
}

/// The instance that stays and takes the code of `shadow`, if its policy asks for that.
pub fn may_stay<'a, 'py>(
    previous: Option<&'a Bound<'py, LiveModule>>,
    shadow: &Bound<'py, LiveModule>,
) -> Option<&'a Bound<'py, LiveModule>> {
    let py = shadow.py();
    previous.filter(|previous| {
        shadow.get().policy() == Policy::Patch
            && previous.get().is_ready()
            && !previous.get().is_over()
            && previous.get().replacement(py).is_none()
    })
}

/// The new source has run well. Returns the instance that importers get while this generation is
/// staged: the shadow, as long as only modules run that take their code in place themselves.
pub fn stage<'py>(
    scope: &Scope<'py>,
    stays: &Bound<'py, LiveModule>,
    shadow: &Bound<'py, LiveModule>,
    nesting: &Nesting,
) -> PyResult<Bound<'py, LiveModule>> {
    let py = scope.py;
    let module = InPlaceUpdate { stays: stays.clone().unbind(), shadow: shadow.clone().unbind() };
    scope.generation.get().staging.record_in_place(Py::new(py, module)?);
    if nesting.outer == 0 {
        return Ok(shadow.clone());
    }
    // The importing module goes on with the changed one.
    apply(py, &scope.generation)?;
    Ok(stays.clone())
}

/// Prepares the changes of the modules that have run since the last call, and puts the instances
/// that stay back into the generation.
pub fn prepare(py: Python<'_>, generation: &Bound<'_, Generation>) -> PyResult<()> {
    let batches = generation.get().staging.batches(py);
    let settled: usize = batches.iter().map(|batch| batch.get().modules.len()).sum();
    let modules = generation.get().staging.in_place(py).split_off(settled);
    if modules.is_empty() {
        return Ok(());
    }
    let mut runs = Vec::new();
    for module in &modules {
        let (stays, shadow) = (module.get().stays.get(), module.get().shadow.get());
        let defined = stays.with_name_usage(|o| o.defined.clone()).unwrap_or_default();
        let defined = PyFrozenSet::new(py, defined.iter())?;
        runs.push((stays.name.as_str(), &stays.module, &shadow.module, defined));
    }
    let change = py
        .import(intern!(py, "transfuse.patching"))?
        .call_method1(intern!(py, "prepare"), (runs,))?;
    for module in &modules {
        generation.get().put(py, module.get().stays.bind(py))?;
    }
    let batch = InPlaceBatch {
        modules: modules.into_iter().map(Bound::unbind).collect(),
        steps: change.getattr(intern!(py, "steps"))?.cast_into::<PyList>()?.unbind(),
        change: change.unbind(),
        done: false.into(),
    };
    generation.get().staging.record_batch(Py::new(py, batch)?);
    Ok(())
}

/// Takes the steps that have not been taken yet. If one fails, all are taken back.
pub fn apply(py: Python<'_>, generation: &Bound<'_, Generation>) -> PyResult<()> {
    prepare(py, generation)?;
    for batch in generation.get().staging.batches(py) {
        let batch = batch.get();
        if batch.done.swap(true, Ordering::Relaxed) {
            continue;
        }
        let moved = functions_of(py, batch)?;
        let steps = batch.steps.bind(py);
        for index in 0..steps.len() {
            if let Err(error) = call(&steps.get_item(index)?.get_item(0)?) {
                take_back_steps(steps, index)?;
                batch.done.store(false, Ordering::Relaxed);
                let names: Vec<_> =
                    batch.modules.iter().map(|m| m.get().stays.get().name.as_str()).collect();
                let names = names.join(", ");
                let refused =
                    exceptions::misuse(&format!("{names} cannot take new code in place: {error}"));
                refused.set_cause(py, Some(error));
                return Err(refused);
            }
        }
        for (function, namespace) in moved {
            move_to(&function, &namespace);
        }
    }
    Ok(())
}

/// The update failed: undoes the changes.
pub fn take_back(py: Python<'_>, generation: &Bound<'_, Generation>) -> PyResult<()> {
    for batch in generation.get().staging.batches(py).into_iter().rev() {
        let batch = batch.get();
        if batch.done.swap(false, Ordering::Relaxed) {
            let steps = batch.steps.bind(py);
            take_back_steps(steps, steps.len())?;
        }
    }
    Ok(())
}

/// Frames that run old code go on to show its source: asked while that is still known.
pub fn remember(py: Python<'_>, generation: &Bound<'_, Generation>) {
    for batch in generation.get().staging.batches(py) {
        // If they cannot, nothing else is lost.
        let _ = remember_batch(py, batch.get());
    }
}

/// The update is published: the records of the executions go to the instances that stay. Returns
/// what is to be done about foreign modules.
pub fn published(py: Python<'_>, generation: &Bound<'_, Generation>) -> Vec<PendingPatches> {
    let of = |module: Bound<'_, InPlaceUpdate>| {
        let (stays, shadow) = (module.get().stays.bind(py), module.get().shadow.bind(py));
        let mut due =
            foreign_patches::pending(py, std::slice::from_ref(shadow), std::slice::from_ref(stays));
        due.over.extend(stays.get().become_like(shadow.get()));
        // A dict takes the key: that fails for want of memory alone.
        let _ = shadow.get().lazy.become_those_of(py, stays, &stays.get().lazy);
        due
    };
    generation.get().staging.in_place(py).into_iter().map(of).collect()
}

/// The code that functions have put off belongs to the source of before.
fn remember_batch(py: Python<'_>, batch: &InPlaceBatch) -> PyResult<()> {
    let codes = batch.change.bind(py).getattr(intern!(py, "code"))?;
    for module in &batch.modules {
        let stays = module.get().stays.bind(py);
        let source = stays.call_method0(intern!(py, "get_source"))?;
        py.import(intern!(py, "transfuse.source.old_source"))?
            .call_method1(intern!(py, "remember"), (&codes, &stays.get().file, source))?;
    }
    Ok(())
}

/// Importers that have to run although the module object stays: they hold a value that was
/// replaced, or have used a changed name at module level.
pub fn concerned(scope: &Scope<'_>) -> Vec<(ModuleName, Reason)> {
    let Scope { py, runtime, .. } = *scope;
    let mut concerned = Vec::new();
    let batches = scope.generation.get().staging.batches(py);
    let modules = batches.iter().flat_map(|batch| {
        batch.get().modules.iter().map(|module| (batch.get().change.bind(py), module.get()))
    });
    for (change, module) in modules {
        let name = &module.stays.get().name;
        let importers: Vec<ModuleName> = {
            let records = runtime.records.lock();
            let edges = records.graph.importers(name);
            edges.filter(|e| e.1.is_import()).map(|(from, _)| from.clone()).collect()
        };
        for importer in importers {
            if let Some(found) = runtime.current(py).get().find(py, importer.as_str())
                && scope.holds(&found)
                && !scope.generation.get().staging.takes_in_place(py, &found)
                && is_concerned(py, found.get(), change, name).unwrap_or(true)
            {
                concerned.push((importer, Reason::Imports(name.clone())));
            }
        }
    }
    concerned
}

fn is_concerned(
    py: Python<'_>,
    importer: &LiveModule,
    change: &Bound<'_, PyAny>,
    of: &ModuleName,
) -> PyResult<bool> {
    let changed: HashSet<String> =
        change.getattr(intern!(py, "changed"))?.get_item(of.as_str())?.extract()?;
    let replaced = change.getattr(intern!(py, "replaced"))?.get_item(of.as_str())?;
    let replaced = replaced.cast_into::<PyList>()?;
    // The module itself (`import shop.conf`, `from shop import conf`), all of it, or such a name.
    let uses = |(written, used): (Name, &Names)| {
        let tail = written.text().rsplit('.').next();
        (used.contains("") && tail == Some(of.tail()))
            || used.contains(of.tail())
            || used.contains("*")
            || changed.iter().any(|name| used.contains(name))
    };
    let held = |value: &Bound<'_, PyAny>| replaced.iter().any(|old| old.is(value));
    let outlined =
        importer.with_name_usage(|outline| outline.used.iter().any(uses)).unwrap_or(false);
    Ok((outlined && !changed.is_empty())
        || importer.namespace(py).values().iter().any(|value| held(&value)))
}

/// The changes that could not be made in place.
pub fn notes(py: Python<'_>, generation: &Bound<'_, Generation>) -> Vec<InPlaceNote> {
    let of = |batch: &Bound<'_, InPlaceBatch>| -> Vec<InPlaceNote> {
        let notes = batch.get().change.bind(py).getattr(intern!(py, "notes"));
        notes.and_then(|notes| notes.extract()).unwrap_or_default()
    };
    generation.get().staging.batches(py).iter().flat_map(of).collect()
}

fn call(step: &Bound<'_, PyAny>) -> PyResult<()> {
    let step = step.cast::<PyTuple>()?;
    step.get_item(0)?.call1(step.get_slice(1, step.len()))?;
    Ok(())
}

fn take_back_steps(steps: &Bound<'_, PyList>, count: usize) -> PyResult<()> {
    for index in (0..count).rev() {
        call(&steps.get_item(index)?.get_item(1)?)?;
    }
    Ok(())
}

/// All functions that the executions made, each with the namespace that it belongs in.
fn functions_of<'py>(py: Python<'py>, batch: &InPlaceBatch) -> PyResult<Vec<Moved<'py>>> {
    let pairs: Vec<_> = batch
        .modules
        .iter()
        .map(|m| (m.get().shadow.get().namespace(py), m.get().stays.get().namespace(py)))
        .collect();
    let run = PyTuple::new(py, pairs.iter().map(|(run, _)| run))?;
    let referrers =
        py.import(intern!(py, "gc"))?.getattr(intern!(py, "get_referrers"))?.call1(run)?;
    let mut functions = Vec::new();
    for referrer in referrers.try_iter()? {
        let referrer = referrer?;
        // SAFETY: attached, a live object.
        if unsafe { ffi::PyFunction_Check(referrer.as_ptr()) } != 0 {
            let globals = referrer.getattr(intern!(py, "__globals__"))?;
            if let Some((_, stays)) = pairs.iter().find(|(run, _)| run.is(&globals)) {
                functions.push((referrer, stays.clone()));
            }
        }
    }
    Ok(functions)
}

/// A function, and the namespace that it is to find its globals in.
type Moved<'py> = (Bound<'py, PyAny>, Bound<'py, PyDict>);

/// Lets a function find its globals in another namespace. Python code cannot do this, but a
/// function that only a registry or a closure holds has to see the module that stays.
fn move_to(function: &Bound<'_, PyAny>, namespace: &Bound<'_, PyDict>) {
    let moved = function.as_ptr().cast::<ffi::PyFunctionObject>();
    // SAFETY: attached, and a function. The field is owned, so the reference that it gets is new
    // and the one that it had is dropped, last of all. Setting the defaults to their own value
    // makes the interpreter drop its specialisations for this function.
    unsafe {
        let before = std::mem::replace(&mut (*moved).func_globals, namespace.clone().into_ptr());
        let defaults = ffi::PyFunction_GetDefaults(function.as_ptr());
        let defaults = if defaults.is_null() { ffi::Py_None() } else { defaults };
        ffi::Py_INCREF(defaults);
        if ffi::PyFunction_SetDefaults(function.as_ptr(), defaults) < 0 {
            ffi::PyErr_Clear();
        }
        ffi::Py_DECREF(defaults);
        ffi::Py_DECREF(before);
    }
}
