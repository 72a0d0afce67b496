//! Who else has a say in an update?
//!
//! What Python code has joined (`transfuse/updates/participants.py`): the startup of an application, the other
//! workers. It is asked when all modules of the staged generation have run, in the updating thread
//! and pinned to that generation; whatever it raises refuses the update. It hears how it ended.

use pyo3::intern;
use pyo3::prelude::*;
use transfuse_engine::SourceSnapshot;

use crate::cpython::log;
use crate::state::generation::Generation;
use crate::state::pin::StagedScope;
use crate::state::runtime::Runtime;
use crate::state::scope::Scope;

/// Asks. Raises what was raised, and the generation must be abandoned then.
pub fn prepare(
    py: Python<'_>,
    runtime: &'static Runtime,
    staged: &Bound<'_, Generation>,
    wanted: &SourceSnapshot,
    on_disk: bool,
) -> PyResult<()> {
    *runtime.wanted.lock() = Some(wanted.clone());
    let stage = if on_disk { intern!(py, "staged") } else { intern!(py, "going back") };
    let answer = StagedScope::begin(&Scope::new(py, runtime, staged))
        .and_then(|_pinned| runtime.stages.call(py, (stage, staged.get().id.0)));
    *runtime.wanted.lock() = None;
    answer.map(drop)
}

/// Tells how it ended: `"published"` or `"abandoned"`.
pub fn notify(py: Python<'_>, runtime: &Runtime, staged: &Bound<'_, Generation>, end: &str) {
    if let Err(error) = runtime.stages.call(py, (end, staged.get().id.0)) {
        let _ = log::complain(py, "the end of an update could not be told", error);
    }
}
