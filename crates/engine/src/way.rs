//! Which places decide where a path leads?
//!
//! A path may lead through symbolic links, through links that these lead to, and end somewhere that
//! is called otherwise. A deploy flips one of them (`current -> releases/42`, `..data` in a volume
//! of Kubernetes) or renames a directory on the way; an editor writes to the file at the end. What
//! happens at one of these places has happened to the path. Nothing here watches: places are told
//! to [`crate::Watch::mind`].

use crate::System;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::OsString,
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
        let entry = self.places.entry(path.to_owned()).or_default();
        *entry = places;
        entry
    }

    /// The paths that lead through `place`.
    pub fn led_by(&self, place: &Path) -> impl Iterator<Item = &Path> {
        self.through.get(place).into_iter().flatten().map(PathBuf::as_path)
    }
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
