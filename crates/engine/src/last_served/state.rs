//! What does a process serve, as far as the next one has to know it?
//!
//! The source of the current generation, and the content on disk that is not served although it is
//! there. A rollback leaves the files as they are, and so does a refused update: without a note the
//! next process could not tell them from a deploy.

use crate::{base::Digest, sources::SourceSnapshot};
use std::{collections::BTreeMap, path::PathBuf};

/// The state that a process serves.
#[derive(Clone, Debug, Default)]
pub struct LastServed {
    /// The number of the generation: `7`.
    pub generation: u64,
    /// When it was published, in seconds since 1970: `1_796_000_000.5`.
    pub at: f64,
    /// Its files. Data files have only a digest.
    pub files: SourceSnapshot,
    /// `/srv/shop/tax.py` to the content on disk that is not served.
    pub withheld: BTreeMap<PathBuf, Withheld>,
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
