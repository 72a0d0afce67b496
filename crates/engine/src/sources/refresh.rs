//! How do the files differ from a snapshot? Compares the paths that had events.
//!
//! Content decides, by digest; an event or a time only says where to look (P12). A file that is
//! being written is *unstable* and keeps its old content until the next comparison; so does one
//! that cannot be read. `plan` decides which modules a difference affects.

use super::{Budget, DirtyPaths, FileChange, Source, SourceSnapshot, listing};
use crate::base::Digest;
use crate::fs::{FileKind, FileSystem, InodeCheck, is_absent};
use crate::roots::{Roots, is_source, walk};
use std::path::{Path, PathBuf};
use std::{collections::BTreeSet, io, sync::Arc};

/// The result of a comparison.
#[derive(Debug, Default)]
pub struct Refreshed {
    /// The new snapshot.
    pub snapshot: SourceSnapshot,
    /// The differences, by path. They include files under a root that are no source, if the old
    /// snapshot knew them.
    pub changes: Vec<FileChange>,
    /// Paths that could not be read, with the system's error. They keep their old content in the
    /// snapshot.
    pub unreadable: Vec<(PathBuf, io::Error)>,
    /// Files that were written while they were read, and links and directories that were replaced
    /// meanwhile, so that their content may be a mix: to be compared again after the next quiet
    /// window.
    pub unstable: Vec<PathBuf>,
    /// Admitted directories that were read, to be watched; the watcher knows which are new.
    pub new_dirs: Vec<PathBuf>,
    /// `/srv/shop/conf.py`: symbolic links that were found, whose chains are to be followed.
    pub links: Vec<PathBuf>,
}

/// Compares the paths in `dirty` with `snapshot`.
pub fn refresh(
    system: &dyn FileSystem,
    roots: &Roots,
    budget: &Budget,
    snapshot: &SourceSnapshot,
    dirty: &DirtyPaths,
) -> Refreshed {
    let (touched, inodes, found) = (BTreeSet::new(), InodeCheck::default(), Refreshed::default());
    let mut pass = Comparison { system, roots, budget, old: snapshot, touched, inodes, found };
    pass.found.snapshot = snapshot.clone();
    match dirty {
        DirtyPaths::Listed(paths) => pass.paths(paths),
        DirtyPaths::Rescan => {
            roots.forget_ignore_rules();
            for root in roots.dirs() {
                pass.subtree(root);
            }
            pass.beside_roots();
        }
    }
    pass.done()
}

/// Does each source file of `snapshot` have the same content on disk? Other files do not matter.
pub fn matches_disk(system: &dyn FileSystem, snapshot: &SourceSnapshot) -> bool {
    let mut known = snapshot.iter().filter(|(path, source)| is_source(path) && !source.is_absent());
    known.all(|(path, source)| {
        system.read(path).is_ok_and(|content| Digest::of(&content) == source.digest())
    })
}

struct Comparison<'a> {
    system: &'a dyn FileSystem,
    roots: &'a Roots,
    budget: &'a Budget,
    old: &'a SourceSnapshot,
    /// `/srv/shop/conf.py`: files whose entry in the new snapshot was written, once or more often.
    touched: BTreeSet<PathBuf>,
    /// The inodes that paths led to when they were first read.
    inodes: InodeCheck,
    /// The result so far; its snapshot starts as the old one.
    found: Refreshed,
}

impl Comparison<'_> {
    fn paths(&mut self, paths: &BTreeSet<PathBuf>) {
        for path in paths {
            if let Some(dir) = path.parent() {
                self.listed(dir);
            }
            self.listed(path);
            if self.roots.root_of(path).is_none() || !self.roots.is_live_path(self.system, path) {
                if self.is_data(path) {
                    self.data(path);
                }
                continue;
            }
            let is_link = matches!(self.system.read_link(path), Ok(Some(_)));
            if is_link {
                self.found.links.push(path.clone());
            }
            if let Some(dir) = path.parent() {
                self.inodes.record(self.system, dir);
            }
            let stat = self.system.metadata(path);
            if let Ok(stat) = stat.as_ref()
                && is_link
            {
                self.inodes.record_metadata(path, stat);
            }
            match stat {
                Ok(stat) if stat.kind == FileKind::Dir => {
                    if !self.is_data(path) {
                        self.gone(path);
                    }
                    if self.roots.admits_dir(self.system, path) {
                        self.subtree(path);
                    } else {
                        self.gone_under(path, &BTreeSet::new(), &[]);
                    }
                }
                Ok(stat)
                    if stat.kind == FileKind::File
                        && self.roots.ignores(self.system, path, false) =>
                {
                    self.gone(path);
                }
                Ok(stat) if stat.kind == FileKind::File => {
                    self.gone_under(path, &BTreeSet::new(), &[]);
                    if is_source(path) || self.old.get(path).is_some() {
                        self.file(path);
                    }
                }
                // A missing root means a disk that is not mounted, or an unfinished deploy.
                Err(error) if !is_absent(&error) || self.roots.is_root(path) => {
                    self.found.unreadable.push((path.clone(), error));
                }
                _ => {
                    self.gone(path);
                    self.gone_under(path, &BTreeSet::new(), &[]);
                }
            }
        }
    }

    fn subtree(&mut self, dir: &Path) {
        self.listed(dir);
        let walk = walk(self.system, self.roots, dir);
        let mut present = BTreeSet::new();
        for (path, _) in walk.files {
            if is_source(&path) || self.old.get(&path).is_some() {
                self.file(&path);
                present.insert(path);
            }
        }
        let unknown: Vec<_> = walk.unreadable.iter().map(|(path, _)| path.clone()).collect();
        self.gone_under(dir, &present, &unknown);
        self.inodes.extend(walk.inodes);
        self.found.links.extend(walk.links);
        self.found.new_dirs.extend(walk.dirs);
        self.found.unreadable.extend(walk.unreadable);
    }

    /// Is it something that is compared although no walk comes to it, or a directory that was listed?
    fn is_data(&self, path: &Path) -> bool {
        self.old.get(path).is_some() && self.roots.follows(self.system, path) && !is_source(path)
    }

    /// Compares the data at a path: the content of a file, the names in a directory.
    fn data(&mut self, path: &Path) {
        match self.system.metadata(path) {
            Ok(stat) if stat.kind == FileKind::Dir => self.listed(path),
            Ok(stat) if stat.kind == FileKind::File => self.file(path),
            _ => self.gone(path),
        }
    }

    /// Compares the names in a directory, if a module listed it.
    fn listed(&mut self, dir: &Path) {
        let is_dir = || self.system.metadata(dir).is_ok_and(|stat| stat.kind == FileKind::Dir);
        if !self.is_data(dir) || !is_dir() {
            return;
        }
        if self.old.get(dir).is_some_and(|known| known.is_existence()) {
            self.put(dir, Source::existence(Some(FileKind::Dir)));
        } else if let Ok(Some(names)) = listing(self.system, dir, None) {
            self.put(dir, names);
        }
    }

    /// Compares the data that lies outside of the roots.
    fn beside_roots(&mut self) {
        let Some(project) = self.roots.project() else { return };
        let outside = |path: &Path| !self.roots.dirs().iter().any(|root| path.starts_with(root));
        let known = self.old.under(project).map(|(path, _)| path.to_owned());
        let known: Vec<_> = known.filter(|path| outside(path)).collect();
        for path in known.iter().map(PathBuf::as_path).chain([project]) {
            if self.is_data(path) {
                self.data(path);
            }
        }
    }

    /// Reads one file and compares its content, if that counts.
    fn file(&mut self, path: &Path) {
        if self.old.get(path).is_some_and(|known| known.is_existence()) {
            return self.put(path, Source::existence(Some(FileKind::File)));
        }
        match self.read_stable(path) {
            Ok(Some(content)) => self.compare(path, &content),
            Ok(None) => self.found.unstable.push(path.to_owned()),
            Err(error) if is_absent(&error) => self.gone(path),
            Err(error) => self.found.unreadable.push((path.to_owned(), error)),
        }
    }

    /// The content of a file, or none if it was written meanwhile.
    fn read_stable(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let before = self.system.metadata(path)?;
        let content = self.system.read(path)?;
        let after = self.system.metadata(path)?;
        let stable = before == after && after.len == content.len() as u64;
        Ok(stable.then_some(content))
    }

    fn compare(&mut self, path: &Path, content: &[u8]) {
        let source = match self.old.get(path) {
            Some(old) if old.digest() == Digest::of(content) => Arc::clone(old),
            Some(old) if old.is_served() => Source::served(Some(content), self.budget),
            _ if is_source(path) => Source::new(content, self.budget),
            _ => Source::digest_only(content),
        };
        self.put(path, source);
    }

    fn put(&mut self, path: &Path, source: Arc<Source>) {
        let source = match self.old.get(path) {
            Some(old) if old.digest() == source.digest() => Arc::clone(old),
            _ => source,
        };
        // Also if it is the old one: a path may be compared twice, and the last result counts.
        let known = self.found.snapshot.get(path);
        if !known.is_some_and(|known| Arc::ptr_eq(known, &source)) {
            self.touched.insert(path.to_owned());
            self.found.snapshot.insert(path.to_owned(), source);
        }
    }

    fn gone(&mut self, path: &Path) {
        let Some(known) = self.found.snapshot.get(path).cloned() else { return };
        if known.is_served() {
            // Its readers search elsewhere, until it appears again.
            return self.put(path, Source::served(None, self.budget));
        }
        // A file recorded as absent is still absent, and its reader still depends on it.
        if !known.is_absent() {
            self.found.snapshot.remove(path);
            self.touched.insert(path.to_owned());
        }
    }

    /// Removes the snapshot's files under `dir`, except those that are `present` or under
    /// `unknown`.
    fn gone_under(&mut self, dir: &Path, present: &BTreeSet<PathBuf>, unknown: &[PathBuf]) {
        let known = self.old.under(dir).map(|(path, _)| path.to_owned());
        let lost = known.filter(|path| {
            // Each root compares its own files, also if it is inside another.
            let elsewhere = self
                .roots
                .dirs()
                .iter()
                .any(|root| root != dir && root.starts_with(dir) && path.starts_with(root));
            !elsewhere
                && !present.contains(path)
                && !unknown.iter().any(|gap| path.starts_with(gap))
        });
        let lost: Vec<_> = lost.collect();
        for path in lost {
            if self.is_data(&path) {
                self.data(&path);
            } else if self.is_beyond(&path) {
                self.file(&path);
                self.found.links.push(path);
            } else {
                self.gone(&path);
            }
        }
    }

    /// Is this a live file that no walk finds? A module behind more links than a walk follows can
    /// still be imported, and the snapshot has it from then on.
    fn is_beyond(&self, path: &Path) -> bool {
        self.system.metadata(path).is_ok_and(|stat| stat.kind == FileKind::File)
            && self.roots.is_live_path(self.system, path)
            && !self.roots.ignores(self.system, path, false)
    }

    fn done(mut self) -> Refreshed {
        let changes =
            self.touched.iter().filter_map(|path| self.old.change(&self.found.snapshot, path));
        self.found.changes = changes.collect();
        self.found.unstable.extend(self.inodes.replaced(self.system).map(Path::to_owned));
        self.found.unstable.sort();
        self.found.unstable.dedup();
        self.found
    }
}
