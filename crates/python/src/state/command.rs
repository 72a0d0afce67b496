//! Which requests does the updating thread answer?
//!
//! `state/request.rs` sends them, `updater/driver.rs` carries them out.

use std::{collections::HashMap, path::PathBuf};

use crossbeam_channel::Sender;
use pyo3::{prelude::*, types::PyDict};
use transfuse_engine::ModuleName;

pub enum Command {
    /// Compare now and update.
    Update(Sender<PyResult<Py<PyDict>>>),
    /// Compare now and update, and run this module in any case.
    Reload(ModuleName, Sender<PyResult<Py<PyDict>>>),
    /// Compare now and report the plan of an update.
    Plan(Sender<PyResult<Py<PyDict>>>),
    /// Make an earlier generation's content current; none: the last one.
    Rollback(Option<u64>, Sender<PyResult<Py<PyDict>>>),
    /// Serve these contents, whatever is on disk.
    Adopt(SourceOverrides, Sender<PyResult<Py<PyDict>>>),
    /// A module depends on data that no walk comes to.
    Follow(PathBuf),
    /// A hold has ended: look at the files again.
    Released,
    /// Something has drained.
    Dispose,
    Stop,
}

/// `/srv/shop/tax.py` to its content; none: it does not exist.
pub type SourceOverrides = HashMap<PathBuf, Option<Vec<u8>>>;
