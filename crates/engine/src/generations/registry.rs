//! Which generations are alive, what does each hold, and which one is current?
//!
//! `T` is the content of a generation, which is opaque here. There are two locks, never held
//! together, and never while foreign code runs: `current` for the swap that publishes, `state` for
//! the counts. Between the swap and the count, a unit of work may be pinned to a generation that
//! still counts as staged, or as current: both are alive, so the pin is valid. Methods return
//! released contents, so that the caller drops them without a lock held.

use super::{GenerationId, GenerationState, Lifecycles, Retirement, Succession};
use crate::concurrency::sync::Mutex;
use std::collections::BTreeMap;

/// The generations and their contents.
#[derive(Debug)]
pub struct GenerationRegistry<T> {
    /// The current generation. Written by [`GenerationRegistry::swap`] only.
    current: Mutex<T>,
    /// Pins and contents per generation. Written by each method for a few look-ups.
    state: Mutex<RegistryState<T>>,
}

#[derive(Debug)]
struct RegistryState<T> {
    lifecycles: Lifecycles,
    /// The contents of each generation in which code can still run: staged, current, draining,
    /// kept. An entry leaves when the generation is dropped or abandoned.
    held: BTreeMap<GenerationId, T>,
    /// The contents of generations that another process has served, in which no code runs here. An
    /// entry leaves when the generation is dropped.
    recalled: BTreeMap<GenerationId, T>,
}

/// The generations that a step released.
#[derive(Debug)]
pub struct Freed<T> {
    /// These have no pins any more: dispose of them.
    pub drained: Vec<GenerationId>,
    /// These are not kept either: release them.
    pub dropped: Vec<T>,
}

impl<T> Freed<T> {
    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        self.drained.is_empty() && self.dropped.is_empty()
    }
}

impl<T> GenerationRegistry<T> {
    /// A registry whose first generation, with the number `least`, is current at once; `first` is
    /// called once for each of two copies of its contents. `keep` superseded ones will stay warm.
    pub fn new(
        least: u64,
        keep: usize,
        first: impl Fn(GenerationId) -> T,
    ) -> GenerationRegistry<T> {
        let mut lifecycles = Lifecycles::new(keep);
        lifecycles.number_from(least);
        let id = lifecycles.stage();
        lifecycles.publish(id);
        let held = BTreeMap::from([(id, first(id))]);
        GenerationRegistry {
            current: Mutex::new(first(id)),
            state: Mutex::new(RegistryState { lifecycles, held, recalled: BTreeMap::new() }),
        }
    }

    /// Applies `look` to the current generation. `look` must not wait for anything.
    pub fn current<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.current.lock())
    }

    /// The next generation gets this number, or a higher one.
    pub fn number_from(&self, least: u64) {
        self.state.lock().lifecycles.number_from(least);
    }

    /// Begins the next generation; [`GenerationRegistry::set_contents`] adds its contents.
    pub fn stage(&self) -> GenerationId {
        self.state.lock().lifecycles.stage()
    }

    /// Sets the contents of a staged generation.
    pub fn set_contents(&self, id: GenerationId, what: T) {
        self.state.lock().held.insert(id, what);
    }

    /// Makes `next` the contents that new work gets: the one swap that publishes. Returns the old
    /// ones.
    pub fn swap(&self, next: T) -> T {
        std::mem::replace(&mut *self.current.lock(), next)
    }

    /// Counts the generation that [`GenerationRegistry::swap`] published as current. Call it right
    /// after the swap: a child forked in between would search the counted generations for the new
    /// one for ever.
    pub fn commit(&self, id: GenerationId, how: Succession) -> Freed<T> {
        let mut state = self.state.lock();
        let retirements = state.lifecycles.publish_as(id, how);
        state.freed(retirements)
    }

    /// A generation that another process has served can be gone back to, with the one to which a
    /// rollback from it goes. Those that are recalled are older than all of this process; the oldest
    /// one first.
    pub fn recall(&self, id: GenerationId, before: Option<GenerationId>, what: T) {
        let mut state = self.state.lock();
        state.lifecycles.recall(id, before);
        state.recalled.insert(id, what);
    }

    /// The current generation follows on this one, and those named answered the same. Each of the
    /// `others` answers as a recalled one.
    pub fn follows_on(
        &self,
        before: Option<GenerationId>,
        same: &[GenerationId],
        others: &[(GenerationId, GenerationId)],
    ) {
        self.state.lock().lifecycles.follows_on(before, same, others);
    }

    /// The numbers that lead to other generations, with those.
    pub fn aliases(&self) -> Vec<(GenerationId, GenerationId)> {
        self.state.lock().lifecycles.aliases()
    }

    /// Has another process served this generation, which can be gone back to?
    pub fn is_recalled(&self, id: GenerationId) -> bool {
        self.state.lock().recalled.contains_key(&id)
    }

    /// What a rollback from a generation goes back to; none if it is not known any more.
    pub fn before(&self, id: GenerationId) -> Option<GenerationId> {
        self.state.lock().lifecycles.before(id)
    }

    /// The generation that answers as this one did, which may be this one.
    pub fn alias(&self, id: GenerationId) -> GenerationId {
        self.state.lock().lifecycles.alias(id)
    }

    /// The kept generation that the current one answers as, unless it has loaded a module from a
    /// file that differs.
    pub fn perhaps_same(&self) -> Option<GenerationId> {
        self.state.lock().lifecycles.perhaps_same()
    }

    /// `newer` answers as the kept `older` and takes its place.
    pub fn fold(&self, older: GenerationId, newer: GenerationId) -> Freed<T> {
        let mut state = self.state.lock();
        let retirements = state.lifecycles.fold(older, newer);
        state.freed(retirements)
    }

    /// Abandons a staged generation. Returns its contents; none if it is not staged.
    pub fn abandon(&self, id: GenerationId) -> Option<T> {
        let mut state = self.state.lock();
        state.lifecycles.abandon(id).then(|| state.held.remove(&id)).flatten()
    }

    /// Pins a unit of work to a generation; false if that has ended.
    pub fn pin(&self, id: GenerationId) -> bool {
        self.state.lock().lifecycles.pin(id)
    }

    /// Pins a unit of work to the current generation. `look` returns its number, and the result.
    pub fn pin_current<R>(&self, look: impl Fn(&T) -> (GenerationId, R)) -> R {
        loop {
            let (id, found) = self.current(&look);
            if self.pin(id) {
                return found;
            }
            // It was superseded and ended in between, so another one is current now.
        }
    }

    /// Releases a unit of work's pin.
    pub fn unpin(&self, id: GenerationId) -> Freed<T> {
        let mut state = self.state.lock();
        let retirements = state.lifecycles.unpin(id);
        state.freed(retirements)
    }

    /// Applies `look` to every generation in which code can still run, the oldest first.
    pub fn alive<R>(&self, mut look: impl FnMut(&T, GenerationId, GenerationState) -> R) -> Vec<R> {
        let state = self.state.lock();
        let numbered = state.held.iter().filter_map(|(id, held)| {
            state.lifecycles.state(*id).map(|phase| look(held, *id, phase))
        });
        numbered.collect()
    }

    /// Applies `look` to a kept generation, for a rollback by a swap; none if it is not kept.
    pub fn kept<R>(&self, id: GenerationId, look: impl FnOnce(&T) -> R) -> Option<R> {
        let state = self.state.lock();
        let is_kept = state.lifecycles.kept().contains(&id);
        let found = || state.held.get(&id).or_else(|| state.recalled.get(&id)).map(look);
        is_kept.then(found).flatten()
    }

    /// The superseded generations that stay warm, the first superseded one first.
    pub fn all_kept(&self) -> Vec<GenerationId> {
        self.state.lock().lifecycles.kept()
    }

    /// Keeps a generation beside the last `keep`, until another one or none is named.
    pub fn protect(&self, id: Option<GenerationId>) {
        self.state.lock().lifecycles.protect(id);
    }

    /// From the next update on, `keep` superseded ones stay warm.
    pub fn set_keep(&self, keep: usize) {
        self.state.lock().lifecycles.set_keep(keep);
    }

    /// On uninstall: holds only `nothing` from now on. Returns all contents.
    pub fn clear(&self, nothing: T) -> Vec<T> {
        let current = self.swap(nothing);
        let (held, recalled) = {
            let mut state = self.state.lock();
            (std::mem::take(&mut state.held), std::mem::take(&mut state.recalled))
        };
        held.into_values().chain(recalled.into_values()).chain([current]).collect()
    }
}

impl<T> RegistryState<T> {
    fn freed(&mut self, retirements: Vec<Retirement>) -> Freed<T> {
        let mut freed = Freed { drained: Vec::new(), dropped: Vec::new() };
        for retirement in retirements {
            match retirement {
                Retirement::Drained(id) => freed.drained.push(id),
                Retirement::Dropped(id) => {
                    freed
                        .dropped
                        .extend(self.held.remove(&id).or_else(|| self.recalled.remove(&id)));
                }
            }
        }
        freed
    }
}
