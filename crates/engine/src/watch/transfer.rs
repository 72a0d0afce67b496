//! Which files are being moved into the tree under a passing name first?
//!
//! `rsync` writes `shop/prices.py` as `shop/.prices.py.Vx3k9Q` and renames it, one file after the
//! other. While such a file is there, or has just been renamed, the rest of the change may be on its
//! way.

use super::EventKind;
use super::event::is_transfer;
use std::path::{Path, PathBuf};
use std::{collections::BTreeSet, time::Duration};

#[derive(Debug, Default)]
pub(super) struct Transfers {
    /// `/srv/shop/.prices.py.Vx3k9Q`: those that are being written. Entries leave with their files.
    open: BTreeSet<PathBuf>,
    /// When the last one ended, and how many have ended; none since the last `forget`.
    ended: Option<(Duration, usize)>,
}

impl Transfers {
    /// Takes in an event; false if it is not about a transfer.
    pub(super) fn event(&mut self, now: Duration, kind: EventKind, path: &Path) -> bool {
        if !is_transfer(path) {
            return false;
        }
        match kind {
            EventKind::Created | EventKind::Modified => drop(self.open.insert(path.to_owned())),
            EventKind::Gone if self.open.remove(path) => {
                let before = self.ended.map_or(0, |(_, count)| count);
                self.ended = Some((now, before + 1));
            }
            _ => {}
        }
        true
    }

    /// Is a file being written?
    pub(super) fn is_any(&self) -> bool {
        !self.open.is_empty()
    }

    /// When the last transfer ended, and how many have ended.
    pub(super) fn ended(&self) -> Option<(Duration, usize)> {
        self.ended
    }

    /// Forgets transfers that have ended: their burst is over.
    pub(super) fn forget(&mut self) {
        self.ended = None;
        // A file that has been there for longer than any lock counts was left over.
        self.open.clear();
    }
}
