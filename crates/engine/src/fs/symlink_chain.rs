//! Which places decide where a path leads?
//!
//! A path may lead through symbolic links, through links that these lead to, and end at a file of
//! another name. A deploy switches one of them (`current -> releases/42`, `..data` in a volume of
//! Kubernetes) or renames a directory on the chain; an editor writes to the file at its end. An
//! event at one of these places is an event of the path. Nothing here watches: the caller passes
//! the places to `Watcher::watch_place`.

use super::{FileKind, FileSystem};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Component, Path, PathBuf};
use std::{ffi::OsString, ops::Bound};

/// A chain with more links than this is a circle, as for the system.
const HOPS: usize = 40;

/// The chains of the followed paths.
#[derive(Debug, Default)]
pub struct SymlinkChains {
    /// `/app/..data` to `/app/conf.py`, ...: a place to the paths that lead through it.
    through: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// `/app/conf.py` to `/app/conf.py`, `/app/..data`, `/app/..2026_11/conf.py`: a path to its
    /// places when it was last followed.
    places: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// `/app/conf.py` to the inode of the directory where its chain ended then, that of
    /// `/app/..2026_11`; none if there was none.
    end_inodes: BTreeMap<PathBuf, Option<u64>>,
}

impl SymlinkChains {
    /// Follows `path` and returns its places, to be watched. Replaces the chain of an earlier call.
    pub fn follow(&mut self, system: &dyn FileSystem, path: &Path) -> &[PathBuf] {
        let places = resolve_chain(system, path);
        for place in self.places.get(path).into_iter().flatten() {
            if let Some(paths) = self.through.get_mut(place) {
                paths.remove(path);
            }
        }
        for place in &places {
            self.through.entry(place.clone()).or_default().insert(path.to_owned());
        }
        self.through.retain(|_, paths| !paths.is_empty());
        self.end_inodes.insert(path.to_owned(), end_inode(system, &places));
        let entry = self.places.entry(path.to_owned()).or_default();
        *entry = places;
        entry
    }

    /// The paths whose chain contains `place`, or something below it.
    pub fn paths_through<'a>(&'a self, place: &'a Path) -> BTreeSet<&'a Path> {
        let range = self.through.range::<Path, _>((Bound::Included(place), Bound::Unbounded));
        let inside = range.take_while(|(other, _)| other.starts_with(place));
        inside.flat_map(|(_, paths)| paths).map(PathBuf::as_path).collect()
    }

    /// The paths whose chain is not the one that was followed. An event at a place reports most of
    /// these changes, but not the renaming of a directory far above a place.
    pub fn changed<'a>(&'a self, system: &'a dyn FileSystem) -> impl Iterator<Item = &'a Path> {
        let other = move |(path, then): &(&PathBuf, &Vec<PathBuf>)| {
            let now = resolve_chain(system, path);
            now != **then || Some(&end_inode(system, &now)) != self.end_inodes.get(*path)
        };
        self.places.iter().filter(other).map(|(path, _)| path.as_path())
    }
}

/// The inode of the directory that a chain ends at, or in.
fn end_inode(system: &dyn FileSystem, places: &[PathBuf]) -> Option<u64> {
    let last = places.last()?;
    let here = system.metadata(last).ok().filter(|found| found.kind == FileKind::Dir);
    here.or_else(|| system.metadata(last.parent()?).ok()).map(|found| found.inode)
}

/// Each link on the chain of `path`, and its end; for a broken chain, the missing path.
pub fn resolve_chain(system: &dyn FileSystem, path: &Path) -> Vec<PathBuf> {
    let mut places = Vec::new();
    let mut at = PathBuf::new();
    let mut hops = 0;
    let mut rest: VecDeque<OsString> = parts(path).collect();
    while let Some(part) = rest.pop_front() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        match system.read_link(&next) {
            Ok(None) => at = next,
            Ok(Some(target)) if hops < HOPS => {
                hops += 1;
                places.push(next);
                for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                    rest.push_front(part);
                }
            }
            Ok(Some(_)) | Err(_) => {
                places.push(next);
                return places;
            }
        }
    }
    places.push(at);
    places
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter(|part| *part != Component::CurDir).map(|part| part.as_os_str().into())
}
