//! Which code is asking, and which generation answers?
//!
//! The rule, in one place: the pinned generation, if the caller's instance belongs to it (or the
//! caller is foreign). Else the newest generation that the caller's instance belongs to. Foreign
//! code that is not pinned asks for the nearest live code that called it; where there is none, for
//! the current generation.

use std::sync::atomic::Ordering;

use pyo3::{ffi, intern, prelude::*, types::PyDict};

use crate::cpython::frames;
use crate::state::{live_module::LiveModule, pin, runtime::Runtime, scope::Scope};

/// The instance whose code has these globals, if it is live code.
#[inline]
pub fn module_of_globals<'py>(
    py: Python<'py>,
    globals: &Bound<'py, PyAny>,
) -> Option<Bound<'py, LiveModule>> {
    let globals = globals.cast_exact::<PyDict>().ok()?;
    let loader = globals.get_item(intern!(py, "__loader__")).ok().flatten()?;
    loader.cast_into_exact::<LiveModule>().ok()
}

/// The generation that answers `caller`, or foreign code where that is none.
pub fn scope_of<'py>(
    py: Python<'py>,
    runtime: &'static Runtime,
    caller: Option<&Bound<'py, LiveModule>>,
) -> Scope<'py> {
    match caller {
        Some(caller) => scope_of_live(py, runtime, caller),
        None => scope_of_foreign(py, runtime),
    }
}

#[inline]
pub fn scope_of_live<'py>(
    py: Python<'py>,
    runtime: &'static Runtime,
    caller: &Bound<'py, LiveModule>,
) -> Scope<'py> {
    if let Some(pinned) = pin::pinned(py)
        && pinned.get().holds(py, caller)
    {
        return Scope { py, runtime, generation: pinned };
    }
    // In this order: a thread that sees the swap of an update also sees where it put the caller.
    let current = runtime.current(py);
    let generation = caller.get().home(py).unwrap_or(current);
    Scope { py, runtime, generation }
}

/// The generation that answers foreign code: facades, `import_module`, foreign import statements.
pub fn scope_of_foreign<'py>(py: Python<'py>, runtime: &'static Runtime) -> Scope<'py> {
    if let Some(pinned) = pin::pinned(py) {
        return Scope { py, runtime, generation: pinned };
    }
    if runtime.diverged.load(Ordering::Acquire)
        && let Some(caller) = nearest(py)
    {
        return scope_of_live(py, runtime, &caller);
    }
    Scope { py, runtime, generation: runtime.current(py) }
}

/// The generation that answers the code that is running, live or foreign.
pub fn scope_of_running<'py>(py: Python<'py>, runtime: &'static Runtime) -> Scope<'py> {
    scope_of(py, runtime, immediate(py).as_ref())
}

/// The instance of the frame that is running, if that frame is live code's.
pub fn immediate(py: Python<'_>) -> Option<Bound<'_, LiveModule>> {
    // SAFETY: attached; the result is borrowed from the running frame, or null.
    let globals = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetGlobals()) }?;
    module_of_globals(py, &globals)
}

/// The instance of the nearest frame of live code, the running one included.
pub fn nearest(py: Python<'_>) -> Option<Bound<'_, LiveModule>> {
    frames::stack(py).find_map(|frame| of_frame(&frame))
}

/// The instance whose code a frame runs, if it is live code.
pub fn of_frame<'py>(frame: &Bound<'py, PyAny>) -> Option<Bound<'py, LiveModule>> {
    let py = frame.py();
    module_of_globals(py, &frame.getattr(intern!(py, "f_globals")).ok()?)
}

/// The instance that called the function of `importlib` that is running, if that is live code. A function
/// that live code has put in place of `importlib.import_module` imports for its caller.
pub fn beyond_importlib(py: Python<'_>) -> Option<Bound<'_, LiveModule>> {
    let mut stack = frames::stack(py);
    let is_beyond = |frame: &Bound<'_, PyAny>| importlib_part(frame) == Some(ImportlibPart::None);
    let mut frame = stack.find(is_beyond)?;
    let mut found = of_frame(&frame)?;
    while let Some(wrapper) = wrapper_by(&found) {
        let is_wrapper =
            |frame: &Bound<'_, PyAny>| frames::code(frame).is_some_and(|code| code.is(&wrapper));
        if !is_wrapper(&frame) && !stack.by_ref().any(|outer| is_wrapper(&outer)) {
            break;
        }
        let Some(caller) = stack.find(is_beyond) else { break };
        found = of_frame(&caller)?;
        frame = caller;
    }
    Some(found)
}

/// The code of the function that a module has put in place of `importlib.import_module`.
fn wrapper_by<'py>(module: &Bound<'py, LiveModule>) -> Option<Bound<'py, PyAny>> {
    let py = module.py();
    let function = module.get().with_patches(|patches| {
        let patch = patches.iter().find(|patch| patch.attribute == "import_module")?;
        patch.value.as_ref().map(|value| value.clone_ref(py))
    })?;
    function.bind(py).getattr_opt(intern!(py, "__code__")).ok().flatten()
}

/// Whether the code that is running imports by a call that its source does not name: it has
/// `importlib.metadata` do it (`EntryPoint.load()`), or calls `import_module` by another name.
pub fn imports_unnamed(py: Python<'_>) -> bool {
    for frame in frames::stack(py) {
        match importlib_part(&frame) {
            Some(ImportlibPart::Machinery) => {}
            Some(ImportlibPart::Library) | None => return true,
            Some(ImportlibPart::None) => {
                let code = frames::code(&frame);
                let names = code.and_then(|code| code.getattr(intern!(py, "co_names")).ok());
                return !names.is_some_and(|names| {
                    let has = |name| names.contains(name).unwrap_or(false);
                    has(intern!(py, "import_module")) || has(intern!(py, "__import__"))
                });
            }
        }
    }
    false
}

/// What a frame is to an import that is made by a call.
#[derive(Clone, Copy, PartialEq)]
enum ImportlibPart {
    /// `importlib` itself, and Transfuse.
    Machinery,
    /// Code that imports for its caller: `importlib.metadata`.
    Library,
    /// Any other code.
    None,
}

/// None if the frame cannot be read.
fn importlib_part(frame: &Bound<'_, PyAny>) -> Option<ImportlibPart> {
    let py = frame.py();
    let globals = frame.getattr(intern!(py, "f_globals")).ok()?;
    let name = globals.get_item(intern!(py, "__name__")).ok();
    let name = name.as_ref().and_then(|name| name.extract::<&str>().ok()).unwrap_or("");
    let is_machinery = name == "importlib" || name.starts_with("importlib._bootstrap");
    Some(match name.split('.').next().unwrap_or(name) {
        "transfuse" => ImportlibPart::Machinery,
        "importlib" if is_machinery => ImportlibPart::Machinery,
        "importlib" => ImportlibPart::Library,
        _ => ImportlibPart::None,
    })
}
