//! Which generations exist, how many units of work are pinned to each, and when does one end?
//!
//! Bookkeeping of numbers only: `registry` has the contents and the lock. A generation is *staged*,
//! then *current*, then *draining* until its last pin is gone, then *retired*. The last few
//! superseded ones are *kept*, so that a rollback is a swap. Numbers of abandoned generations are
//! reused, so the numbers of published generations have no gaps.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// How many numbers of generations are remembered that lead to another one.
const ALIASES: usize = 100;

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

/// How does a generation relate to the one that it supersedes?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Succession {
    /// It answers otherwise.
    Another,
    /// No module ran for it. It answers as the one before, until it loads a module from a file that
    /// differs.
    Quiet,
    /// It answers as this kept one, which it takes the place of.
    Back(GenerationId),
    /// It answers as one that this process does not have: another worker has gone back to it.
    BackToUnknown,
}

/// The task of the caller for a superseded generation.
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
    /// A generation that stays warm beside these. Written by `protect` and `fold`.
    protected: Option<GenerationId>,
    /// The generation that new work gets; none before the first is published.
    current: Option<GenerationId>,
    /// The highest number that was ever published; 0 before the first.
    published: u64,
    /// The lowest number that the next generation may get: other processes that serve the same
    /// application have reached it.
    least: u64,
    /// `7` to `12`, which answers the same and is what to go back to instead. Written by `fold`. An
    /// entry leaves with the generation that it leads to; the oldest when there are more than 100.
    same: BTreeMap<GenerationId, GenerationId>,
}

#[derive(Debug, Default)]
struct GenerationEntry {
    phase: Phase,
    pins: usize,
    /// Its predecessor, to which a rollback goes. A generation that a rollback published has the
    /// predecessor of the generation that it restored.
    before: Option<GenerationId>,
    /// Whether no module ran for it.
    quiet: bool,
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
        let same = BTreeMap::new();
        Lifecycles {
            entries,
            kept,
            keep,
            protected: None,
            current: None,
            published: 0,
            least: 1,
            same,
        }
    }

    /// From the next update on, `keep` superseded ones stay warm.
    pub fn set_keep(&mut self, keep: usize) {
        self.keep = keep;
    }

    /// Keeps a generation beside the last `keep`, until another one or none is named.
    pub fn protect(&mut self, id: Option<GenerationId>) {
        self.protected = id.map(|id| self.alias(id));
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
        self.publish_as(id, Succession::Another)
    }

    /// The same for a staged generation of which the caller knows how it relates to the others.
    pub fn publish_as(&mut self, id: GenerationId, how: Succession) -> Vec<Retirement> {
        let before = match how {
            Succession::Another | Succession::Quiet => {
                self.current.filter(|current| *current != id)
            }
            Succession::Back(to) => self.before(to),
            Succession::BackToUnknown => None,
        };
        let Some(entry) = self.entries.get_mut(&id) else { return Vec::new() };
        if !matches!(entry.phase, Phase::Staged | Phase::Superseded) {
            return Vec::new();
        }
        if entry.phase == Phase::Staged {
            entry.before = before;
            entry.quiet = how == Succession::Quiet;
        }
        entry.phase = Phase::Current;
        self.kept.retain(|kept| *kept != id);
        self.published = self.published.max(id.0);
        let mut retirements = Vec::new();
        // Before another one is kept: what comes back takes no place among the kept ones.
        if let Succession::Back(to) = how {
            retirements.extend(self.fold(to, id));
        }
        if let Some(previous) = self.current.replace(id) {
            self.supersede(previous, &mut retirements);
        }
        retirements
    }

    /// A generation that another process has served can be gone back to. Those that are recalled are
    /// older than all of this process; the oldest one first.
    pub fn recall(&mut self, id: GenerationId, before: Option<GenerationId>) {
        let entry =
            GenerationEntry { phase: Phase::Superseded, before, ..GenerationEntry::default() };
        self.entries.insert(id, entry);
        self.kept.push_back(id);
    }

    /// The current generation follows on this one, and those named answered the same. Each of the
    /// `others` answers as a recalled one.
    pub fn follows_on(
        &mut self,
        before: Option<GenerationId>,
        same: &[GenerationId],
        others: &[(GenerationId, GenerationId)],
    ) {
        let Some(current) = self.current else { return };
        let known = others.iter().filter(|(older, to)| *older < current && self.kept.contains(to));
        self.same.extend(known.copied());
        if let Some(entry) = self.entries.get_mut(&current) {
            entry.before = before;
        }
        for older in same.iter().filter(|older| **older < current) {
            for entry in self.entries.values_mut().filter(|entry| entry.before == Some(*older)) {
                entry.before = Some(current);
            }
            self.same.insert(*older, current);
        }
    }

    /// What a rollback from a generation goes back to; none if it is not known any more.
    pub fn before(&self, id: GenerationId) -> Option<GenerationId> {
        // A process may have learnt of it by a number that another one has taken over since.
        self.entries.get(&self.alias(id))?.before.map(|before| self.alias(before))
    }

    /// The numbers that lead to other generations, with those.
    pub fn aliases(&self) -> Vec<(GenerationId, GenerationId)> {
        self.same.iter().map(|(older, to)| (*older, *to)).collect()
    }

    /// The generation that answers as this one did, which may be this one.
    pub fn alias(&self, id: GenerationId) -> GenerationId {
        self.same.get(&id).copied().unwrap_or(id)
    }

    /// The kept generation that the current one answers as, unless it has loaded a module from a
    /// file that differs.
    pub fn perhaps_same(&self) -> Option<GenerationId> {
        let entry = self.entries.get(&self.current?)?;
        entry.before.filter(|before| entry.quiet && self.kept.contains(before))
    }

    /// `newer` answers as the kept `older` and takes its place: one of them is enough to go back to.
    pub fn fold(&mut self, older: GenerationId, newer: GenerationId) -> Vec<Retirement> {
        if older == newer || !self.kept.contains(&older) {
            return Vec::new();
        }
        let before = self.before(older);
        for entry in self.entries.values_mut().filter(|entry| entry.before == Some(older)) {
            entry.before = Some(newer);
        }
        if let Some(entry) = self.entries.get_mut(&newer) {
            entry.before = before;
            entry.quiet = false;
        }
        self.same.values_mut().filter(|to| **to == older).for_each(|to| *to = newer);
        self.same.insert(older, newer);
        if self.same.len() > ALIASES {
            self.same.pop_first();
        }
        if self.protected == Some(older) {
            self.protected = Some(newer);
        }
        self.kept.retain(|kept| *kept != older);
        let mut retirements = Vec::new();
        self.drop_unless_pinned(older, &mut retirements);
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
        // One that answers as the current one does not count, and is not what to go back to.
        let extra = usize::from(self.keep > 0 && self.perhaps_same() == Some(id));
        let protected = self.protected;
        let counts = |kept: &GenerationId| Some(*kept) != protected;
        while self.kept.iter().filter(|kept| counts(kept)).count() > self.keep + extra {
            let Some(oldest) = self.kept.iter().position(counts) else { break };
            let Some(oldest) = self.kept.remove(oldest) else { break };
            self.same.retain(|_, to| *to != oldest);
            self.drop_unless_pinned(oldest, retirements);
        }
    }

    fn drop_unless_pinned(&mut self, id: GenerationId, retirements: &mut Vec<Retirement>) {
        if self.pins(id) == 0 && self.entries.remove(&id).is_some() {
            retirements.push(Retirement::Dropped(id));
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
