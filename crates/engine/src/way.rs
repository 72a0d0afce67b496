//! Which places decide where a path leads?
//!
//! A path may lead through symbolic links, through links that these lead to, and end somewhere that
//! is called otherwise. A deploy flips one of them (`current -> releases/42`, `..data` in a volume
//! of Kubernetes) or renames a directory on the way; an editor writes to the file at the end. What
//! happens at one of these places has happened to the path. Nothing here watches: places are told
//! to [`crate::Watch::mind`].

use crate::{Kind, System};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::OsString,
    ops::Bound,
    path::{Component, Path, PathBuf},
};

/// More links than this on one way are a circle, as the system sees it too.
const HOPS: usize = 40;

/// The ways that are followed.
#[derive(Debug, Default)]
pub struct Ways {
    /// `/app/..data` to `/app/conf.py`, ...: a place to the paths that lead through it.
    through: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// `/app/conf.py` to `/app/conf.py`, `/app/..data`, `/app/..2026_11/conf.py`: a path to its
    /// places, as of the last time that it was followed.
    places: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// `/app/conf.py` to the number of the directory where its way ended then, that of
    /// `/app/..2026_11`: none where there was none.
    ends: BTreeMap<PathBuf, Option<u64>>,
}

impl Ways {
    /// Follows `path` and returns its places, to be minded. Following it again forgets the way that
    /// it led before.
    pub fn follow(&mut self, system: &dyn System, path: &Path) -> &[PathBuf] {
        let places = way(system, path);
        for place in self.places.get(path).into_iter().flatten() {
            if let Some(paths) = self.through.get_mut(place) {
                paths.remove(path);
            }
        }
        for place in &places {
            self.through.entry(place.clone()).or_default().insert(path.to_owned());
        }
        self.through.retain(|_, paths| !paths.is_empty());
        self.ends.insert(path.to_owned(), end(system, &places));
        let entry = self.places.entry(path.to_owned()).or_default();
        *entry = places;
        entry
    }

    /// The paths that lead through `place`, or through something in it.
    pub fn led_by<'a>(&'a self, place: &'a Path) -> BTreeSet<&'a Path> {
        let range = self.through.range::<Path, _>((Bound::Included(place), Bound::Unbounded));
        let inside = range.take_while(|(other, _)| other.starts_with(place));
        inside.flat_map(|(_, paths)| paths).map(PathBuf::as_path).collect()
    }

    /// The paths whose way is another than when they were followed. Of most that is told by what
    /// happens at a place; not of a directory far above one that is called otherwise now.
    pub fn astray<'a>(&'a self, system: &'a dyn System) -> impl Iterator<Item = &'a Path> {
        let other = move |(path, then): &(&PathBuf, &Vec<PathBuf>)| {
            let now = way(system, path);
            now != **then || Some(&end(system, &now)) != self.ends.get(*path)
        };
        self.places.iter().filter(other).map(|(path, _)| path.as_path())
    }
}

/// The number of the directory that a way ends at, or in.
fn end(system: &dyn System, places: &[PathBuf]) -> Option<u64> {
    let last = places.last()?;
    let here = system.stat(last).ok().filter(|stat| stat.kind == Kind::Dir);
    here.or_else(|| system.stat(last.parent()?).ok()).map(|stat| stat.inode)
}

/// Each link on the way of `path`, and what is at its end; where the way breaks off, what is missing.
pub fn way(system: &dyn System, path: &Path) -> Vec<PathBuf> {
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
        match system.link(&next) {
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
