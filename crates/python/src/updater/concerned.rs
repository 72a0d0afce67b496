//! Which of the files that differ concern what is loaded?

use std::{io, path::Path, path::PathBuf};

use transfuse_engine::{FileChange, fork_gate, is_source};

use crate::state::{runtime::Runtime, unreadable};

/// Those of the unreadable files that modules came from. `status` shows the others.
pub fn needed(
    runtime: &Runtime,
    unreadable: Vec<(PathBuf, io::Error)>,
) -> Vec<(PathBuf, io::Error)> {
    let (view, graph) = (runtime.view(), runtime.records.lock().graph.clone());
    let needs = |path: &Path| unreadable::is_needed(&view, &graph, path);
    let (needed, others) = unreadable.into_iter().partition(|(path, _)| needs(path));
    runtime.unreadable.lock().are(others);
    needed
}

/// Drops changes of data files that no module depends on any more.
pub fn drop_unread_data_files(runtime: &Runtime, changes: &mut Vec<FileChange>) {
    let _critical = fork_gate::enter_critical();
    let records = runtime.records.lock();
    let read = |path: &Path| {
        records.graph.readers(path).next().is_some() || records.extensions.contains_key(path)
    };
    changes.retain(|change| is_source(&change.path) || read(&change.path));
}
