//! Which events of the interpreter tell about the code of a module?
//!
//! One audit hook for all events that count. Audit hooks cannot be removed; while no module is being
//! executed in the thread, this one hears only of files that are opened, renamed or removed, and while no runtime is in
//! force it does nothing. The interpreter calls it for the events of every sub-interpreter too, with
//! objects that must not meet those of the main one.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Once;

use pyo3::{exceptions::PyRuntimeError, ffi, prelude::*, types::PyTuple};

use crate::cpython::thread::is_in_main_interpreter;
use crate::effects::{data_files, environ, written_files};
use crate::state::{execution_stack, runtime, runtime::Runtime};

/// A C audit hook, as `Py_AuditHookFunction` of the C API declares it.
type Hook = extern "C" fn(*const c_char, *mut ffi::PyObject, *mut c_void) -> c_int;

unsafe extern "C" {
    // Part of the C API since 3.8; PyO3 does not declare it.
    fn PySys_AddAuditHook(hook: Hook, data: *mut c_void) -> c_int;
}

/// The handler of an event. It must not raise.
type Record = fn(&'static Runtime, &Bound<'_, PyTuple>);

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
    // SAFETY: the interpreter passes a C string.
    let event = unsafe { CStr::from_ptr(event) };
    let record: Record = match event.to_bytes() {
        b"open" if !execution_stack::is_executing() => data_files::record_open_by_function,
        b"os.rename" if !execution_stack::is_executing() => written_files::record_rename,
        b"os.remove" | b"os.rmdir" if !execution_stack::is_executing() => {
            written_files::record_removal
        }
        b"shutil.rmtree" if !execution_stack::is_executing() => written_files::record_tree,
        _ if !execution_stack::is_executing() => return 0,
        b"open" => data_files::record_open,
        b"os.rename" => data_files::record_rename,
        b"os.mkdir" => data_files::record_mkdir,
        b"os.remove" | b"os.rmdir" => data_files::record_removal,
        b"os.listdir" | b"os.scandir" => data_files::record_listing,
        b"sqlite3.connect" => data_files::record_database,
        b"sqlite3.connect/handle" => data_files::record_connection,
        b"os.putenv" | b"os.unsetenv" => environ::record,
        b"os.chdir" => environ::record_directory,
        _ => return 0,
    };
    // Events are raised by threads that are attached.
    if !is_in_main_interpreter() {
        return 0;
    }
    // SAFETY: as above, with a tuple of arguments.
    unsafe {
        let py = Python::assume_attached();
        if let Some(runtime) = runtime::in_force()
            && let Some(args) = Bound::from_borrowed_ptr_or_opt(py, args)
            && let Ok(args) = args.cast_into::<PyTuple>()
        {
            record(runtime, &args);
        }
    }
    0
}
