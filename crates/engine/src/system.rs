//! The one door to the operating system's files.
//!
//! All else in the crate reads files through [`System`], so its tests need no disk: [`Disk`] is the
//! real one, [`crate::Memory`] the one for tests. Watching is not here: an event only says where to
//! look. The clock has no door because nothing asks for it: whoever needs a moment is handed one.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What a path leads to, symbolic links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A pipe, a socket, a device: never read.
    Other,
}

/// What the system says of a path, links followed. Never decides *what changed* (content does),
/// only whether a file was being written while it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// File, directory, or neither.
    pub kind: Kind,
    /// Bytes in the file: `1204`.
    pub len: u64,
    /// When it was last written, where the file system knows.
    pub modified: Option<SystemTime>,
    /// The file's number on its file system; 0 where there is none.
    pub inode: u64,
}

/// The files of a machine.
pub trait System: Send + Sync {
    /// The content of a regular file. Anything else is an error, and never a wait.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// What `path` leads to, links followed.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
    /// The full paths of a directory's entries, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// The absolute path without symbolic links.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;
    /// Where the symbolic link at `path` leads, as it is written there; none if it is no link.
    fn link(&self, path: &Path) -> io::Result<Option<PathBuf>>;
}

/// The real files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl System for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // Asked before opening: to open a pipe that nobody writes to would wait for ever.
        if !fs::metadata(path)?.is_file() {
            return Err(not_a_file(path));
        }
        fs::read(path)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let found = fs::metadata(path)?;
        let kind = match found.file_type() {
            kind if kind.is_file() => Kind::File,
            kind if kind.is_dir() => Kind::Dir,
            _ => Kind::Other,
        };
        let modified = found.modified().ok();
        Ok(Stat { kind, len: found.len(), modified, inode: inode(&found) })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(path)? {
            paths.push(entry?.path());
        }
        paths.sort();
        Ok(paths)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn link(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        match fs::read_link(path) {
            Ok(target) => Ok(Some(target)),
            // What the system says of a path that is there and no link.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The error for reading what is no regular file.
pub(crate) fn not_a_file(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{} is not a regular file", path.display()))
}

/// Is `error` the system's way to say that nothing is there?
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(unix)]
fn inode(found: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}

#[cfg(not(unix))]
fn inode(_: &fs::Metadata) -> u64 {
    0
}
