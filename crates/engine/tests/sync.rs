//! Locks that go on working after a thread panicked while it held them.

use std::thread;
use transfuse_engine::sync::Mutex;

#[test]
fn a_panic_under_a_lock_does_not_poison_it() {
    let count = Mutex::new(1);
    thread::scope(|scope| {
        let panics = scope.spawn(|| {
            let _count = count.lock();
            panic!("while the lock is held");
        });
        panics.join().unwrap_err();
    });
    *count.lock() += 1;
    assert_eq!(Some(2), count.try_lock().map(|count| *count));
    let _held = count.lock();
    assert!(count.try_lock().is_none());
}
