//! Which paths under the roots cannot be read, and does a module need them?
//!
//! The folder of a database, or another user's file: as long as no module comes from there, the log
//! says so once and updates go on. Where the view has files at such a path, their content may have
//! changed, and an update would guess.

use std::{collections::BTreeMap, collections::BTreeSet, io, path::Path, path::PathBuf};

use transfuse_engine::{DependencyGraph, SourceSnapshot, is_source};

/// Places that cannot be read and that no module needs.
#[derive(Default)]
pub struct UnreadablePaths {
    /// `/srv/shop/pgdata` to `"Permission denied (os error 13)"`, as of the last look.
    places: BTreeMap<PathBuf, String>,
    /// Those of which the log knows. Entries never leave: once is enough.
    told: BTreeSet<PathBuf>,
}

impl UnreadablePaths {
    /// That is all of them now.
    pub fn are(&mut self, found: Vec<(PathBuf, io::Error)>) {
        self.places = found.into_iter().map(|(path, error)| (path, error.to_string())).collect();
    }

    pub fn all(&self) -> Vec<(PathBuf, String)> {
        self.places.iter().map(|(path, why)| (path.clone(), why.clone())).collect()
    }

    /// Those that the log does not know of yet. Each is returned once.
    pub fn news(&mut self) -> Vec<(PathBuf, String)> {
        let news = self.all();
        news.into_iter().filter(|(path, _)| self.told.insert(path.clone())).collect()
    }
}

/// Whether the view has source, or data that a module read, at or under `path`.
pub fn is_needed(view: &SourceSnapshot, graph: &DependencyGraph, path: &Path) -> bool {
    let counts = |path: &Path| is_source(path) || graph.readers(path).next().is_some();
    view.get(path).is_some() && counts(path) || view.under(path).any(|(inside, _)| counts(inside))
}
