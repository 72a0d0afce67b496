//! Where may files differ from the snapshot? The debouncer's result, and the input of `refresh`.

use std::{collections::BTreeSet, path::PathBuf};

/// Where to look for differences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirtyPaths {
    /// At these files and directories.
    Listed(BTreeSet<PathBuf>),
    /// Everywhere, because events were lost.
    Rescan,
}
