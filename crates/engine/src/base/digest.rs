//! Do two files have the same content? A digest decides, never a time or a size.
//!
//! xxh3, 128 bits: fast enough to read a whole tree at start-up, and wide enough that two contents
//! of one project will not collide. It protects against accidents, not attackers: an attacker that
//! can write source here can run code anyway. The module `source` stores contents.

use std::fmt;

/// The digest of one file's content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(u128);

impl Digest {
    /// The digest of `content`.
    pub fn of(content: &[u8]) -> Digest {
        Digest(xxhash_rust::xxh3::xxh3_128(content))
    }

    /// The digest whose number this is.
    pub(crate) fn from_u128(number: u128) -> Digest {
        Digest(number)
    }

    /// The number itself, for a key in a cache.
    pub fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}
