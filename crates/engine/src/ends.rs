//! Did each way lead to the same place for as long as files were read over it?
//!
//! A deploy turns a link, or puts one directory in the place of another, and so replaces many files
//! at one instant. Who was reading them then has some of before and some of after. Nothing that the
//! system says of the files themselves tells that; the number of what a way ends at does.

use crate::{Stat, System};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// What ways ended at before anything was read over them.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// `/srv/shop`, a directory or a link to a file, to the number of what it leads to; none where
    /// that is nothing. The first one that was noted counts.
    first: BTreeMap<PathBuf, Option<u64>>,
}

impl Ends {
    /// Looks where `path` leads, unless that was noted before.
    pub fn note(&mut self, system: &dyn System, path: &Path) {
        let now = || end(system, path);
        self.first.entry(path.to_owned()).or_insert_with(now);
    }

    /// Notes that `path` leads to what has this `stat`, unless it was noted before.
    pub fn is(&mut self, path: &Path, stat: &Stat) {
        self.first.entry(path.to_owned()).or_insert(Some(stat.inode));
    }

    /// Takes in what was noted elsewhere.
    pub fn extend(&mut self, other: Ends) {
        for (path, end) in other.first {
            self.first.entry(path).or_insert(end);
        }
    }

    /// The paths that lead elsewhere by now.
    pub fn astray<'a>(&'a self, system: &'a dyn System) -> impl Iterator<Item = &'a Path> {
        let other = |(path, then): &(&PathBuf, &Option<u64>)| end(system, path) != **then;
        self.first.iter().filter(other).map(|(path, _)| path.as_path())
    }
}

fn end(system: &dyn System, path: &Path) -> Option<u64> {
    system.stat(path).ok().map(|stat| stat.inode)
}
