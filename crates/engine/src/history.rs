//! What did the last updates do? A bounded list, for `transfuse status`, the page and the logs.
//!
//! Refused updates are in it too: they are what somebody wants to read about. Nothing is decided by
//! it.

use crate::{Change, GenerationId, Step};
use std::{collections::VecDeque, time::Duration};

/// How many records are kept.
const LIMIT: usize = 100;

/// How an update ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new generation is current.
    Published,
    /// Nothing changed; `error` says why.
    Refused,
    /// A generation from before is current again.
    RolledBack,
}

/// One update.
#[derive(Clone, Debug)]
pub struct Record {
    /// The generation that was current when it was over.
    pub generation: GenerationId,
    /// How it ended.
    pub outcome: Outcome,
    /// The files that were different.
    pub changed: Vec<Change>,
    /// The modules that ran, in this order.
    pub ran: Vec<Step>,
    /// From the first look at the files to the end.
    pub took: Duration,
    /// Why it was refused, with the user's frames.
    pub error: Option<String>,
}

/// The last updates.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The oldest first. Written by [`History::push`]; the oldest leaves when there are more than
    /// 100.
    records: VecDeque<Record>,
}

impl History {
    /// Nothing has happened yet.
    pub fn new() -> History {
        History::default()
    }

    /// Adds what has just happened.
    pub fn push(&mut self, record: Record) {
        if self.records.len() == LIMIT {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    /// What happened, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Record> + ExactSizeIterator {
        self.records.iter()
    }

    /// What happened last.
    pub fn last(&self) -> Option<&Record> {
        self.records.back()
    }

    /// How many updates are remembered.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Is none?
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}
