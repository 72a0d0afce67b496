//! Which files did a module read while it was being imported?
//!
//! An audit hook sees every `open`. A file under a root that module-level code opens for reading is
//! a dependency like a module: its content (or that it does not exist) becomes part of the
//! generation's view, and a change of it runs the module again. A file that the module writes is no
//! dependency. Audit hooks cannot be removed; without a runtime in force this one does nothing.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once, atomic::Ordering};

use pyo3::{exceptions::PyRuntimeError, ffi, prelude::*, types::PyBytes, types::PyTuple};
use transfuse_engine::{FileKind, FileSystem, Source, is_source};

use crate::cpython::thread::thread;
use crate::state::{execution_stack, live_module::LiveModule, runtime, runtime::Runtime};

/// A C audit hook, as `Py_AuditHookFunction` of the C API declares it.
type Hook = extern "C" fn(*const c_char, *mut ffi::PyObject, *mut c_void) -> c_int;

unsafe extern "C" {
    // Part of the C API since 3.8; PyO3 does not declare it.
    fn PySys_AddAuditHook(hook: Hook, data: *mut c_void) -> c_int;
}

/// Larger files are not followed: hashing them would hold up the import.
const LIMIT: u64 = 16 << 20;

/// The errors of the system for a file that does not exist.
const ABSENT: [ErrorKind; 2] = [ErrorKind::NotFound, ErrorKind::NotADirectory];

/// Begins to listen, once for the life of the process.
pub fn listen() -> PyResult<()> {
    static ONCE: Once = Once::new();
    let mut failed = false;
    ONCE.call_once(|| {
        // SAFETY: the hook is a plain function without state.
        failed = unsafe { PySys_AddAuditHook(audit_hook, std::ptr::null_mut()) } < 0;
    });
    if failed { Err(PyRuntimeError::new_err("an audit hook refuses another one")) } else { Ok(()) }
}

extern "C" fn audit_hook(event: *const c_char, args: *mut ffi::PyObject, _: *mut c_void) -> c_int {
    if !execution_stack::is_executing() {
        return 0;
    }
    // SAFETY: the interpreter passes a C string.
    let event = unsafe { CStr::from_ptr(event) };
    let is_connection = event == c"sqlite3.connect/handle";
    if event != c"open" && event != c"os.rename" && !is_connection {
        return 0;
    }
    // SAFETY: events are raised by threads that are attached, with a tuple of arguments.
    unsafe {
        let py = Python::assume_attached();
        if let Some(runtime) = runtime::in_force()
            && let Some(args) = Bound::from_borrowed_ptr_or_opt(py, args)
            && let Ok(args) = args.cast_into::<PyTuple>()
        {
            if is_connection {
                record_connection(runtime, &args);
            } else if event == c"open" {
                record_open(runtime, &args);
            } else {
                record_rename(runtime, &args);
            }
        }
    }
    0
}

/// `open(path, mode, flags)` is about to happen. Nothing here may raise.
fn record_open(runtime: &'static Runtime, args: &Bound<'_, PyTuple>) {
    let py = args.py();
    let Some(path) = argument(runtime, args, 0) else { return };
    let Some(instance) = execution_stack::innermost(py) else { return };
    if writes(args) {
        return record_write(runtime, &instance, &path);
    }
    let Some(source) = content(runtime, &path) else { return };
    if instance.get().reads(&path) {
        for generation in runtime.alive(py) {
            generation.get().admit_new(&path, &source);
        }
    }
}

/// A connection to SQLite is being made; in an update it may be bound to the updating thread.
fn record_connection(runtime: &Runtime, args: &Bound<'_, PyTuple>) {
    let py = args.py();
    let Some(instance) = execution_stack::innermost(py) else { return };
    if runtime.updating_thread.load(Ordering::Acquire) != thread() {
        return;
    }
    let Ok(connection) = args.get_item(0) else { return };
    let noted = py.import("transfuse.updates.import_context").and_then(|contexts| {
        contexts.call_method1("connected", (instance.get().name.as_str(), connection))
    });
    drop(noted);
}

/// `os.rename(from, to, ...)` is about to happen: a file is written as a whole.
fn record_rename(runtime: &'static Runtime, args: &Bound<'_, PyTuple>) {
    if let Some(path) = argument(runtime, args, 1)
        && let Some(instance) = execution_stack::innermost(args.py())
    {
        record_write(runtime, &instance, &path);
    }
}

/// A module does not depend on a file that it writes, though it may have read it before.
fn record_write(runtime: &Runtime, instance: &Bound<'_, LiveModule>, path: &Path) {
    instance.get().writes(path);
    let read_by_others = {
        let records = runtime.records.lock();
        records.graph.readers(path).any(|reader| *reader != instance.get().name)
    };
    if !read_by_others && !is_source(path) {
        for generation in runtime.alive(instance.py()) {
            generation.get().admit(|view| view.without(path));
        }
    }
}

/// A path under a root, by the name that it has there; none if it is no such path.
fn argument(runtime: &Runtime, args: &Bound<'_, PyTuple>, index: usize) -> Option<PathBuf> {
    let given = args.get_item(index).ok()?;
    let path = match given.cast::<PyBytes>() {
        Ok(bytes) => from_bytes(bytes.as_bytes()),
        Err(_) => given.extract::<PathBuf>().ok()?,
    };
    let system = &*runtime.system;
    let spelled = runtime.roots.path_under_root(system, &path).or_else(|| {
        // A path that does not exist cannot be resolved as a whole.
        let dir = runtime.roots.path_under_root(system, path.parent()?)?;
        Some(dir.join(path.file_name()?))
    })?;
    let data = spelled.extension().is_none_or(|end| end != "pyc");
    let live = runtime.roots.is_live_path(system, &spelled);
    (data && live && !runtime.roots.ignores(system, &spelled, false)).then_some(spelled)
}

/// A path that was given as bytes: of any kind where the system takes any, else text.
fn from_bytes(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    use std::ffi::OsStr;
    #[cfg(unix)]
    return PathBuf::from(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes));
    #[cfg(not(unix))]
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

fn writes(args: &Bound<'_, PyTuple>) -> bool {
    let mode = args.get_item(1).and_then(|mode| mode.extract::<String>());
    match mode {
        Ok(mode) => mode.contains(['w', 'a', 'x', '+']),
        // `os.open` has flags only. Flags that are not read-only have one of the two lowest bits.
        Err(_) => {
            args.get_item(2).and_then(|f| f.extract::<i64>()).is_ok_and(|flags| flags & 3 != 0)
        }
    }
}

/// The content of a data file, or that it does not exist; none for a file that is not followed.
fn content(runtime: &Runtime, path: &Path) -> Option<Arc<Source>> {
    let read = runtime.system.metadata(path).and_then(|stat| {
        let followed = stat.kind == FileKind::File && stat.len <= LIMIT;
        followed.then(|| runtime.system.read(path)).transpose()
    });
    match read {
        // Source that is read as data, `exec(open("conf.py").read())`, can still be imported.
        Ok(content) if is_source(path) => content.map(|text| Source::new(text, &runtime.budget)),
        Ok(content) => content.map(Source::digest_only),
        Err(error) if is_source(path) || !ABSENT.contains(&error.kind()) => None,
        Err(_) => Some(Source::absent()),
    }
}
