//! Which files did a module read while it was being imported?
//!
//! An audit hook sees every `open`. A file under a root that module-level code
//! opens for reading is a dependency like a module: its content becomes part of
//! what the generation knows, and a change of it runs the module again. Audit
//! hooks cannot be taken out; without an engine in force this one does nothing.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::Once;

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use transfuse_engine::{EdgeKind, Source, System, Target, is_source};

use crate::engine;
use crate::observe;

/// A C audit hook, as `Py_AuditHookFunction` of the C API declares it.
type Hook = extern "C" fn(*const c_char, *mut ffi::PyObject, *mut c_void) -> c_int;

unsafe extern "C" {
    // Part of the C API since 3.8; PyO3 does not declare it.
    fn PySys_AddAuditHook(hook: Hook, data: *mut c_void) -> c_int;
}

/// Larger files are not followed: hashing them would hold up the import.
const LIMIT: u64 = 16 << 20;

/// Begins to listen, once for the life of the process.
pub fn listen() -> PyResult<()> {
    static ONCE: Once = Once::new();
    let mut failed = false;
    ONCE.call_once(|| {
        // SAFETY: the hook is a plain function without state.
        failed = unsafe { PySys_AddAuditHook(heard, std::ptr::null_mut()) } < 0;
    });
    if failed { Err(PyRuntimeError::new_err("an audit hook refuses another one")) } else { Ok(()) }
}

extern "C" fn heard(event: *const c_char, args: *mut ffi::PyObject, _: *mut c_void) -> c_int {
    // SAFETY: the interpreter passes a C string.
    if unsafe { CStr::from_ptr(event) } != c"open" || !observe::is_loading() {
        return 0;
    }
    // SAFETY: events are raised by threads that are attached, with a tuple of arguments.
    unsafe {
        let py = Python::assume_attached();
        if let Some(args) = Bound::from_borrowed_ptr_or_opt(py, args)
            && let Ok(args) = args.cast_into::<PyTuple>()
        {
            opened(&args);
        }
    }
    0
}

/// `open(path, mode, flags)` is about to happen. Nothing here may raise.
fn opened(args: &Bound<'_, PyTuple>) {
    let py = args.py();
    let Ok(path) = args.get_item(0) else { return };
    let path: PathBuf = if let Ok(text) = path.cast::<PyString>() {
        PathBuf::from(text.to_string_lossy().into_owned())
    } else if let Ok(bytes) = path.cast::<PyBytes>() {
        PathBuf::from(String::from_utf8_lossy(bytes.as_bytes()).into_owned())
    } else {
        return;
    };
    let writes = args
        .get_item(1)
        .ok()
        .and_then(|mode| mode.extract::<String>().ok())
        .is_some_and(|mode| mode.contains(['w', 'a', 'x', '+']));
    let Some(engine) = engine::in_force() else { return };
    if writes || is_source(&path) || path.extension().is_some_and(|end| end == "pyc") {
        return;
    }
    let Some(path) = engine.roots.spelled(&*engine.system, Path::new(&path)) else { return };
    if engine.roots.root_of(&path).is_none() {
        return;
    }
    let small = engine.system.stat(&path).is_ok_and(|stat| stat.len <= LIMIT);
    let Some(instance) = observe::innermost(py).filter(|_| small) else { return };
    if instance.get().add_edge(Target::File(path.clone()), EdgeKind::Data)
        && let Ok(content) = engine.system.read(&path)
    {
        let source = Source::bare(content);
        for generation in engine.alive(py) {
            generation.get().admit(|view| match view.get(&path) {
                Some(_) => view.clone(),
                None => view.with(path.clone(), source.clone()),
            });
        }
    }
}
