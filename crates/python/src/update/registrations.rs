//! When do registrations of live code leave foreign containers?
//!
//! Called when an update has ended, so nothing waits for it: `transfuse/registrations` takes out the
//! entries of superseded code that new code has replaced, or those of code that was staged in vain.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pyo3::{call::PyCallArgs, intern, prelude::*, types::PyList};

use crate::cpython::{log, panics};
use crate::state::{
    generation::Generation, live_module::LiveModule, runtime::Runtime, staging_area::InPlaceNote,
};
use crate::update::lingering;

/// How many former modules were in memory after the last update that was published. Only the updating
/// thread uses it, so it orders nothing.
static LINGERING: AtomicUsize = AtomicUsize::new(0);

/// Whether the last update that was published had registered something. Only the updating thread uses
/// it.
static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Whether an update will probably have registered something in foreign containers, as the last one has.
pub fn are_expected() -> bool {
    REGISTERED.load(Ordering::Relaxed)
}

/// The executions for a generation that is no longer staged.
pub struct EndedExecutions<'py> {
    /// The instances that are part of the generation.
    executed: Vec<Bound<'py, LiveModule>>,
    /// Those that have left it again, because their module ran once more or its code raised.
    abandoned: Vec<Bound<'py, LiveModule>>,
}

/// The objects of a staged generation that something beside it holds. Asked before other code can see
/// the generation: then only registrations can. None: it is not known.
pub fn registered<'py>(
    py: Python<'py>,
    staged: &Bound<'py, Generation>,
    superseded: &[Bound<'py, LiveModule>],
) -> Option<Bound<'py, PyList>> {
    let executed = staged.get().executed(py);
    let held = call(py, "held", (executions(py, &executed), executions(py, superseded)));
    held.and_then(|held| held.into_bound(py).cast_into().ok())
}

impl<'py> EndedExecutions<'py> {
    /// To be asked for before its staging area is cleared.
    pub fn of(py: Python<'py>, staged: &Bound<'py, Generation>) -> Self {
        let staging = &staged.get().staging;
        let all = staging.executed(py).into_iter();
        let (executed, mut abandoned): (_, Vec<_>) =
            all.partition(|instance| staged.get().holds(py, instance));
        // The functions that these made are in the module that takes their code.
        for change in staging.in_place(py) {
            abandoned.retain(|instance| !instance.is(change.get().shadow.bind(py)));
        }
        EndedExecutions { executed, abandoned }
    }

    /// The generation has become current. `registered` is what the function of that name found. Returns what loggers
    /// keep of former code all the same, and logs it.
    pub fn published(
        self,
        py: Python<'_>,
        runtime: &Runtime,
        superseded: &[Bound<'_, LiveModule>],
        revived: &[Bound<'_, LiveModule>],
        registered: Option<Bound<'py, PyList>>,
    ) -> Vec<InPlaceNote> {
        // Entries of superseded code leave where new code made their counterparts.
        // Registrations of requests are noticed by the former modules that they keep in memory.
        let lingering = lingering::held(py, runtime);
        let grows = lingering > LINGERING.swap(lingering, Ordering::Relaxed);
        let some = registered.as_ref().is_some_and(|found| !found.is_empty());
        REGISTERED.store(some, Ordering::Relaxed);
        let searches = registered.as_ref().is_none_or(|found| !found.is_empty())
            || grows
            || !revived.is_empty()
            || !self.abandoned.is_empty();
        let registered = registered.unwrap_or_else(|| PyList::empty(py));
        let earlier = searches
            .then(|| (executions(py, &lingering::superseded(py, runtime)), registered, grows));
        let lists = [&self.executed, superseded, revived, &self.abandoned];
        let [executed, superseded, revived, abandoned] = lists.map(|list| executions(py, list));
        let kept = call(py, "published", (executed, superseded, revived, abandoned, earlier));
        let notes: Vec<InPlaceNote> =
            kept.and_then(|kept| kept.extract(py).ok()).unwrap_or_default();
        for (module, what) in &notes {
            log::warning(py, &format!("{module}: {what}"));
        }
        notes
    }

    /// The generation was abandoned because of `error`. These stay current.
    pub fn abandoned(self, py: Python<'_>, kept: &[Bound<'_, LiveModule>], error: Option<&PyErr>) {
        let all: Vec<_> = self.executed.into_iter().chain(self.abandoned).collect();
        if !all.is_empty() {
            let error = error.map(|error| error.value(py));
            call(py, "abandoned", (executions(py, &all), executions(py, kept), error));
        }
    }
}

fn call<'py>(
    py: Python<'py>,
    function: &str,
    arguments: impl PyCallArgs<'py>,
) -> Option<Py<PyAny>> {
    let called = panics::caught(|| {
        let package = py.import(intern!(py, "transfuse.registrations.exchange"))?;
        Ok(package.getattr(function)?.call1(arguments)?.unbind())
    });
    let complain = |error| {
        log::complain(py, "registrations of former code may still be in foreign places", error)
    };
    called.map_err(complain).ok()
}

/// Each as the module, its record, and the names that it preserves.
fn executions(
    py: Python<'_>,
    instances: &[Bound<'_, LiveModule>],
) -> Vec<(Py<PyAny>, Py<PyList>, Vec<String>)> {
    let told = instances.iter().map(|instance| {
        let one = instance.get();
        let module = one.module.clone_ref(py).into_any();
        (module, one.registrations.clone_ref(py), one.preserve())
    });
    told.collect()
}
