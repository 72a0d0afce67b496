//! A panic under a lock concerns no other thread.

use std::thread;
use transfuse_engine::sync::{Condvar, Mutex};

#[test]
fn a_thread_that_panics_under_a_lock_leaves_it_usable() {
    let (lock, changed) = (Mutex::new(1), Condvar::default());
    let panicked = thread::scope(|scope| {
        scope
            .spawn(|| {
                let mut value = lock.lock();
                *value = 2;
                panic!("under the lock");
            })
            .join()
    });
    assert!(panicked.is_err());
    assert_eq!(Some(2), lock.try_lock().map(|value| *value));
    thread::scope(|scope| {
        let mut value = lock.lock();
        scope.spawn(|| {
            *lock.lock() = 3;
            changed.notify_all();
        });
        while *value != 3 {
            value = changed.wait(value);
        }
    });
}
