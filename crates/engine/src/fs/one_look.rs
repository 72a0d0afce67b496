//! A file system that asks for the metadata of each path once.
//!
//! Whether a file is followed depends on each directory above it, so a pass over the files of a folder
//! asks for the same directories again and again. Such a pass looks through a `OneLook`, which
//! remembers the answers and is dropped with the pass, so no answer is older than that.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{FileMetadata, FileSystem};
use crate::concurrency::sync::Mutex;

/// Another file system, for the length of one pass over some files.
pub struct OneLook<'a> {
    system: &'a dyn FileSystem,
    /// `/srv/shop/pyvenv.cfg` to its metadata, or the kind of error. Entries never leave. The
    /// lock is held for one look-up, never while the system is asked.
    metadata: Mutex<HashMap<PathBuf, Result<FileMetadata, io::ErrorKind>>>,
}

impl<'a> OneLook<'a> {
    /// A file system that has seen nothing yet.
    pub fn at(system: &'a dyn FileSystem) -> Self {
        OneLook { system, metadata: Mutex::default() }
    }
}

impl FileSystem for OneLook<'_> {
    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        let known = self.metadata.lock().get(path).copied();
        let found = known.unwrap_or_else(|| {
            let found = self.system.metadata(path).map_err(|error| error.kind());
            self.metadata.lock().insert(path.to_owned(), found);
            found
        });
        Ok(found?)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.system.read(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.system.read_dir(path)
    }

    fn read_dir_links(&self, path: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
        self.system.read_dir_links(path)
    }

    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        self.system.absolute(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.system.canonicalize(path)
    }

    fn read_link(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        self.system.read_link(path)
    }

    fn write_atomically(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.system.write_atomically(path, content)
    }

    fn write_private(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.system.write_private(path, content)
    }
}
