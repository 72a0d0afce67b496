//! A fork waits until no thread is in a critical section, and no thread enters one before the fork
//! has happened.
//!
//! One test, because there is one process.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc::channel,
    },
    thread,
    time::Duration,
};
use transfuse_engine::fork_gate::{enter_critical, quiesce, reset_after_fork, resume};

const CAP: Duration = Duration::from_secs(20);
const BRIEF: Duration = Duration::from_millis(20);

#[test]
fn no_thread_is_critical_while_the_process_forks() {
    // A thread is in a critical section: the fork waits until it leaves.
    let (ended, forks) = (AtomicBool::new(false), channel());
    let held = enter_critical();
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(quiesce(CAP));
            assert!(ended.load(SeqCst), "it did not wait");
            forks.0.send(()).unwrap();
        });
        assert!(forks.1.recv_timeout(BRIEF).is_err());
        ended.store(true, SeqCst);
        drop(held);
    });
    // No thread enters meanwhile, however many forks are pending.
    assert!(quiesce(CAP));
    let begun = channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _critical = enter_critical();
            begun.0.send(()).unwrap();
        });
        assert!(begun.1.recv_timeout(BRIEF).is_err());
        resume();
        assert!(begun.1.recv_timeout(BRIEF).is_err());
        resume();
        begun.1.recv_timeout(CAP).unwrap();
    });
    // The wait has a limit.
    let held = enter_critical();
    assert!(!quiesce(BRIEF));
    resume();
    drop(held);
    // A child in which only one thread is left starts from zero.
    std::mem::forget(enter_critical());
    let _ = quiesce(BRIEF);
    reset_after_fork();
    drop(enter_critical());
    assert!(quiesce(CAP));
    resume();
}
