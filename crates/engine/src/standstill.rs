//! Is nobody of ours in the middle of something while the process forks?
//!
//! A forked child has the memory of its parent and one of its threads. A lock that another thread
//! had at that moment is never given back in it, and what that thread was writing is half-written.
//! Threads of the interpreter's that have our locks are not in the way: who forks has the GIL, or
//! has stopped them, and none of them is stopped inside of ours. But the threads that watch and
//! compare work without it. So these say when they are [`busy`], and who forks waits until nobody is.
//!
//! Locks replaced in the child instead would leave what they guard half-written. A look at a large
//! tree can take long, so the waiting has a limit; a fork after that is as good as one without this.
//! All of it is one number: a lock in here would itself be in the way.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// How many forks are about to happen, times [`FORK`], and how many threads are busy.
static STATE: AtomicU64 = AtomicU64::new(0);

const FORK: u64 = 1 << 32;
/// How long between two looks of who waits.
const PAUSE: Duration = Duration::from_micros(200);

/// This thread has, or may take, locks of ours: until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Busy(());

/// Begins to be busy; waits while the process forks. For threads that are not attached to an
/// interpreter, and not while one is busy already: who forks would be waited for, and wait.
pub fn busy() -> Busy {
    loop {
        let before = STATE.fetch_add(1, Ordering::SeqCst);
        if before < FORK {
            return Busy(());
        }
        STATE.fetch_sub(1, Ordering::SeqCst);
        // There is no bell that a fork could not leave locked.
        std::thread::sleep(PAUSE); // between two looks, until `go_on`
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        STATE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// From now on nobody begins to be busy. Waits until nobody is, or for `limit`; whether nobody is.
pub fn stand_still(limit: Duration) -> bool {
    STATE.fetch_add(FORK, Ordering::SeqCst);
    let until = Instant::now() + limit;
    while !STATE.load(Ordering::SeqCst).is_multiple_of(FORK) {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(PAUSE); // between two looks, until `limit`: no bell here either
    }
    true
}

/// The fork has happened: in the parent all go on.
pub fn go_on() {
    STATE.fetch_sub(FORK, Ordering::SeqCst);
}

/// In the child there is nobody else.
pub fn alone() {
    STATE.store(0, Ordering::SeqCst);
}
