//! The generations that are alive, what each holds, and which one is current: who may ask when?
//!
//! `T` is what a generation holds; this crate does not look at it. Two locks, never held together,
//! and never while somebody else's code runs: `shown` is the one swap that publishes, `book` counts.
//! Between the swap and the counting a unit of work may be pinned to a generation that is counted
//! as staged, or still as current: both are alive, so it keeps what it was given. What is to be let
//! go of is handed to the caller, who drops it where no lock is held.

use crate::{
    GenerationId, Generations, Retirement, State,
    sync::{Mutex, MutexGuard, lock},
};
use std::collections::BTreeMap;

/// The generations and what they hold.
#[derive(Debug)]
pub struct Register<T> {
    /// The current generation. Written by [`Register::show`] and by nobody else.
    shown: Mutex<T>,
    /// Who is pinned to which, and what each holds. Written by each method for a few look-ups.
    book: Mutex<Book<T>>,
}

#[derive(Debug)]
struct Book<T> {
    numbers: Generations,
    /// What each generation holds that code can still be asked to run in: staged, current,
    /// draining, kept. An entry leaves when the generation is dropped or abandoned.
    held: BTreeMap<GenerationId, T>,
}

/// What a step has set free.
#[derive(Debug)]
pub struct Freed<T> {
    /// Nobody is pinned to these any more: dispose of them.
    pub drained: Vec<GenerationId>,
    /// These are not kept either: let go of them.
    pub dropped: Vec<T>,
}

impl<T> Freed<T> {
    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        self.drained.is_empty() && self.dropped.is_empty()
    }
}

impl<T> Register<T> {
    /// The first generation is current at once; `first` is called once for each of two copies of
    /// what it holds. `keep` superseded ones will stay warm.
    pub fn new(keep: usize, first: impl Fn(GenerationId) -> T) -> Register<T> {
        Register::from(1, keep, first)
    }

    /// The same, where the first generation has the number `least`.
    pub fn from(least: u64, keep: usize, first: impl Fn(GenerationId) -> T) -> Register<T> {
        let mut numbers = Generations::new(keep);
        numbers.number_from(least);
        let id = numbers.stage();
        numbers.publish(id);
        let held = BTreeMap::from([(id, first(id))]);
        Register { shown: Mutex::new(first(id)), book: Mutex::new(Book { numbers, held }) }
    }

    /// Looks at the current generation. `look` must not wait for anything.
    pub fn current<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&lock(&self.shown))
    }

    /// The next generation gets this number, or a higher one.
    pub fn number_from(&self, least: u64) {
        self.book().numbers.number_from(least);
    }

    /// Begins the next generation; [`Register::hold`] says what it holds.
    pub fn stage(&self) -> GenerationId {
        self.book().numbers.stage()
    }

    /// Says what a staged generation holds.
    pub fn hold(&self, id: GenerationId, what: T) {
        self.book().held.insert(id, what);
    }

    /// Makes it what new work gets: the one swap that publishes. Returns what was current.
    pub fn show(&self, next: T) -> T {
        std::mem::replace(&mut *lock(&self.shown), next)
    }

    /// Counts what [`Register::show`] has shown as current: right after that, because a child that is
    /// forked in between would look for the new one among those that are counted, for ever.
    pub fn publish(&self, id: GenerationId) -> Freed<T> {
        let mut book = self.book();
        let retirements = book.numbers.publish(id);
        book.freed(retirements)
    }

    /// Gives a staged generation up. Returns what it held; nothing if it is not staged.
    pub fn abandon(&self, id: GenerationId) -> Option<T> {
        let mut book = self.book();
        book.numbers.abandon(id).then(|| book.held.remove(&id)).flatten()
    }

    /// Counts a unit of work on a generation; false if that is over.
    pub fn pin(&self, id: GenerationId) -> bool {
        self.book().numbers.pin(id)
    }

    /// Counts a unit of work on the current generation. `look` tells its number, and what to return.
    pub fn pin_current<R>(&self, look: impl Fn(&T) -> (GenerationId, R)) -> R {
        loop {
            let (id, found) = self.current(&look);
            if self.pin(id) {
                return found;
            }
            // It was superseded, and over, between the two: there is another one now.
        }
    }

    /// Lets a unit of work go.
    pub fn unpin(&self, id: GenerationId) -> Freed<T> {
        let mut book = self.book();
        let retirements = book.numbers.unpin(id);
        book.freed(retirements)
    }

    /// Looks at every generation that code can still be asked to run in, the oldest first.
    pub fn alive<R>(&self, mut look: impl FnMut(&T, GenerationId, State) -> R) -> Vec<R> {
        let book = self.book();
        let numbered = book
            .held
            .iter()
            .filter_map(|(id, held)| book.numbers.state(*id).map(|state| look(held, *id, state)));
        numbered.collect()
    }

    /// Looks at one that is kept, so that a rollback is a swap; none if it is not.
    pub fn kept<R>(&self, id: GenerationId, look: impl FnOnce(&T) -> R) -> Option<R> {
        let book = self.book();
        book.numbers.kept().contains(&id).then(|| book.held.get(&id).map(look)).flatten()
    }

    /// The superseded generations that stay warm, the one superseded first first.
    pub fn all_kept(&self) -> Vec<GenerationId> {
        self.book().numbers.kept()
    }

    /// From the next update on, `keep` superseded ones stay warm.
    pub fn set_keep(&self, keep: usize) {
        self.book().numbers.set_keep(keep);
    }

    /// Nothing will be asked for any more: holds nothing but `nothing` from now on. Returns what was
    /// held.
    pub fn clear(&self, nothing: T) -> Vec<T> {
        let shown = self.show(nothing);
        let held = std::mem::take(&mut self.book().held);
        held.into_values().chain([shown]).collect()
    }

    fn book(&self) -> MutexGuard<'_, Book<T>> {
        lock(&self.book)
    }
}

impl<T> Book<T> {
    fn freed(&mut self, retirements: Vec<Retirement>) -> Freed<T> {
        let mut freed = Freed { drained: Vec::new(), dropped: Vec::new() };
        for retirement in retirements {
            match retirement {
                Retirement::Drained(id) => freed.drained.push(id),
                Retirement::Dropped(id) => freed.dropped.extend(self.held.remove(&id)),
            }
        }
        freed
    }
}
