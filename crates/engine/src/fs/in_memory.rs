//! A file system in memory, for the tests of this crate and of crates that build on it.
//!
//! It answers as [`super::OsFileSystem`] does for the same tree, and can be told to fail at a path.
//! Its clock counts writes, so every write has a later time than the one before.

use super::{FileKind, FileMetadata, FileSystem, file_system::not_a_file};
use crate::concurrency::sync::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A tree of files in memory.
#[derive(Debug, Default)]
pub struct InMemoryFs {
    /// The tree. A lock because a test writes in one thread and reads in others.
    tree: Mutex<FileTree>,
}

#[derive(Debug, Default)]
struct FileTree {
    /// `/app/shop/conf.py` to its entry. Written by [`InMemoryFs::write`], removed by
    /// [`InMemoryFs::remove`].
    files: BTreeMap<PathBuf, FileEntry>,
    /// `/app/shop`, every directory, also those that hold files, to its inode number.
    dirs: BTreeMap<PathBuf, u64>,
    /// `/app/current` to `/app/releases/7`: symbolic links.
    links: BTreeMap<PathBuf, PathBuf>,
    /// `/app/secret.py` to the error that every access to it returns.
    faults: BTreeMap<PathBuf, io::ErrorKind>,
    /// `/app/busy.py` to the contents that are written to it while it is being read, the next one
    /// last.
    rewrites: BTreeMap<PathBuf, Vec<Vec<u8>>>,
    /// The number of writes so far: the clock, and the source of inode numbers.
    writes: u64,
}

#[derive(Clone, Debug)]
struct FileEntry {
    content: Vec<u8>,
    /// The number of the write that made it.
    written: u64,
    /// The number of the write that first made the file.
    inode: u64,
}

impl InMemoryFs {
    /// An empty file system with `/` in it.
    pub fn new() -> InMemoryFs {
        let files = InMemoryFs::default();
        files.tree.lock().dirs.insert(PathBuf::from("/"), 0);
        files
    }

    /// Puts `content` into the file at `path`, and makes the directories above it.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let mut tree = self.tree.lock();
        tree.write(path.as_ref(), content.as_ref());
    }

    /// Makes an empty directory, and those above it.
    pub fn mkdir(&self, path: impl AsRef<Path>) {
        self.tree.lock().mkdir(path.as_ref());
    }

    /// Removes a file, a link, or a directory with everything under it.
    pub fn remove(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let mut tree = self.tree.lock();
        tree.files.retain(|file, _| !file.starts_with(path));
        tree.dirs.retain(|dir, _| !dir.starts_with(path));
        tree.links.retain(|link, _| !link.starts_with(path));
    }

    /// Makes `path` a symbolic link to `target`, which may be relative to the link's directory.
    pub fn symlink(&self, path: impl AsRef<Path>, target: impl AsRef<Path>) {
        let path = path.as_ref();
        let mut tree = self.tree.lock();
        if let Some(parent) = path.parent() {
            tree.mkdir(parent);
        }
        tree.links.insert(path.to_owned(), target.as_ref().to_owned());
    }

    /// From now on each access to `path` fails with an error of this `kind`.
    pub fn fail(&self, path: impl AsRef<Path>, kind: io::ErrorKind) {
        self.tree.lock().faults.insert(path.as_ref().to_owned(), kind);
    }

    /// Removes the fault at `path`.
    pub fn heal(&self, path: impl AsRef<Path>) {
        self.tree.lock().faults.remove(path.as_ref());
    }

    /// The next time `path` is read, `content` is written to it during the read.
    pub fn rewrite_during_read(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let mut tree = self.tree.lock();
        let rewrites = tree.rewrites.entry(path.as_ref().to_owned()).or_default();
        rewrites.insert(0, content.as_ref().to_owned());
    }
}

impl FileTree {
    fn write(&mut self, path: &Path, content: &[u8]) {
        if let Some(parent) = path.parent() {
            self.mkdir(parent);
        }
        let path = self.resolve(path).unwrap_or_else(|_| path.to_owned());
        self.writes += 1;
        let inode = self.files.get(&path).map_or(self.writes, |entry| entry.inode);
        let entry = FileEntry { content: content.to_owned(), written: self.writes, inode };
        self.files.insert(path, entry);
    }

    fn mkdir(&mut self, path: &Path) {
        let dirs: Vec<_> = path.ancestors().map(Path::to_owned).collect();
        for dir in dirs {
            if !self.links.contains_key(&dir) && !self.dirs.contains_key(&dir) {
                self.writes += 1;
                self.dirs.insert(dir, self.writes);
            }
        }
    }

    /// Follows links in every part of `path`.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let mut resolved = path.to_owned();
        for _ in 0..40 {
            let link = resolved.ancestors().find(|part| self.links.contains_key(*part));
            let Some(link) = link.map(Path::to_owned) else { return Ok(resolved) };
            let rest: PathBuf = resolved.strip_prefix(&link).into_iter().collect();
            let target = link.parent().unwrap_or(&link).join(&self.links[&link]);
            resolved = if rest.as_os_str().is_empty() { target } else { target.join(rest) };
        }
        Err(io::Error::other("too many symbolic links"))
    }

    fn check(&self, path: &Path) -> io::Result<PathBuf> {
        if let Some(kind) = self.faults.get(path) {
            return Err(io::Error::from(*kind));
        }
        self.resolve(path)
    }

    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        let path = self.resolve(path)?;
        if let Some(entry) = self.files.get(&path) {
            let modified = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(entry.written));
            let len = entry.content.len() as u64;
            return Ok(FileMetadata { kind: FileKind::File, len, modified, inode: entry.inode });
        }
        if let Some(inode) = self.dirs.get(&path) {
            return Ok(FileMetadata { kind: FileKind::Dir, len: 0, modified: None, inode: *inode });
        }
        Err(io::Error::from(io::ErrorKind::NotFound))
    }
}

impl FileSystem for InMemoryFs {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut tree = self.tree.lock();
        let real = tree.check(path)?;
        if tree.metadata(path)?.kind != FileKind::File {
            return Err(not_a_file(path));
        }
        let content = tree.files[&real].content.clone();
        if let Some(next) = tree.rewrites.get_mut(path).and_then(Vec::pop) {
            tree.write(path, &next);
        }
        Ok(content)
    }

    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        let tree = self.tree.lock();
        // An unreadable file still has metadata, unless the fault says that it does not exist.
        match tree.faults.get(path) {
            Some(io::ErrorKind::NotFound) => Err(io::Error::from(io::ErrorKind::NotFound)),
            _ => tree.metadata(path),
        }
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let tree = self.tree.lock();
        let real = tree.check(path)?;
        if !tree.dirs.contains_key(&real) {
            let found = tree.files.contains_key(&real);
            let kind = if found { io::ErrorKind::NotADirectory } else { io::ErrorKind::NotFound };
            return Err(io::Error::from(kind));
        }
        let entries = tree.files.keys().chain(tree.dirs.keys()).chain(tree.links.keys());
        let inside = entries.filter(|entry| entry.parent() == Some(&*real));
        let names: BTreeSet<_> = inside.filter_map(|entry| entry.file_name()).collect();
        Ok(names.into_iter().map(|name| path.join(name)).collect())
    }

    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(Path::new("/").join(path))
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        let tree = self.tree.lock();
        let real = tree.check(path)?;
        tree.metadata(&real)?;
        Ok(real)
    }

    fn read_link(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let tree = self.tree.lock();
        if let (Some(dir), Some(name)) = (path.parent(), path.file_name()) {
            let path = tree.check(dir)?.join(name);
            if let Some(target) = tree.links.get(&path) {
                return Ok(Some(target.clone()));
            }
            tree.metadata(&path)?;
        }
        Ok(None)
    }

    fn write_atomically(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut tree = self.tree.lock();
        tree.check(path)?;
        tree.write(path, content);
        Ok(())
    }

    fn write_private(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.write_atomically(path, content)
    }
}
