//! What does one generation know? The content of each file under its roots.
//!
//! A persistent map: the next generation's snapshot shares with this one everything that did not
//! change, so an update pays only for its changes (P12). It is ordered by path, so the files under
//! a directory are one range. Nothing here reads the disk.

use super::Source;
use crate::{base::Digest, roots::is_source};
use rpds::RedBlackTreeMapSync;
use std::path::{Path, PathBuf};
use std::{ops::Bound, sync::Arc};

/// The files of one generation and their contents. Cloning it counts a reference.
#[derive(Clone, Debug, Default)]
pub struct SourceSnapshot {
    /// `/srv/shop/conf.py` to its content. Never written: `with` and `without` return another
    /// snapshot.
    files: RedBlackTreeMapSync<PathBuf, Arc<Source>>,
}

/// A file that differs between two snapshots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileChange {
    /// The file.
    pub path: PathBuf,
    /// How it differs.
    pub kind: ChangeKind,
}

/// How a file differs between two snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It did not exist before.
    Created,
    /// Its content changed.
    Changed,
    /// It does not exist any more.
    Deleted,
}

impl SourceSnapshot {
    /// The content of the file at `path`.
    pub fn get(&self, path: &Path) -> Option<&Arc<Source>> {
        self.files.get(path)
    }

    /// This snapshot with `source` at `path`.
    pub fn with(&self, path: impl Into<PathBuf>, source: Arc<Source>) -> SourceSnapshot {
        SourceSnapshot { files: self.files.insert(path.into(), source) }
    }

    /// This snapshot without the file at `path`.
    pub fn without(&self, path: &Path) -> SourceSnapshot {
        SourceSnapshot { files: self.files.remove(path) }
    }

    /// Puts `source` at `path`, in place.
    pub(crate) fn insert(&mut self, path: PathBuf, source: Arc<Source>) {
        self.files.insert_mut(path, source);
    }

    /// Removes the file at `path`, in place.
    pub(crate) fn remove(&mut self, path: &Path) {
        self.files.remove_mut(path);
    }

    /// All files in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Arc<Source>)> {
        self.files.iter().map(|(path, source)| (path.as_path(), source))
    }

    /// The files in the directory `dir` and below, in the order of their paths.
    pub fn under<'a>(&'a self, dir: &'a Path) -> impl Iterator<Item = (&'a Path, &'a Arc<Source>)> {
        let range = self.files.range::<Path, _>((Bound::Excluded(dir), Bound::Unbounded));
        let inside = range.take_while(move |(path, _)| path.starts_with(dir));
        inside.map(|(path, source)| (path.as_path(), source))
    }

    /// One digest of all source: equal in two processes that know the same source. Data files do
    /// not count, because each process knows only those that its own modules have read.
    pub fn fingerprint(&self) -> Digest {
        let mut all = Vec::new();
        for (path, source) in self.iter().filter(|(path, s)| is_source(path) && !s.is_absent()) {
            all.extend(path.as_os_str().as_encoded_bytes());
            all.push(0);
            all.extend(source.digest().as_u128().to_le_bytes());
        }
        Digest::of(&all)
    }

    /// Does a file lie in the directory `dir` or below?
    pub fn has_dir(&self, dir: &Path) -> bool {
        self.under(dir).any(|(_, source)| !source.is_absent())
    }

    /// The differences to `newer`, in the order of the paths. Walks both snapshots side by side, and
    /// skips the entries that they share.
    pub fn changes(&self, newer: &SourceSnapshot) -> Vec<FileChange> {
        let (mut old, mut new) = (self.iter().peekable(), newer.iter().peekable());
        let mut changes = Vec::new();
        loop {
            let differing = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some((path, before)), Some((same, after)))
                    if path.as_os_str() == same.as_os_str() =>
                {
                    let differing = (!Arc::ptr_eq(before, after)).then_some(*path);
                    old.next();
                    new.next();
                    differing
                }
                (Some((path, _)), other) if other.is_none_or(|(other, _)| path < other) => {
                    let gone = *path;
                    old.next();
                    Some(gone)
                }
                (_, Some(_)) => new.next().map(|(path, _)| path),
                (Some(_), None) => old.next().map(|(path, _)| path),
            };
            changes.extend(differing.and_then(|path| self.change(newer, path)));
        }
        // One path may be spelled in two ways.
        changes.dedup();
        changes
    }

    /// The difference to `newer` at `path`.
    pub fn change(&self, newer: &SourceSnapshot, path: &Path) -> Option<FileChange> {
        let there = |snapshot: &SourceSnapshot| {
            snapshot.get(path).filter(|source| !source.is_absent()).cloned()
        };
        let kind = match (there(self), there(newer)) {
            (None, Some(_)) => ChangeKind::Created,
            (Some(_), None) => ChangeKind::Deleted,
            (Some(old), Some(new)) if old.digest() != new.digest() => ChangeKind::Changed,
            _ => return None,
        };
        Some(FileChange { path: path.to_owned(), kind })
    }
}
