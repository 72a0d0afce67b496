//! Who forks waits until nobody is busy, and nobody begins before the fork has happened.
//!
//! One test: there is one process.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc::channel,
    },
    thread,
    time::Duration,
};
use transfuse_engine::{alone, busy, go_on, stand_still};

const CAP: Duration = Duration::from_secs(20);
const BRIEF: Duration = Duration::from_millis(20);

#[test]
fn nobody_is_busy_while_the_process_forks() {
    // Somebody is busy: the fork waits for the end of that.
    let (ended, forks) = (AtomicBool::new(false), channel());
    let held = busy();
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(stand_still(CAP));
            assert!(ended.load(SeqCst), "it did not wait");
            forks.0.send(()).unwrap();
        });
        assert!(forks.1.recv_timeout(BRIEF).is_err());
        ended.store(true, SeqCst);
        drop(held);
    });
    // Nobody begins meanwhile, however many forks there are to be.
    assert!(stand_still(CAP));
    let begun = channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _busy = busy();
            begun.0.send(()).unwrap();
        });
        assert!(begun.1.recv_timeout(BRIEF).is_err());
        go_on();
        assert!(begun.1.recv_timeout(BRIEF).is_err());
        go_on();
        begun.1.recv_timeout(CAP).unwrap();
    });
    // The waiting has a limit.
    let held = busy();
    assert!(!stand_still(BRIEF));
    go_on();
    drop(held);
    // A child in which only one thread is left begins anew.
    std::mem::forget(busy());
    let _ = stand_still(BRIEF);
    alone();
    drop(busy());
    assert!(stand_still(CAP));
    go_on();
}
