//! From which source did a module run, and which policy did that declare?
//!
//! `state/policy.rs` reads the declarations, `loading/search.rs` finds the file.

use std::{path::PathBuf, sync::Arc};

use pyo3::{Py, PyAny};
use transfuse_engine::{Policy, Source};

/// The source of an instance, with its declarations.
#[derive(Clone)]
pub struct ModuleSource {
    /// The source; none for a namespace package.
    pub source: Option<Arc<Source>>,
    /// The policy that the module, or else the settings, asked for.
    pub policy: Policy,
    /// Names the module (or the settings) listed to be carried.
    pub preserve: Vec<String>,
    /// Whether an update runs it in the main thread.
    pub in_main_thread: bool,
}

pub struct SourceFile {
    /// As the path entry spelled it; becomes `__file__`.
    pub file: String,
    /// As views know it.
    pub path: PathBuf,
    /// Where submodules are looked for, if it is a package.
    pub package: Option<String>,
    /// The spec of another code's finder, whose loader executes it; made for one execution.
    pub spec: Option<Py<PyAny>>,
}
