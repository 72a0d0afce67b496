//! Where is the working directory, and where does a call of `os.chdir` lead?
//!
//! `os.chdir("data")` at module level is relative to where the process is. In a fresh process that is
//! where it was before the module ran. So the change is recorded like one of `os.environ`
//! (`effects/environ.rs`), which undoes it before the module runs again, and before others of the same
//! update do.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use pyo3::types::PyBytes;
use pyo3::{intern, prelude::*};
use transfuse_engine::FileSystem;

use crate::state::runtime::{self, Runtime};

/// Where `os.chdir(given)` leads, or `os.fchdir(given)`; none if it fails.
pub fn destination(runtime: &Runtime, given: &Bound<'_, PyAny>) -> Option<OsString> {
    let path = match given.extract::<i32>() {
        Ok(descriptor) => PathBuf::from(format!("/dev/fd/{descriptor}")),
        Err(_) => match given.cast::<PyBytes>() {
            Ok(bytes) => std::str::from_utf8(bytes.as_bytes()).ok()?.into(),
            Err(_) => given.extract().ok()?,
        },
    };
    runtime.system.canonicalize(&path).ok().map(PathBuf::into_os_string)
}

/// The working directory; none if it is gone.
pub fn now() -> Option<OsString> {
    let system = &runtime::in_force()?.system;
    system.canonicalize(Path::new(".")).ok().map(PathBuf::into_os_string)
}

pub fn put(py: Python<'_>, directory: &OsString) -> PyResult<()> {
    py.import(intern!(py, "os"))?.call_method1(intern!(py, "chdir"), (directory,)).map(drop)
}
