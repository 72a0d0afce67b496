//! Which source is under the roots? All of it is read once at start-up.
//!
//! Afterwards `refresh` compares only paths with events. A file that cannot be read is reported and
//! left out: importing it fails with the reason, and no other module suffers.

use super::{Budget, Source, SourceSnapshot};
use crate::fs::{FileSystem, InodeCheck, is_absent};
use crate::roots::{Roots, is_source, walk};
use std::{io, path::PathBuf};

/// The result of a scan.
#[derive(Debug, Default)]
pub struct Scan {
    /// All source under the roots.
    pub snapshot: SourceSnapshot,
    /// `/srv/shop`: each admitted directory, to be watched.
    pub dirs: Vec<PathBuf>,
    /// Paths that could not be read, with the system's error.
    pub unreadable: Vec<(PathBuf, io::Error)>,
}

/// How often a scan is repeated because a link was switched meanwhile.
const ATTEMPTS: usize = 5;

/// Reads all source under `roots`.
pub fn scan(system: &dyn FileSystem, roots: &Roots, budget: &Budget) -> Scan {
    for _ in 0..ATTEMPTS {
        let (scan, inodes) = once(system, roots, budget);
        if inodes.replaced(system).next().is_none() {
            return scan;
        }
    }
    once(system, roots, budget).0
}

fn once(system: &dyn FileSystem, roots: &Roots, budget: &Budget) -> (Scan, InodeCheck) {
    let mut scan = Scan::default();
    let mut inodes = InodeCheck::default();
    for root in roots.dirs() {
        let found = walk(system, roots, root);
        inodes.extend(found.inodes);
        scan.dirs.extend(found.dirs);
        scan.unreadable.extend(found.unreadable);
        for (path, seen) in found.files.into_iter().filter(|(path, _)| is_source(path)) {
            match system.read_seen(&path, &seen) {
                Ok(content) => scan.snapshot.insert(path, Source::new(content, budget)),
                Err(error) if is_absent(&error) => {}
                Err(error) => scan.unreadable.push((path, error)),
            }
        }
    }
    (scan, inodes)
}
