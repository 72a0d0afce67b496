//! Which loaded submodules is a package still to get as attributes?
//!
//! When they are bound, `loading/bind_submodules.rs` says.

use std::{collections::BTreeSet, sync::atomic::AtomicUsize, sync::atomic::Ordering};

use transfuse_engine::sync::Mutex;

/// How many submodules are pending in all packages: mostly none, and asked at every import.
pub static ALL: AtomicUsize = AtomicUsize::new(0);

/// Whether any package has a pending submodule.
#[inline]
pub fn any() -> bool {
    ALL.load(Ordering::Acquire) > 0
}

#[derive(Default)]
pub struct PendingSubmodules {
    /// `thing`: the last parts of their names. Written by the thread that runs the package, entries
    /// leave when one is bound; the lock is held for set operations only.
    tails: Mutex<BTreeSet<String>>,
}

impl PendingSubmodules {
    pub fn add(&self, tail: &str) {
        if self.tails.lock().insert(tail.to_owned()) {
            ALL.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Removes one; whether it was there. The caller binds it then.
    pub fn take(&self, tail: &str) -> bool {
        let taken = self.tails.lock().remove(tail);
        if taken {
            ALL.fetch_sub(1, Ordering::AcqRel);
        }
        taken
    }

    pub fn has(&self, tail: &str) -> bool {
        self.tails.lock().contains(tail)
    }

    pub fn all(&self) -> Vec<String> {
        self.tails.lock().iter().cloned().collect()
    }
}

impl Drop for PendingSubmodules {
    fn drop(&mut self) {
        let left = self.tails.lock().len();
        ALL.fetch_sub(left, Ordering::AcqRel);
    }
}
