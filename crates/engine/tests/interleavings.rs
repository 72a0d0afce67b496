//! Invariants under all interleavings of threads: publish, pin, drain, abandon, one load.
//!
//! Runs under shuttle, which is the scheduler: each iteration is one interleaving, chosen at random
//! or by PCT (a few changes of priority, which finds rare orders). `cargo test --features shuttle`;
//! `INTERLEAVINGS=100000` tries more. A failure prints the schedule that replays it.

use shuttle::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use shuttle::thread;
use transfuse_engine::{
    Entered, Freed, GenerationId, GenerationRegistry, SingleFlight, Succession, Waited, sync::Mutex,
};

/// Runs a story under both schedulers.
fn explore(story: impl Fn() + Send + Sync + Clone + 'static) {
    let count = std::env::var("INTERLEAVINGS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    shuttle::check_random(story.clone(), count);
    shuttle::check_pct(story, count, 3);
}

/// The contents of a generation: its number, and whether it was disposed of or dropped.
#[derive(Clone)]
struct Held {
    id: GenerationId,
    disposed: Arc<AtomicUsize>,
    dropped: Arc<AtomicBool>,
}

impl Held {
    fn new(id: GenerationId) -> Held {
        let (disposed, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        Held { id, disposed, dropped }
    }
}

/// A registry, and all contents so far, by number.
struct World {
    registry: GenerationRegistry<Held>,
    all: Mutex<Vec<Held>>,
}

impl World {
    fn new(keep: usize) -> World {
        let first = Held::new(GenerationId(1));
        World {
            registry: GenerationRegistry::new(1, keep, |_| first.clone()),
            all: Mutex::new(vec![first]),
        }
    }

    /// As a staged update does: staged, and then published or abandoned.
    fn update(&self, good: bool) {
        let id = self.registry.stage();
        let held = Held::new(id);
        self.registry.set_contents(id, held.clone());
        if good {
            self.all.lock().push(held.clone());
            let old = self.registry.swap(held);
            assert!(!old.dropped.load(Ordering::SeqCst), "{} was dropped while current", old.id);
            self.clear(self.registry.commit(id, Succession::Another));
        } else {
            assert_eq!(Some(id), self.registry.abandon(id).map(|held| held.id));
        }
    }

    /// As `transfuse.rollback()` does: the latest kept contents, under a new number.
    fn roll_back(&self) {
        let Some(id) = self.registry.all_kept().pop() else { return };
        let held = self.registry.kept(id, Held::clone).expect("it is kept");
        thread::yield_now();
        assert!(!held.dropped.load(Ordering::SeqCst), "{id} was dropped though it is kept");
        self.update(true);
        assert!(id < self.registry.current(|held| held.id));
    }

    fn clear(&self, freed: Freed<Held>) {
        for id in freed.drained {
            let all = self.all.lock();
            let held = all.iter().find(|held| held.id == id).expect("was published");
            held.disposed.fetch_add(1, Ordering::SeqCst);
        }
        for held in freed.dropped {
            assert!(!held.dropped.swap(true, Ordering::SeqCst), "{} was dropped twice", held.id);
        }
    }

    /// A unit of work: it pins, looks twice, and releases the pin.
    fn work(&self) -> GenerationId {
        let held = self.registry.pin_current(|held| (held.id, held.clone()));
        for _ in 0..2 {
            thread::yield_now();
            assert!(!held.dropped.load(Ordering::SeqCst), "{} went while in use", held.id);
            assert_eq!(0, held.disposed.load(Ordering::SeqCst), "{} disposed of in use", held.id);
        }
        self.clear(self.registry.unpin(held.id));
        held.id
    }

    /// Without any unit of work, only the current one and the kept ones are left.
    fn at_rest(&self) {
        let current = self.registry.current(|held| held.id);
        let kept = self.registry.all_kept();
        for held in self.all.lock().iter() {
            let left = held.id == current || kept.contains(&held.id);
            assert_eq!(!left, held.dropped.load(Ordering::SeqCst), "{} at rest", held.id);
            let disposed = usize::from(held.id != current);
            assert_eq!(disposed, held.disposed.load(Ordering::SeqCst), "{} at rest", held.id);
        }
    }
}

fn together(count: usize, work: impl Fn(usize) + Send + Sync + 'static) {
    let work = Arc::new(work);
    let threads: Vec<_> = (0..count)
        .map(|number| {
            let work = Arc::clone(&work);
            thread::spawn(move || work(number))
        })
        .collect();
    for each in threads {
        each.join().unwrap();
    }
}

#[test]
fn p2_p8_a_pinned_generation_stays_and_goes_with_its_last_unit_of_work() {
    for keep in [0, 1] {
        explore(move || {
            let world = Arc::new(World::new(keep));
            let shared = Arc::clone(&world);
            together(4, move |number| match number {
                0 => (0..3).for_each(|_| shared.update(true)),
                _ => drop(shared.work()),
            });
            world.at_rest();
        });
    }
}

#[test]
fn p3_work_that_begins_after_the_swap_gets_the_new_one() {
    explore(|| {
        let world = Arc::new(World::new(0));
        let shared = Arc::clone(&world);
        let published = Arc::new(AtomicUsize::new(1));
        together(3, move |number| {
            if number == 0 {
                for _ in 0..2 {
                    shared.update(true);
                    published.fetch_add(1, Ordering::SeqCst);
                }
            } else {
                let (first, before) = (shared.work(), published.load(Ordering::SeqCst));
                let second = shared.work();
                assert!(first <= second, "{first} and then {second}");
                assert!(before as u64 <= second.0, "{second} after {before} was published");
            }
        });
    });
}

#[test]
fn p4_a_refused_update_changes_nothing_for_anybody() {
    explore(|| {
        let world = Arc::new(World::new(1));
        let shared = Arc::clone(&world);
        together(3, move |number| match number {
            0 => [false, true, false].into_iter().for_each(|good| shared.update(good)),
            _ => assert!(shared.work().0 <= 2),
        });
        world.at_rest();
        assert_eq!(2, world.registry.current(|held| held.id.0));
    });
}

#[test]
fn p4_work_pinned_to_an_abandoned_generation() {
    explore(|| {
        let world = Arc::new(World::new(0));
        let id = world.registry.stage();
        let staged = Held::new(id);
        world.registry.set_contents(id, staged.clone());
        let shared = Arc::clone(&world);
        together(3, move |number| match number {
            0 => {
                // The code that is staged runs in it, and has started a thread that does too.
                assert!(shared.registry.pin(id), "it is being staged");
                thread::yield_now();
                let held = shared.registry.abandon(id).expect("it was held");
                assert_eq!(id, held.id);
                assert!(!shared.registry.pin(id), "it was given up");
                assert!(shared.registry.unpin(id).is_empty(), "nothing of it was published");
                shared.update(true);
            }
            1 => {
                if shared.registry.pin(id) {
                    thread::yield_now();
                    let freed = shared.registry.unpin(id);
                    // The number may have been reused in between only if it had no pins.
                    assert!(freed.drained.is_empty(), "{id} was disposed of while pinned");
                }
            }
            _ => drop(shared.work()),
        });
        world.at_rest();
        let current = world.registry.current(|held| held.id);
        assert!(current > GenerationId(1), "the update after it was published");
        assert!(!staged.dropped.load(Ordering::SeqCst), "what was given up was handed back");
    });
}

#[test]
fn p2_a_rollback_while_others_publish_and_work() {
    explore(|| {
        let world = Arc::new(World::new(2));
        world.update(true);
        let turn = Arc::new(Mutex::new(()));
        let shared = Arc::clone(&world);
        together(3, move |number| match number {
            0 => (0..2).for_each(|_| {
                let _turn = turn.lock();
                shared.update(true);
            }),
            1 => {
                let _turn = turn.lock();
                shared.roll_back();
            }
            _ => drop(shared.work()),
        });
        world.at_rest();
        assert_eq!(GenerationId(5), world.registry.current(|held| held.id));
    });
}

/// Values that need each other, loaded by the rules of `SingleFlight` as the binding does it.
struct Loads {
    flights: SingleFlight<usize>,
    needs: Vec<Vec<usize>>,
    done: Vec<AtomicUsize>,
    /// The value whose first load fails.
    fails: Option<usize>,
    failed: AtomicBool,
}

impl Loads {
    fn new(needs: &[&[usize]], fails: Option<usize>) -> Loads {
        Loads {
            flights: SingleFlight::default(),
            needs: needs.iter().map(|needs| needs.to_vec()).collect(),
            done: needs.iter().map(|_| AtomicUsize::new(0)).collect(),
            fails,
            failed: AtomicBool::new(false),
        }
    }

    fn ensure(&self, thing: usize, thread: u64) -> bool {
        loop {
            if self.done[thing].load(Ordering::SeqCst) > 0 {
                return true;
            }
            match self.flights.enter(&thing, thread) {
                Entered::Partial => return true,
                Entered::Busy => match self.flights.wait(&thing, thread) {
                    Waited::Partial => return true,
                    Waited::Finished => {}
                },
                Entered::Run => {
                    let already = self.done[thing].load(Ordering::SeqCst) > 0;
                    let good = already || self.run(thing, thread);
                    self.flights.finish(&thing, thread);
                    return good;
                }
            }
        }
    }

    fn run(&self, thing: usize, thread: u64) -> bool {
        let fails = self.fails == Some(thing) && !self.failed.swap(true, Ordering::SeqCst);
        let good = !fails && self.needs[thing].iter().all(|need| self.ensure(*need, thread));
        if good {
            assert_eq!(0, self.done[thing].fetch_add(1, Ordering::SeqCst), "{thing} loaded twice");
        }
        good
    }
}

/// Each thread asks for one value; in the end all are loaded once, and no thread waits for ever.
fn all_are_loaded_once(needs: &'static [&'static [usize]], fails: Option<usize>) {
    explore(move || {
        let loads = Arc::new(Loads::new(needs, fails));
        let shared = Arc::clone(&loads);
        together(needs.len(), move |number| {
            if !shared.ensure(number, number as u64 + 1) {
                // Its load failed, and it tries again.
                assert!(shared.ensure(number, number as u64 + 1));
            }
        });
        assert!(loads.flights.is_idle());
        assert!(loads.done.iter().all(|done| done.load(Ordering::SeqCst) == 1));
    });
}

#[test]
fn p1_a_diamond() {
    all_are_loaded_once(&[&[1, 2], &[3], &[3], &[]], None);
}

#[test]
fn p1_a_circle_entered_from_all_sides() {
    all_are_loaded_once(&[&[1], &[2], &[0]], None);
}

#[test]
fn p1_two_circles_that_share_a_thing() {
    all_are_loaded_once(&[&[1], &[0, 2], &[3], &[1]], None);
}

#[test]
fn p1_a_load_that_fails_once() {
    all_are_loaded_once(&[&[2], &[2], &[]], Some(2));
}

#[test]
fn p1_a_cancelled_load_lets_waiting_threads_continue() {
    // The thread is interrupted (the time limit, Ctrl-C) between any two of its steps, with its own
    // loads in progress: they end, and the waiting threads load the values themselves.
    explore(|| {
        let needs: &[&[usize]] = &[&[1], &[2], &[]];
        let loads = Arc::new(Loads::new(needs, None));
        let cancelled = Arc::new(AtomicUsize::new(0));
        let (shared, count) = (Arc::clone(&loads), Arc::clone(&cancelled));
        together(3, move |number| {
            let thread = number as u64 + 1;
            if number == 0 {
                for thing in [0, 1] {
                    if shared.flights.enter(&thing, thread) == Entered::Run {
                        thread::yield_now();
                        count.fetch_add(1, Ordering::SeqCst);
                        shared.flights.finish(&thing, thread);
                    }
                }
            } else {
                assert!(shared.ensure(0, thread), "only the cancelled load fails");
            }
        });
        assert!(loads.flights.is_idle(), "what was cancelled is over");
        assert!(loads.done.iter().all(|done| done.load(Ordering::SeqCst) == 1));
    });
}
