//! What can the updating thread be asked for?

use std::collections::HashMap;
use std::path::PathBuf;

use crossbeam_channel::Sender;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use transfuse_engine::ModuleName;

/// What other threads ask of the updating thread.
pub enum Command {
    /// Compare now and update.
    Update(Sender<PyResult<Py<PyDict>>>),
    /// Compare now and update, and run this module in any case.
    Reload(ModuleName, Sender<PyResult<Py<PyDict>>>),
    /// Compare now and say what an update would do.
    Plan(Sender<PyResult<Py<PyDict>>>),
    /// Make an earlier generation's content current; none: the last one.
    Rollback(Option<u64>, Sender<PyResult<Py<PyDict>>>),
    /// Serve these contents, whatever is on disk.
    Adopt(SourceOverrides, Sender<PyResult<Py<PyDict>>>),
    /// Something has drained.
    Dispose,
    /// End.
    Stop,
}

/// `/srv/shop/tax.py` to what it is to say; none: it is not to be there.
pub type SourceOverrides = HashMap<PathBuf, Option<Vec<u8>>>;
