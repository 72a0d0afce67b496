//! One load for many threads: real threads, held in place by barriers.

use std::{
    collections::HashMap,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};
use transfuse_engine::{Entered, SingleFlight, Waited, sync::Mutex};

/// This number; under Miri, which is a thousand times slower and schedules as it likes, a few
/// times.
fn often(times: u32) -> u32 {
    if cfg!(miri) { times.min(5) } else { times }
}

#[test]
fn the_first_runs_and_comes_back_to_itself() {
    let flights = SingleFlight::default();
    assert_eq!(Entered::Run, flights.enter(&"a", 1));
    assert_eq!(Entered::Partial, flights.enter(&"a", 1));
    assert_eq!(Entered::Busy, flights.enter(&"a", 2));
    flights.finish(&"a", 1);
    assert_eq!(Waited::Finished, flights.wait(&"a", 2));
    assert_eq!(Entered::Run, flights.enter(&"a", 2));
}

#[test]
fn only_the_loading_thread_ends_a_load() {
    let flights = SingleFlight::default();
    flights.enter(&"a", 1);
    flights.finish(&"a", 2);
    assert_eq!(Entered::Busy, flights.enter(&"a", 2));
    assert_eq!(Waited::Partial, flights.wait(&"a", 1));
}

/// Loads `key` once into `loaded`, as the binding does: look, enter, load or wait, look again.
fn load_once(
    flights: &SingleFlight<u32>,
    loaded: &Mutex<HashMap<u32, u64>>,
    runs: &AtomicUsize,
    key: u32,
    me: u64,
) -> u64 {
    loop {
        if let Some(instance) = loaded.lock().get(&key) {
            return *instance;
        }
        match flights.enter(&key, me) {
            Entered::Run => {
                // Checked again: another thread may have loaded it between the look and the entry.
                let mut loaded = loaded.lock();
                let instance = *loaded.entry(key).or_insert_with(|| {
                    runs.fetch_add(1, SeqCst);
                    me
                });
                drop(loaded);
                flights.finish(&key, me);
                return instance;
            }
            Entered::Busy => drop(flights.wait(&key, me)),
            Entered::Partial => panic!("nothing here imports in a circle"),
        }
    }
}

#[test]
fn p1_many_threads_ask_and_one_loads() {
    for _ in 0..often(50) {
        let (flights, loaded, runs) =
            (SingleFlight::default(), Mutex::default(), AtomicUsize::new(0));
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for me in 0..8 {
                let (flights, loaded, runs, start) = (&flights, &loaded, &runs, &start);
                scope.spawn(move || {
                    start.wait();
                    for key in 0..20 {
                        load_once(flights, loaded, runs, key, me);
                    }
                });
            }
        });
        assert_eq!(20, runs.load(SeqCst));
        assert!(flights.is_idle());
    }
}

#[test]
fn p1_a_failed_load_wakes_the_waiting_threads() {
    let flights = SingleFlight::default();
    assert_eq!(Entered::Run, flights.enter(&"a", 0));
    let (waiting, runs) = (Barrier::new(5), AtomicUsize::new(0));
    thread::scope(|scope| {
        for me in 1..5 {
            let (flights, waiting, runs) = (&flights, &waiting, &runs);
            scope.spawn(move || {
                assert_eq!(Entered::Busy, flights.enter(&"a", me));
                waiting.wait();
                // Each thread tries in turn, and fails too.
                while flights.enter(&"a", me) == Entered::Busy {
                    assert_eq!(Waited::Finished, flights.wait(&"a", me));
                }
                runs.fetch_add(1, SeqCst);
                flights.finish(&"a", me);
            });
        }
        waiting.wait();
        flights.finish(&"a", 0);
    });
    assert_eq!((4, true), (runs.load(SeqCst), flights.is_idle()));
}

/// Thread `me` of `count` loads value `me`, and meanwhile needs value `me + 1`, around a circle.
/// Returns how many threads got a partially loaded value.
fn circle(count: u64) -> usize {
    let (flights, partial) = (SingleFlight::default(), AtomicUsize::new(0));
    let loading = Barrier::new(count as usize);
    thread::scope(|scope| {
        for me in 0..count {
            let (flights, loading, partial) = (&flights, &loading, &partial);
            scope.spawn(move || {
                assert_eq!(Entered::Run, flights.enter(&me, me));
                loading.wait();
                let needed = (me + 1) % count;
                let got_partial = match flights.enter(&needed, me) {
                    Entered::Busy => flights.wait(&needed, me) == Waited::Partial,
                    Entered::Partial => true,
                    // The load is over already, as it is if another thread broke the circle.
                    Entered::Run => {
                        flights.finish(&needed, me);
                        false
                    }
                };
                partial.fetch_add(usize::from(got_partial), SeqCst);
                flights.finish(&me, me);
            });
        }
    });
    assert!(flights.is_idle());
    partial.load(SeqCst)
}

#[test]
fn p1_a_circle_from_both_ends_is_no_deadlock() {
    for _ in 0..often(300) {
        assert_eq!(1, circle(2), "one thread goes on, the other one waits for it");
    }
}

#[test]
fn p1_a_circle_of_three_is_no_deadlock() {
    for _ in 0..often(300) {
        assert_eq!(1, circle(3), "one thread goes on, the others wait");
    }
}

#[test]
fn p1_a_chain_is_waited_for_to_its_end() {
    // 1 loads a; 2 loads b and needs a; 3 needs b. No thread gets a partially loaded value.
    for _ in 0..often(100) {
        let flights = SingleFlight::default();
        flights.enter(&"a", 1);
        flights.enter(&"b", 2);
        let over = Mutex::new(Vec::new());
        thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(Waited::Finished, flights.wait(&"a", 2));
                over.lock().push("b");
                flights.finish(&"b", 2);
            });
            scope.spawn(|| {
                assert_eq!(Waited::Finished, flights.wait(&"b", 3));
                assert_eq!(vec!["a", "b"], *over.lock());
            });
            over.lock().push("a");
            flights.finish(&"a", 1);
        });
        assert!(flights.is_idle());
    }
}

#[test]
fn p1_a_wait_ends_with_its_own_load_and_is_over_then() {
    // 2 loads b and waits for a; 1 has loaded a, and loads it again before 2 has woken up. 2 did
    // not wait for the new load, so it wakes up; and 1, which needs b, is in no circle.
    for _ in 0..often(500) {
        let flights = SingleFlight::default();
        flights.enter(&"a", 1);
        flights.enter(&"b", 2);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                assert_eq!(Waited::Finished, flights.wait(&"a", 2));
                flights.finish(&"b", 2);
            });
            while flights.waiting() == 0 {
                thread::yield_now();
            }
            flights.finish(&"a", 1);
            assert_eq!(Entered::Run, flights.enter(&"a", 1));
            assert_ne!(Entered::Partial, flights.enter(&"b", 1));
            waiter.join().unwrap();
        });
    }
}

#[test]
fn p1_unrelated_loads_do_not_wait_for_each_other() {
    let flights = SingleFlight::default();
    assert_eq!(Entered::Run, flights.enter(&"slow", 1));
    // In one thread, so it would hang if it waited.
    assert_eq!(Entered::Run, flights.enter(&"other", 2));
    flights.finish(&"other", 2);
    assert_eq!(Waited::Finished, flights.wait(&"other", 3));
    flights.finish(&"slow", 1);
}

#[test]
fn p1_a_storm_of_nested_loads_ends() {
    // Each thread loads values that need the next ones, in circles, from different ends.
    let flights = SingleFlight::default();
    thread::scope(|scope| {
        for me in 0..6u64 {
            let flights = &flights;
            scope.spawn(move || {
                for round in 0..often(300) {
                    nested(flights, (round + me as u32) % 5, me, 4);
                }
            });
        }
    });
    assert!(flights.is_idle());
}

fn nested(flights: &SingleFlight<u32>, key: u32, me: u64, depth: u32) {
    match flights.enter(&key, me) {
        Entered::Run => {
            if depth > 0 {
                nested(flights, (key + 1 + me as u32 % 2) % 5, me, depth - 1);
            }
            flights.finish(&key, me);
        }
        Entered::Busy => drop(flights.wait(&key, me)),
        Entered::Partial => {}
    }
}

#[test]
fn p1_a_wait_that_is_given_up_closes_no_circle() {
    let flights = SingleFlight::default();
    flights.enter(&"a", 1);
    flights.enter(&"b", 2);
    let waiting = flights.await_load(&"a", 2).unwrap();
    assert!(!waiting.wait_timeout(Duration::from_millis(1)) && !waiting.is_over());
    assert_eq!((1, Entered::Partial), (flights.waiting(), flights.enter(&"b", 1)));
    drop(waiting);
    assert_eq!((0, Entered::Busy), (flights.waiting(), flights.enter(&"b", 1)));
}

#[test]
fn in_a_forked_child_others_wait_for_nothing_and_are_not_waited_for() {
    let flights = SingleFlight::default();
    flights.enter(&"theirs", 1);
    flights.enter(&"mine", 2);
    let (mine, theirs) =
        (flights.await_load(&"mine", 3).unwrap(), flights.await_load(&"theirs", 2));
    let theirs = theirs.unwrap();
    flights.keep_only(2);
    assert_eq!(0, flights.waiting());
    assert!(theirs.is_over(), "no thread is going to end it");
    assert_eq!(Entered::Run, flights.enter(&"theirs", 2));
    // It has a new completion: the lock of the one before may be held by a thread that is gone.
    flights.finish(&"mine", 2);
    assert!(!mine.wait_timeout(Duration::from_millis(1)) && mine.is_over());
}
