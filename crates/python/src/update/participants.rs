//! How do the participants of an update take part in its commit?
//!
//! Participants are registered in Python (`transfuse/updates/participants.py`): the startup of an
//! application, the other workers. When all modules of the staged generation have run, they prepare,
//! in the updating thread and pinned to that generation; an error refuses the update. Afterwards they
//! are notified how it ended.

use pyo3::{intern, prelude::*};
use transfuse_engine::SourceSnapshot;

use crate::cpython::log;
use crate::state::{generation::Generation, pin::GenerationScope, runtime::Runtime, scope::Scope};

/// Asks all participants to prepare. After an error the generation must be aborted.
pub fn prepare(
    py: Python<'_>,
    runtime: &'static Runtime,
    staged: &Bound<'_, Generation>,
    wanted: &SourceSnapshot,
    on_disk: bool,
) -> PyResult<()> {
    *runtime.wanted.lock() = Some(wanted.clone());
    let stage = if on_disk { intern!(py, "staged") } else { intern!(py, "going back") };
    let prepared = GenerationScope::begin(&Scope::new(py, runtime, staged))
        .and_then(|_pinned| runtime.stages.call(py, (stage, staged.get().id.0)));
    *runtime.wanted.lock() = None;
    prepared.map(drop)
}

/// Notifies them how it ended: `"published"` or `"abandoned"`.
pub fn notify(py: Python<'_>, runtime: &Runtime, staged: &Bound<'_, Generation>, end: &str) {
    if let Err(error) = runtime.stages.call(py, (end, staged.get().id.0)) {
        let _ =
            log::complain(py, "participants could not be notified of the end of an update", error);
    }
}
