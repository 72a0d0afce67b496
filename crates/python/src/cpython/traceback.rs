//! Whose code was it that raised?
//!
//! The last module on the way to the error whose code at module level was running.
//! Asked while an update fails, so nothing that a frame may look like is in the way:
//! `exec(code, {})` makes a frame that says `<module>` and belongs to none.

use pyo3::{intern, prelude::*, types::PyDict};
use transfuse_engine::ModuleName;

/// The module whose module-level code was the last on the way to the error, if there is one.
pub fn module_of_error(py: Python<'_>, error: &PyErr) -> Option<ModuleName> {
    let mut module_of_error = None;
    let mut next = error.traceback(py).map(|traceback| traceback.into_any());
    while let Some(entry) = next {
        module_of_error = of_frame(py, &entry).or(module_of_error);
        next = entry.getattr(intern!(py, "tb_next")).ok().filter(|next| !next.is_none());
    }
    module_of_error
}

fn of_frame(py: Python<'_>, entry: &Bound<'_, PyAny>) -> Option<ModuleName> {
    let frame = entry.getattr(intern!(py, "tb_frame")).ok()?;
    let code = frame.getattr(intern!(py, "f_code")).ok()?;
    if !code.getattr(intern!(py, "co_name")).ok()?.eq("<module>").ok()? {
        return None;
    }
    let globals = frame.getattr(intern!(py, "f_globals")).ok()?.cast_into::<PyDict>().ok()?;
    let name = globals.get_item(intern!(py, "__name__")).ok()??;
    ModuleName::new(name.extract::<&str>().ok()?).ok()
}
