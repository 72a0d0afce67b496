//! Which files do functions of the program write?
//!
//! What a module keeps of a file that its own program writes, replaces or removes is as new as the file, so a
//! change of that file runs no module. A folder that is renamed or removed stands for all that is in it.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use transfuse_engine::FileSystem;

use crate::state::{caller, records::Records, runtime::Runtime};

/// How many files and folders are remembered; then all are forgotten, and learnt anew.
const MOST: usize = 5_000;

/// Returns the absolute path if the file may be data. It does not access the disk, because requests open
/// files.
pub fn data_of_function(runtime: &Runtime, given: &Bound<'_, PyAny>) -> Option<PathBuf> {
    if let Ok(text) = given.cast_exact::<PyString>() {
        let path = Path::new(text.to_str().ok()?);
        if path.is_absolute() && !runtime.roots.is_beneath(path) {
            return None;
        }
    }
    let path = runtime.system.absolute(&given.extract::<PathBuf>().ok()?).ok()?;
    let is_precompiled = path.extension().is_some_and(|end| end == "pyc");
    (runtime.roots.is_beneath(&path) && !is_precompiled).then_some(path)
}

/// Live code has opened a file for writing, or changes it otherwise.
pub fn record(py: Python<'_>, runtime: &Runtime, path: PathBuf) {
    if caller::nearest(py).is_none() {
        return;
    }
    let written = &mut runtime.records.lock().written_by_functions;
    if written.len() >= MOST {
        written.clear();
    }
    written.insert(path);
}

/// `os.rename(from, to)`: a file or a folder is replaced as a whole.
pub fn record_rename(runtime: &'static Runtime, args: &Bound<'_, PyTuple>) {
    record_argument(runtime, args, 0);
    record_argument(runtime, args, 1);
}

/// `os.remove(path)` or `os.rmdir(path)`. Calls with `dir_fd` are ignored: `shutil.rmtree` has its own event.
pub fn record_removal(runtime: &'static Runtime, args: &Bound<'_, PyTuple>) {
    let folder = args.get_item(1).and_then(|descriptor| descriptor.extract::<i64>());
    if folder.is_ok_and(|descriptor| descriptor < 0) {
        record_argument(runtime, args, 0);
    }
}

/// `shutil.rmtree(path)`.
pub fn record_tree(runtime: &'static Runtime, args: &Bound<'_, PyTuple>) {
    record_argument(runtime, args, 0);
}

/// Whether functions write a file, or change a folder that it is in.
pub fn is_written(records: &Records, path: &Path) -> bool {
    path.ancestors().any(|part| records.written_by_functions.contains(part))
}

fn record_argument(runtime: &'static Runtime, args: &Bound<'_, PyTuple>, index: usize) {
    let path = args.get_item(index).ok().and_then(|path| data_of_function(runtime, &path));
    if let Some(path) = path {
        record(args.py(), runtime, path);
    }
}
