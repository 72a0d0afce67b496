//! What is different now from what a view says? Looked up where a batch says that something
//! happened.
//!
//! Content decides, by digest; an event or a time only says where to look (P12). A file that
//! somebody is writing is *unstable* and keeps its old content until it is looked at again; so does
//! one that cannot be read. Whether the difference is worth an update, and of what, is for `plan`.

use crate::{
    Batch, Budget, Change, Digest, Kind, Roots, Source, System, View, ends::Ends, is_source,
    system::is_absent, walk::walk,
};
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What was found.
#[derive(Debug, Default)]
pub struct Refreshed {
    /// The view as it is now.
    pub view: View,
    /// What is different in it, by path. A file under a root that is no source is in here if the
    /// old view knew it.
    pub changes: Vec<Change>,
    /// What could not be read, with what the system said. It keeps its old content in the view.
    pub unreadable: Vec<(PathBuf, io::Error)>,
    /// Files that were written while they were read, and links and directories whose place was
    /// taken meanwhile, so that what was read is of both: to be put back into the settling.
    pub unstable: Vec<PathBuf>,
    /// Admitted directories that were looked into, to be watched; [`crate::Watch::add`] knows which
    /// are new.
    pub new_dirs: Vec<PathBuf>,
    /// `/srv/shop/conf.py`: symbolic links that were looked at, whose ways are to be followed.
    pub links: Vec<PathBuf>,
    /// Paths of the batch that are no source and unknown to the view: data files, perhaps, that
    /// were looked for in vain.
    pub others: Vec<PathBuf>,
}

/// Compares what `batch` names with `view`.
pub fn refresh(
    system: &dyn System,
    roots: &Roots,
    budget: &Budget,
    view: &View,
    batch: &Batch,
) -> Refreshed {
    let (touched, ends, found) = (BTreeSet::new(), Ends::default(), Refreshed::default());
    let mut pass = Pass { system, roots, budget, old: view, touched, ends, found };
    pass.found.view = view.clone();
    match batch {
        Batch::Paths(paths) => pass.paths(paths),
        Batch::Rescan => {
            roots.forget_rules();
            for root in roots.dirs() {
                pass.subtree(root);
            }
        }
    }
    pass.done()
}

/// Does each source file that `view` knows still say what it says there? What else there is by now
/// does not matter.
pub fn is_as_known(system: &dyn System, view: &View) -> bool {
    let mut known = view.iter().filter(|(path, source)| is_source(path) && !source.is_absent());
    known.all(|(path, source)| {
        system.read(path).is_ok_and(|content| Digest::of(&content) == source.digest())
    })
}

/// One comparison under way.
struct Pass<'a> {
    /// Where files are read.
    system: &'a dyn System,
    /// Which of them are live.
    roots: &'a Roots,
    /// Where new content is counted.
    budget: &'a Budget,
    /// The view before.
    old: &'a View,
    /// `/srv/shop/conf.py`: files whose entry in the new view was written, once or more often.
    touched: BTreeSet<PathBuf>,
    /// What the ways led to when they were first gone.
    ends: Ends,
    /// What was found so far; its view starts as the old one.
    found: Refreshed,
}

impl Pass<'_> {
    fn paths(&mut self, paths: &BTreeSet<PathBuf>) {
        for path in paths {
            if self.roots.root_of(path).is_none() || !self.roots.admits_way_to(self.system, path) {
                continue;
            }
            let is_link = matches!(self.system.link(path), Ok(Some(_)));
            if is_link {
                self.found.links.push(path.clone());
            }
            if let Some(dir) = path.parent() {
                self.ends.note(self.system, dir);
            }
            let stat = self.system.stat(path);
            if let Ok(stat) = stat.as_ref()
                && is_link
            {
                self.ends.is(path, stat);
            }
            match stat {
                Ok(stat) if stat.kind == Kind::Dir => {
                    self.gone(path);
                    if self.roots.admits_dir(self.system, path) {
                        self.subtree(path);
                    } else {
                        self.gone_under(path, &BTreeSet::new(), &[]);
                    }
                }
                Ok(stat)
                    if stat.kind == Kind::File && self.roots.ignores(self.system, path, false) =>
                {
                    self.gone(path);
                }
                Ok(stat) if stat.kind == Kind::File => {
                    self.gone_under(path, &BTreeSet::new(), &[]);
                    if is_source(path) || self.old.get(path).is_some() {
                        self.file(path);
                    } else {
                        self.found.others.push(path.clone());
                    }
                }
                // A root that is not there is a disk that is not mounted, or a deploy half-way.
                Err(error) if !is_absent(&error) || self.roots.is_root(path) => {
                    self.found.unreadable.push((path.clone(), error));
                }
                _ => {
                    if !is_source(path) && self.old.get(path).is_none() && !self.old.has_dir(path) {
                        self.found.others.push(path.clone());
                    }
                    self.gone(path);
                    self.gone_under(path, &BTreeSet::new(), &[]);
                }
            }
        }
    }

    /// Compares all that lies under the directory `dir`.
    fn subtree(&mut self, dir: &Path) {
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
        self.ends.extend(walk.ends);
        self.found.links.extend(walk.links);
        self.found.new_dirs.extend(walk.dirs);
        self.found.unreadable.extend(walk.unreadable);
    }

    /// Reads one file and compares its content.
    fn file(&mut self, path: &Path) {
        match self.read_stable(path) {
            Ok(Some(content)) => self.compare(path, &content),
            Ok(None) => self.found.unstable.push(path.to_owned()),
            Err(error) if is_absent(&error) => self.gone(path),
            Err(error) => self.found.unreadable.push((path.to_owned(), error)),
        }
    }

    /// The content of a file, or none if it was written meanwhile.
    fn read_stable(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let before = self.system.stat(path)?;
        let content = self.system.read(path)?;
        let after = self.system.stat(path)?;
        let stable = before == after && after.len == content.len() as u64;
        Ok(stable.then_some(content))
    }

    fn compare(&mut self, path: &Path, content: &[u8]) {
        let source = match self.old.get(path) {
            Some(old) if old.digest() == Digest::of(content) => Arc::clone(old),
            _ if is_source(path) => Source::new(content, self.budget),
            _ => Source::bare(content),
        };
        // Also where it is the old one: a path may be looked at twice, and the last look counts.
        let known = self.found.view.get(path);
        if !known.is_some_and(|known| Arc::ptr_eq(known, &source)) {
            self.touched.insert(path.to_owned());
            self.found.view.insert(path.to_owned(), source);
        }
    }

    fn gone(&mut self, path: &Path) {
        let Some(known) = self.found.view.get(path) else { return };
        // What is not there is still not there, and still looked for.
        if !known.is_absent() {
            self.found.view.remove(path);
            self.touched.insert(path.to_owned());
        }
    }

    /// Takes out what the view has under `dir`, but what is `present` and what lies under
    /// `unknown`.
    fn gone_under(&mut self, dir: &Path, present: &BTreeSet<PathBuf>, unknown: &[PathBuf]) {
        let known = self.old.under(dir).map(|(path, _)| path.to_owned());
        let lost = known.filter(|path| {
            // Each root answers for its own files, also where it lies inside another.
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
            if self.is_beyond(&path) {
                self.file(&path);
                self.found.links.push(path);
            } else {
                self.gone(&path);
            }
        }
    }

    /// Is this a live file all the same, though no walk comes to it? Who imports a module over more
    /// links than a walk follows gets it, and the view has it from then on.
    fn is_beyond(&self, path: &Path) -> bool {
        self.system.stat(path).is_ok_and(|stat| stat.kind == Kind::File)
            && self.roots.admits_way_to(self.system, path)
            && !self.roots.ignores(self.system, path, false)
    }

    /// Says what is different in the end.
    fn done(mut self) -> Refreshed {
        let changes =
            self.touched.iter().filter_map(|path| self.old.change(&self.found.view, path));
        self.found.changes = changes.collect();
        self.found.unstable.extend(self.ends.astray(self.system).map(Path::to_owned));
        self.found.unstable.sort();
        self.found.unstable.dedup();
        self.found
    }
}
