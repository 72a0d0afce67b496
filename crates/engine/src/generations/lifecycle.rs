//! Which generations exist, how many units of work are pinned to each, and when does one end?
//!
//! Bookkeeping of numbers only: `registry` has the contents and the lock. A generation is *staged*,
//! then *current*, then *draining* until its last pin is gone, then *retired*. The last few
//! superseded ones are *kept*, so that a rollback is a swap. Numbers of abandoned generations are
//! reused, so the numbers of published generations have no gaps.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// The number of a generation. The first one is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GenerationId(
    /// `7`.
    pub u64,
);

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a generation is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GenerationState {
    /// Being built, invisible to requests.
    Staged,
    /// The one that new work gets.
    Current,
    /// Superseded, with work still pinned to it.
    Draining {
        /// The number of units of work.
        pins: usize,
    },
    /// Superseded, without pins.
    Retired,
}

/// What the caller has to do with a superseded generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retirement {
    /// Its last pin is gone: dispose of it now.
    Drained(GenerationId),
    /// It drained before, and now it is not kept either: release it.
    Dropped(GenerationId),
}

/// All generations that can still be asked for.
#[derive(Debug)]
pub struct Lifecycles {
    /// `7` to its phase and pins. Written by every method here; an entry leaves when it is dropped,
    /// or abandoned without pins.
    entries: BTreeMap<GenerationId, GenerationEntry>,
    /// Superseded generations that stay warm, the oldest first: `[5, 6]`.
    kept: VecDeque<GenerationId>,
    /// The maximum number of kept generations.
    keep: usize,
    /// The generation that new work gets; none before the first is published.
    current: Option<GenerationId>,
    /// The highest number that was ever published; 0 before the first.
    published: u64,
    /// The lowest number that the next generation may get: other processes that serve the same
    /// application have reached it.
    least: u64,
}

#[derive(Debug, Default)]
struct GenerationEntry {
    phase: Phase,
    pins: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Staged,
    Current,
    Superseded,
    /// Abandoned while something was pinned to it: its number stays taken until that is gone.
    Abandoned,
}

impl Lifecycles {
    /// No generation yet; `keep` superseded ones will stay warm.
    pub fn new(keep: usize) -> Lifecycles {
        let (entries, kept) = (BTreeMap::new(), VecDeque::new());
        Lifecycles { entries, kept, keep, current: None, published: 0, least: 1 }
    }

    /// From the next update on, `keep` superseded ones stay warm.
    pub fn set_keep(&mut self, keep: usize) {
        self.keep = keep;
    }

    /// The next generation gets this number, or a higher one.
    pub fn number_from(&mut self, least: u64) {
        self.least = self.least.max(least);
    }

    /// Begins the next generation.
    pub fn stage(&mut self) -> GenerationId {
        // The highest published number is current or kept, so it is among the entries.
        let next = self.entries.keys().next_back().map_or(0, |id| id.0) + 1;
        let id = GenerationId(next.max(self.least));
        self.entries.insert(id, GenerationEntry::default());
        id
    }

    /// Makes a staged generation current, or a superseded one that still exists (a rollback). Does
    /// nothing for any other.
    pub fn publish(&mut self, id: GenerationId) -> Vec<Retirement> {
        let Some(entry) = self.entries.get_mut(&id) else { return Vec::new() };
        if !matches!(entry.phase, Phase::Staged | Phase::Superseded) {
            return Vec::new();
        }
        entry.phase = Phase::Current;
        self.kept.retain(|kept| *kept != id);
        self.published = self.published.max(id.0);
        let mut retirements = Vec::new();
        if let Some(previous) = self.current.replace(id) {
            self.supersede(previous, &mut retirements);
        }
        retirements
    }

    /// Abandons a staged generation, so that its number can be reused. False if it is not staged.
    pub fn abandon(&mut self, id: GenerationId) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        match (entry.phase, entry.pins) {
            (Phase::Staged, 0) => drop(self.entries.remove(&id)),
            (Phase::Staged, _) => entry.phase = Phase::Abandoned,
            _ => return false,
        }
        true
    }

    /// Pins a unit of work to a generation. False, without a pin, if the generation has ended.
    pub fn pin(&mut self, id: GenerationId) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        let alive = match entry.phase {
            Phase::Staged | Phase::Current => true,
            Phase::Superseded => entry.pins > 0,
            Phase::Abandoned => false,
        };
        entry.pins += usize::from(alive);
        alive
    }

    /// Releases a pin. Each call matches a [`Lifecycles::pin`] that returned true.
    pub fn unpin(&mut self, id: GenerationId) -> Vec<Retirement> {
        let Some(entry) = self.entries.get_mut(&id) else { return Vec::new() };
        debug_assert!(entry.pins > 0, "generation {id} was let go of more often than pinned");
        if entry.pins == 0 {
            return Vec::new();
        }
        entry.pins -= 1;
        match (entry.pins, entry.phase) {
            (0, Phase::Superseded) => self.drained(id),
            (0, Phase::Abandoned) => {
                self.entries.remove(&id);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Where a generation is in its life; none if it never existed or was abandoned.
    pub fn state(&self, id: GenerationId) -> Option<GenerationState> {
        let Some(entry) = self.entries.get(&id) else {
            return (0 < id.0 && id.0 <= self.published).then_some(GenerationState::Retired);
        };
        match (entry.phase, entry.pins) {
            (Phase::Staged, _) => Some(GenerationState::Staged),
            (Phase::Current, _) => Some(GenerationState::Current),
            (Phase::Superseded, 0) => Some(GenerationState::Retired),
            (Phase::Superseded, pins) => Some(GenerationState::Draining { pins }),
            (Phase::Abandoned, _) => None,
        }
    }

    /// The superseded generations that stay warm, the first superseded one first.
    pub fn kept(&self) -> Vec<GenerationId> {
        self.kept.iter().copied().collect()
    }

    /// How many units of work are pinned to a generation.
    pub fn pins(&self, id: GenerationId) -> usize {
        self.entries.get(&id).map_or(0, |entry| entry.pins)
    }

    fn supersede(&mut self, id: GenerationId, retirements: &mut Vec<Retirement>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.phase = Phase::Superseded;
        if entry.pins == 0 {
            retirements.push(Retirement::Drained(id));
        }
        self.kept.push_back(id);
        while self.kept.len() > self.keep {
            let Some(oldest) = self.kept.pop_front() else { break };
            if self.pins(oldest) == 0 {
                self.entries.remove(&oldest);
                retirements.push(Retirement::Dropped(oldest));
            }
        }
    }

    fn drained(&mut self, id: GenerationId) -> Vec<Retirement> {
        let mut retirements = vec![Retirement::Drained(id)];
        if !self.kept.contains(&id) {
            self.entries.remove(&id);
            retirements.push(Retirement::Dropped(id));
        }
        retirements
    }
}
