//! Does a generation answer as the one before it?
//!
//! Four saves of files that no loaded module comes from make four generations, and none of them is
//! one to go back to. An update for which no module ran changes the answer once a module is loaded
//! from one of its files, which may happen much later: so it is asked when the next generation is
//! published, and before a rollback.

use pyo3::prelude::*;
use transfuse_engine::{ChangeKind, FileChange, SourceSnapshot};

use crate::loading::names_of_file::{was_missed, would_be};
use crate::state::{generation::Generation, runtime::Runtime};

/// Lets go of the generation before the current one, if they answer the same so far.
pub fn fold(py: Python<'_>, runtime: &Runtime) {
    if let Some(older) = runtime.generations.perhaps_same() {
        let current = runtime.current(py);
        if answers_as_before(py, runtime, &current) {
            runtime.retire(runtime.generations.fold(older, current.get().id));
        }
    }
}

/// Whether the current generation, for which no module ran, answers as the one before.
pub fn answers_as_before(
    py: Python<'_>,
    runtime: &Runtime,
    current: &Bound<'_, Generation>,
) -> bool {
    let changes = current.get().changed_without_effect.lock().clone();
    !changes.iter().any(|change| has_effect(py, runtime, current, change))
}

/// Was a module loaded from the changed file, or looked for in vain since it is gone? Or does code
/// read it while it serves, as it does templates?
fn has_effect(
    py: Python<'_>,
    runtime: &Runtime,
    current: &Bound<'_, Generation>,
    change: &FileChange,
) -> bool {
    let names = runtime.records.lock().files.get(&change.path).cloned().unwrap_or_default();
    let is_from = |name: &transfuse_engine::ModuleName| {
        let instance = current.get().find(py, name.as_str());
        instance.is_some_and(|instance| instance.get().path.as_ref() == Some(&change.path))
    };
    let is_read =
        |view: &SourceSnapshot| view.get(&change.path).is_some_and(|source| source.is_served());
    names.iter().any(is_from)
        || is_read(&current.get().view())
        || change.kind == ChangeKind::Deleted
            && would_be(py, runtime, &change.path).iter().any(|name| was_missed(runtime, name))
}
