//! What did the last updates do? A bounded list, for `transfuse status`, the page and the logs.
//!
//! It includes refused updates, because they are what a reader looks for. Nothing depends on it.

use super::GenerationId;
use crate::{plan::Step, sources::FileChange};
use std::{collections::VecDeque, time::Duration, time::SystemTime};

/// How many records are kept.
const LIMIT: usize = 100;

/// How an update ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The first generation of the process.
    Started,
    /// A new generation is current.
    Published,
    /// Nothing changed; `error` says why.
    Refused,
    /// An earlier generation is current again.
    RolledBack,
}

/// The cause of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The process began.
    Start,
    /// A file was saved.
    Saved,
    /// A link or folder on the path to a root was switched.
    Release,
    /// It was asked for.
    Update,
    /// A rollback was asked for.
    Rollback,
    /// Content that was set aside was asked for.
    Accept,
    /// Another worker of the same server serves it.
    Worker,
    /// A process before this one has served it.
    FormerProcess,
}

/// One update.
#[derive(Clone, Debug)]
pub struct Record {
    /// When it ended.
    pub at: SystemTime,
    /// When another generation was served after it, if that is not in this history.
    pub until: Option<SystemTime>,
    /// Whether it serves a part of a change, of which the rest waits for fresh processes.
    pub partial: bool,
    /// What led to it.
    pub cause: Cause,
    /// The generation whose content a rollback serves.
    pub back_to: Option<GenerationId>,
    /// The generation that was current at the end of the update.
    pub generation: GenerationId,
    /// How it ended.
    pub outcome: Outcome,
    /// The changed files.
    pub changed: Vec<FileChange>,
    /// The modules that ran, in this order.
    pub ran: Vec<Step>,
    /// The time from the first look at the files to the end.
    pub took: Duration,
    /// The reason for the refusal, with the user's frames.
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
    /// Adds the latest update.
    pub fn push(&mut self, record: Record) {
        if self.records.len() == LIMIT {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    /// Is what an update with these steps serves only a part of its change, if some of it `waits`?
    /// Without a step it answers as the one before, and is as much a part as that.
    pub fn is_partial(&self, steps: &[Step], waits: bool) -> bool {
        let before = || self.iter().rev().find(|record| record.outcome != Outcome::Refused);
        if steps.is_empty() { before().is_some_and(|record| record.partial) } else { waits }
    }

    /// The updates, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Record> + ExactSizeIterator {
        self.records.iter()
    }
}
