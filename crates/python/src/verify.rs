//! Who else has a say in an update?
//!
//! What Python code has joined (`transfuse/updates/participants.py`): the startup of an application, the other
//! workers. It is asked when all modules of the staged generation have run, in the updating thread
//! and pinned to that generation; whatever it raises refuses the update. It hears how it ended.

use pyo3::intern;
use pyo3::prelude::*;
use transfuse_engine::View;

use crate::disposal;
use crate::engine::Engine;
use crate::generation::Generation;
use crate::pin::Staging;

/// Asks. Raises what was raised, and the generation must be abandoned then.
pub fn ask(
    py: Python<'_>,
    engine: &'static Engine,
    staged: &Bound<'_, Generation>,
    wanted: &View,
    on_disk: bool,
) -> PyResult<()> {
    *engine.wanted.lock().unwrap() = Some(wanted.clone());
    let stage = if on_disk { intern!(py, "staged") } else { intern!(py, "going back") };
    let answer = Staging::begin(py, engine, staged)
        .and_then(|_pinned| engine.stages.call(py, (stage, staged.get().id.0)));
    *engine.wanted.lock().unwrap() = None;
    answer.map(drop)
}

/// Tells how it ended: `"published"` or `"abandoned"`.
pub fn tell(py: Python<'_>, engine: &Engine, staged: &Bound<'_, Generation>, end: &str) {
    if let Err(error) = engine.stages.call(py, (end, staged.get().id.0)) {
        let _ = disposal::complain(py, "the end of an update could not be told", error);
    }
}
