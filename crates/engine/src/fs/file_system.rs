//! The one door to the operating system's files.
//!
//! The rest of the crate reads files through [`FileSystem`], so its tests need no disk:
//! [`OsFileSystem`] is the real one, `InMemoryFs` the one for tests. Watching has no door here,
//! because an event only says where to look. The clock has no door because callers pass the time
//! in.

use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::{collections::hash_map::RandomState, fs, time::SystemTime};

/// The kind of a path's target, symbolic links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A pipe, a socket, a device: never read.
    Other,
}

/// The metadata of a path, links followed. It never decides *what changed* (content does), only
/// whether a file was being written while it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMetadata {
    /// File, directory, or neither.
    pub kind: FileKind,
    /// Bytes in the file: `1204`.
    pub len: u64,
    /// When it was last written, where the file system knows.
    pub modified: Option<SystemTime>,
    /// The file's number on its file system; 0 where there is none.
    pub inode: u64,
}

/// The files of a machine.
pub trait FileSystem: Send + Sync {
    /// The content of a regular file. Anything else is an error, and never blocks.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The same for a file whose metadata was asked for a moment ago.
    fn read_seen(&self, path: &Path, _seen: &FileMetadata) -> io::Result<Vec<u8>> {
        self.read(path)
    }
    /// The metadata of the file or directory that `path` leads to, links followed.
    fn metadata(&self, path: &Path) -> io::Result<FileMetadata>;
    /// The full paths of a directory's entries, sorted.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// The same, each with whether it is a symbolic link.
    fn read_dir_links(&self, path: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
        let with_link = |entry: PathBuf| {
            let is_link = matches!(self.read_link(&entry), Ok(Some(_)));
            (entry, is_link)
        };
        Ok(self.read_dir(path)?.into_iter().map(with_link).collect())
    }
    /// The path from the root directory. Asks nothing about the path itself.
    fn absolute(&self, path: &Path) -> io::Result<PathBuf>;
    /// The absolute path without symbolic links.
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf>;
    /// Where the symbolic link at `path` leads, as it is written there; none if it is no link.
    fn read_link(&self, path: &Path) -> io::Result<Option<PathBuf>>;
    /// Writes a file as a whole or not at all, and makes the directories above it.
    fn write_atomically(&self, path: &Path, content: &[u8]) -> io::Result<()>;
    /// The same for a file that only its user may read, and that outlasts a power cut. Its directory
    /// has to be there.
    fn write_private(&self, path: &Path, content: &[u8]) -> io::Result<()>;
}

/// The real files.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsFileSystem;

impl FileSystem for OsFileSystem {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // Checked before opening, because opening a pipe without a writer blocks for ever.
        if !fs::metadata(path)?.is_file() {
            return Err(not_a_file(path));
        }
        fs::read(path)
    }

    fn read_seen(&self, path: &Path, seen: &FileMetadata) -> io::Result<Vec<u8>> {
        if seen.kind != FileKind::File {
            return Err(not_a_file(path));
        }
        // At the start all files are read, so each call of the system counts: two reads instead of
        // asking for size and place once more.
        let mut file = fs::File::open(path)?;
        let mut content = vec![0; usize::try_from(seen.len).unwrap_or(0) + 1];
        let mut len = 0;
        while len < content.len() {
            match file.read(&mut content[len..]) {
                Ok(0) => break,
                Ok(more) => len += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        content.truncate(len);
        if len as u64 > seen.len {
            // It grows.
            file.read_to_end(&mut content)?;
        }
        Ok(content)
    }

    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        let found = fs::metadata(path)?;
        let kind = match found.file_type() {
            kind if kind.is_file() => FileKind::File,
            kind if kind.is_dir() => FileKind::Dir,
            _ => FileKind::Other,
        };
        let modified = found.modified().ok();
        Ok(FileMetadata { kind, len: found.len(), modified, inode: inode(&found) })
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(path)? {
            paths.push(entry?.path());
        }
        // As paths they would be compared part by part.
        paths.sort_unstable_by(|one, other| one.as_os_str().cmp(other.as_os_str()));
        Ok(paths)
    }

    fn read_dir_links(&self, path: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            entries.push((entry.path(), entry.file_type().is_ok_and(|kind| kind.is_symlink())));
        }
        entries.sort_unstable_by(|(one, _), (other, _)| one.as_os_str().cmp(other.as_os_str()));
        Ok(entries)
    }

    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        std::path::absolute(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn read_link(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        match fs::read_link(path) {
            Ok(target) => Ok(Some(target)),
            // The system's error for an existing path that is no link.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write_atomically(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let temporary = beside(path);
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(path))?;
            fs::File::create_new(&temporary)?.write_all(content)?;
            fs::rename(&temporary, path)
        };
        write().inspect_err(|_| drop(fs::remove_file(&temporary)))
    }

    fn write_private(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let temporary = beside(path);
        let write = || {
            let mut file = create_private(&temporary)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        };
        write().inspect_err(|_| drop(fs::remove_file(&temporary)))
    }
}

/// A file that does not exist, in the same directory.
fn beside(path: &Path) -> PathBuf {
    // A random name, because processes in two containers may have the same number.
    let random = RandomState::new().build_hasher().finish();
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.{random:016x}", std::process::id()));
    PathBuf::from(name)
}

#[cfg(unix)]
fn create_private(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> io::Result<fs::File> {
    fs::File::create_new(path)
}

pub(crate) fn not_a_file(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{} is not a regular file", path.display()))
}

/// Does `error` mean that the path does not exist?
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
