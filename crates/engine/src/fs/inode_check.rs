//! Did each path lead to the same file or directory while files were read through it?
//!
//! A deploy switches a link, or puts one directory in the place of another, and so replaces many
//! files at once. A reader at that moment gets a mix of old and new files. The metadata of the
//! files themselves does not show it; the inode that the path leads to does.

use super::{FileMetadata, FileSystem};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The inodes that paths led to before anything was read through them.
#[derive(Debug, Default)]
pub(crate) struct InodeCheck {
    /// `/srv/shop`, a directory or a link to a file, to the inode it leads to; none if there is
    /// nothing. The first recorded value counts.
    first: BTreeMap<PathBuf, Option<u64>>,
}

impl InodeCheck {
    /// Records the inode that `path` leads to, unless it is recorded already.
    pub fn record(&mut self, system: &dyn FileSystem, path: &Path) {
        let now = || inode_of(system, path);
        self.first.entry(path.to_owned()).or_insert_with(now);
    }

    /// Records that `path` leads to the inode in `metadata`, unless it is recorded already.
    pub fn record_metadata(&mut self, path: &Path, metadata: &FileMetadata) {
        self.first.entry(path.to_owned()).or_insert(Some(metadata.inode));
    }

    pub fn extend(&mut self, other: InodeCheck) {
        for (path, end) in other.first {
            self.first.entry(path).or_insert(end);
        }
    }

    /// The paths that lead to another inode by now.
    pub fn replaced<'a>(&'a self, system: &'a dyn FileSystem) -> impl Iterator<Item = &'a Path> {
        let other = |(path, then): &(&PathBuf, &Option<u64>)| inode_of(system, path) != **then;
        self.first.iter().filter(other).map(|(path, _)| path.as_path())
    }
}

fn inode_of(system: &dyn FileSystem, path: &Path) -> Option<u64> {
    system.metadata(path).ok().map(|metadata| metadata.inode)
}
