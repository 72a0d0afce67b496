//! What does a process serve, as far as the next one has to know it?
//!
//! The source of the current generation, that of the generations to which it can go back, and the
//! content on disk that is not served although it is there. A rollback leaves the files as they are,
//! and so does a refused update: without a note the next process could not tell them from a deploy.

use crate::{base::Digest, sources::SourceSnapshot};
use std::{collections::BTreeMap, path::PathBuf};

/// The state that a process serves.
#[derive(Clone, Debug, Default)]
pub struct LastServed {
    /// The number of the generation: `7`.
    pub generation: u64,
    /// When it was published, in seconds since 1970: `1_796_000_000.5`.
    pub at: f64,
    /// Whether a part of the change that led to it waits for fresh processes.
    pub partial: bool,
    /// The generation to which a rollback goes; none: there is none.
    pub before: Option<u64>,
    /// Its files. Data files have only a digest.
    pub files: SourceSnapshot,
    /// `/srv/shop/tax.py` to the content on disk that is not served.
    pub withheld: BTreeMap<PathBuf, Withheld>,
    /// The generations to which it can go back, the oldest first.
    pub former: Vec<FormerState>,
    /// Generations that answered as one of these, `(5, 7)`.
    pub same: Vec<(u64, u64)>,
}

/// A generation that was served.
#[derive(Clone, Debug)]
pub struct FormerState {
    /// Its number: `6`.
    pub generation: u64,
    /// When it was published, in seconds since 1970.
    pub at: f64,
    /// When another one was.
    pub until: f64,
    /// Whether a part of the change that led to it waited for fresh processes.
    pub partial: bool,
    /// The generation to which a rollback from it goes.
    pub before: Option<u64>,
    /// Its files. Data files have only a digest.
    pub files: SourceSnapshot,
}

/// Content on disk that is not served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Withheld {
    /// Its digest; none: the file was deleted.
    pub left: Option<Digest>,
    /// Why it is not served.
    pub why: Why,
    /// Since when, in seconds since 1970.
    pub since: f64,
}

/// Why content is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A rollback has left it.
    RolledBack,
    /// The last update to it was refused.
    Refused,
}
