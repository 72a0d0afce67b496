//! Which content on disk is not to be served, because a rollback has left it?
//!
//! A rollback leaves the files as they are. Their content at that moment is set aside, by file
//! and digest, so that a later save of another file does not bring it back. An entry leaves when the
//! file changes again, or when its content is asked for (`accept`). The updating thread writes,
//! `status` and the reports read.

use std::{collections::BTreeMap, path::Path, path::PathBuf};

use transfuse_engine::{Digest, FileChange, Refreshed, SourceSnapshot};

/// `/srv/shop/tax.py` to the digest of the content that is set aside; none: the file was deleted.
pub type SetAsideFiles = BTreeMap<PathBuf, Option<Digest>>;

/// Of which files is the content on disk set aside? That of the others was refused: it is tried again
/// with the next save.
#[derive(Clone, Copy)]
pub enum Aside<'a> {
    All,
    Of(&'a [PathBuf]),
}

#[derive(Clone, Default)]
pub struct SetAside {
    /// Written by `add` and `accept`; an entry leaves when its file has other content.
    files: SetAsideFiles,
}

impl SetAside {
    pub fn of(files: SetAsideFiles) -> SetAside {
        SetAside { files }
    }

    /// Sets aside the content that these files have in `snapshot`.
    pub fn add(&mut self, snapshot: &SourceSnapshot, changes: &[FileChange]) {
        let digest = |path: &Path| snapshot.get(path).map(|source| source.digest());
        let entries = changes.iter().map(|change| (change.path.clone(), digest(&change.path)));
        self.files.extend(entries);
    }

    /// Nothing of these files is set aside any more; with none named, of no file. Returns what was.
    pub fn accept(&mut self, paths: Option<&[PathBuf]>) -> SetAsideFiles {
        let Some(paths) = paths else { return std::mem::take(&mut self.files) };
        paths.iter().filter_map(|path| self.files.remove_entry(path)).collect()
    }

    /// Sets aside what [`SetAside::accept`] returned.
    pub fn restore(&mut self, files: SetAsideFiles) {
        self.files.extend(files);
    }

    /// Is this the content of the file that is set aside?
    pub fn has(&self, path: &Path, content: &[u8]) -> bool {
        self.files.get(path).is_some_and(|left| *left == Some(Digest::of(content)))
    }

    /// Is something set aside in the directory `dir` or below?
    pub fn has_dir(&self, dir: &Path) -> bool {
        self.files.keys().any(|path| path.starts_with(dir))
    }

    pub fn files(&self) -> &SetAsideFiles {
        &self.files
    }

    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.keys().cloned().collect()
    }

    /// Takes what is set aside out of a comparison of these files with `served`: it counts as not
    /// saved. Files that have other content by now are set aside no longer.
    pub fn withhold(&mut self, found: &mut Refreshed, served: &SourceSnapshot) {
        if self.files.is_empty() {
            return;
        }
        let unknown = |path: &Path| {
            let unreadable = found.unreadable.iter().map(|(path, _)| path);
            unreadable.chain(&found.unstable).any(|gap| path.starts_with(gap))
        };
        let differs = |path: &Path| found.changes.iter().any(|change| change.path == path);
        let now = |path: &Path| found.snapshot.get(path).map(|source| source.digest());
        self.files.retain(|path, left| unknown(path) || differs(path) && now(path) == *left);
        let files = &self.files;
        for path in files.keys() {
            found.snapshot = match served.get(path) {
                Some(source) => found.snapshot.with(path.clone(), source.clone()),
                None => found.snapshot.without(path),
            };
        }
        found.changes.retain(|change| !files.contains_key(&change.path));
    }
}
