//! What is under the roots right now? All of it, read once at start-up.
//!
//! Afterwards `refresh` looks only where something happened. A file that cannot be read is reported
//! and left out: an import of it then fails with the reason, and no other module suffers.

use crate::{
    Budget, Roots, Source, System, View, ends::Ends, is_source, system::is_absent, walk::walk,
};
use std::{io, path::PathBuf};

/// What was found.
#[derive(Debug, Default)]
pub struct Scan {
    /// All source under the roots.
    pub view: View,
    /// `/srv/shop`: each admitted directory, to be watched.
    pub dirs: Vec<PathBuf>,
    /// What is there and could not be read, with what the system said.
    pub unreadable: Vec<(PathBuf, io::Error)>,
}

/// How often all is read once more because a link was turned meanwhile.
const AGAIN: usize = 5;

/// Reads all source under `roots`; `progress` hears the number of files read so far.
pub fn scan(
    system: &dyn System,
    roots: &Roots,
    budget: &Budget,
    progress: &mut dyn FnMut(usize),
) -> Scan {
    for _ in 0..AGAIN {
        let (scan, ends) = once(system, roots, budget, progress);
        if ends.astray(system).next().is_none() {
            return scan;
        }
    }
    once(system, roots, budget, progress).0
}

fn once(
    system: &dyn System,
    roots: &Roots,
    budget: &Budget,
    progress: &mut dyn FnMut(usize),
) -> (Scan, Ends) {
    let mut scan = Scan::default();
    let mut ends = Ends::default();
    for root in roots.dirs() {
        let found = walk(system, roots, root);
        ends.extend(found.ends);
        scan.dirs.extend(found.dirs);
        scan.unreadable.extend(found.unreadable);
        for (path, _) in found.files.into_iter().filter(|(path, _)| is_source(path)) {
            match system.read(&path) {
                Ok(content) => {
                    scan.view.insert(path, Source::new(content, budget));
                    progress(scan.view.len());
                }
                Err(error) if is_absent(&error) => {}
                Err(error) => scan.unreadable.push((path, error)),
            }
        }
    }
    (scan, ends)
}
