//! How many requests has a generation answered, and how many of them have failed?
//!
//! A request is counted when it begins, answered when its status is known, and failed once: by a
//! status from 500 on, or by an exception that left the application. `transfuse/updates/trial.py`
//! compares the counts of two generations. Counting where a request begins, and not where it ends,
//! keeps fast failures from being compared before the slow successes that began with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// The counts of one generation. Any thread adds to them; they only grow.
#[derive(Default)]
pub struct RequestCounts {
    begun: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
}

impl RequestCounts {
    /// `(begun, answered, failed)`. Read in this order, so that none is counted that has not begun.
    pub fn read(&self) -> (u64, u64, u64) {
        let failed = self.failed.load(Ordering::Acquire);
        let answered = self.answered.load(Ordering::Acquire);
        (self.begun.load(Ordering::Acquire), answered, failed)
    }
}

const ANSWERED: u8 = 1;
const FAILED: u8 = 2;

/// One request that is counted.
pub struct CountedRequest {
    counts: Arc<RequestCounts>,
    /// The parts of it that were counted: bits of `ANSWERED` and `FAILED`.
    seen: AtomicU8,
}

impl CountedRequest {
    pub fn begin(counts: Arc<RequestCounts>) -> Self {
        counts.begun.fetch_add(1, Ordering::AcqRel);
        CountedRequest { counts, seen: AtomicU8::new(0) }
    }

    /// Its status is known, or it is over.
    pub fn answered(&self) {
        self.see(ANSWERED, &self.counts.answered);
    }

    /// It has failed, and is answered by that.
    pub fn failed(&self) {
        self.see(FAILED, &self.counts.failed);
        self.answered();
    }

    fn see(&self, bit: u8, count: &AtomicU64) {
        if self.seen.fetch_or(bit, Ordering::AcqRel) & bit == 0 {
            count.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Drop for CountedRequest {
    fn drop(&mut self) {
        self.answered();
    }
}
