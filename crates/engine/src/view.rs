//! What does one generation know? For each file under its roots, the content.
//!
//! A persistent map: the next generation's view shares with this one everything that did not
//! change, so an update pays for what it changes (P12) and a generation costs what is its own. It
//! is ordered by path, so that what lies under a directory is one range. Nothing here touches a
//! disk.

use crate::{Digest, Source, is_source};
use rpds::RedBlackTreeMapSync;
use std::{
    ops::Bound,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The files of one generation and their contents. Cloning it counts a reference.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// `/srv/shop/conf.py` to its content. Never written: `with` and `without` make another.
    files: RedBlackTreeMapSync<PathBuf, Arc<Source>>,
}

/// That a file is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The file.
    pub path: PathBuf,
    /// What became of it.
    pub kind: ChangeKind,
}

/// What became of a file between two views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It was not there before.
    Created,
    /// Its content is another.
    Changed,
    /// It is not there any more.
    Deleted,
}

impl View {
    /// A view of nothing.
    pub fn new() -> View {
        View::default()
    }

    /// The content of the file at `path`.
    pub fn get(&self, path: &Path) -> Option<&Arc<Source>> {
        self.files.get(path)
    }

    /// This view and `source` at `path`.
    pub fn with(&self, path: impl Into<PathBuf>, source: Arc<Source>) -> View {
        View { files: self.files.insert(path.into(), source) }
    }

    /// This view without the file at `path`.
    pub fn without(&self, path: &Path) -> View {
        View { files: self.files.remove(path) }
    }

    /// Puts `source` at `path`, in place.
    pub(crate) fn insert(&mut self, path: PathBuf, source: Arc<Source>) {
        self.files.insert_mut(path, source);
    }

    /// Takes the file at `path` out, in place.
    pub(crate) fn remove(&mut self, path: &Path) {
        self.files.remove_mut(path);
    }

    /// How many files it knows.
    pub fn len(&self) -> usize {
        self.files.size()
    }

    /// Does it know none?
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
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

    /// One digest of all source in it: two processes that know the same have the same. Data files do
    /// not count, for each process knows of those that its own modules have read.
    pub fn fingerprint(&self) -> Digest {
        let mut all = Vec::new();
        for (path, source) in self.iter().filter(|(path, s)| is_source(path) && !s.is_absent()) {
            all.extend(path.as_os_str().as_encoded_bytes());
            all.push(0);
            all.extend(source.digest().as_u128().to_le_bytes());
        }
        Digest::of(&all)
    }

    /// Does a file in it lie in the directory `dir` or below?
    pub fn has_dir(&self, dir: &Path) -> bool {
        self.under(dir).any(|(_, source)| !source.is_absent())
    }

    /// What is different in `newer`, in the order of the paths. Looks at all of both.
    pub fn changes(&self, newer: &View) -> Vec<Change> {
        let gone = self.iter().filter(|(path, _)| newer.get(path).is_none());
        let paths = gone.map(|(path, _)| path).chain(newer.iter().map(|(path, _)| path));
        let mut changes: Vec<_> = paths.filter_map(|path| self.change(newer, path)).collect();
        changes.sort();
        changes
    }

    /// What is different in `newer` at `path`.
    pub fn change(&self, newer: &View, path: &Path) -> Option<Change> {
        let there = |view: &View| view.get(path).filter(|source| !source.is_absent()).cloned();
        let kind = match (there(self), there(newer)) {
            (None, Some(_)) => ChangeKind::Created,
            (Some(_), None) => ChangeKind::Deleted,
            (Some(old), Some(new)) if old.digest() != new.digest() => ChangeKind::Changed,
            _ => return None,
        };
        Some(Change { path: path.to_owned(), kind })
    }
}
