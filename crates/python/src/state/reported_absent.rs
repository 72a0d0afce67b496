//! Which modules were reported as absent to requests of a generation?
//!
//! For those requests they stay absent, whatever appears on disk (`loading/new_files.rs`).

use std::{collections::HashSet, path::Path, path::PathBuf};

/// The modules that were reported as absent to units of work that are pinned to a generation.
#[derive(Default)]
pub struct ReportedAbsent {
    /// `/srv/shop/plugin`, for a module or a package of that name in `/srv/shop`. Entries go with
    /// the generation.
    places: HashSet<PathBuf>,
}

impl ReportedAbsent {
    /// Something of that name is not there, and will not be.
    pub fn add(&mut self, place: PathBuf) {
        if self.places.len() < ANSWERS {
            self.places.insert(place);
        }
    }

    pub fn has(&self, place: &Path) -> bool {
        self.places.len() >= ANSWERS || self.places.contains(place)
    }
}

/// How many answers a generation remembers. After more nothing new appears in it.
pub const ANSWERS: usize = 10_000;
