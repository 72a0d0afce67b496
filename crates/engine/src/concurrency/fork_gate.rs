//! Is no thread of ours inside a critical section while the process forks?
//!
//! A forked child has the memory of its parent and only one of its threads. A lock that another
//! thread held at that moment is never released in the child, and the state that this thread was
//! changing stays half-changed. Threads attached to the interpreter are no problem: the forking
//! thread holds the GIL, or has stopped them, and none of them stops inside one of our locks. But
//! the threads that watch and compare files run detached. They call [`enter_critical`] around such
//! work, and the forking thread calls [`quiesce`] to wait for them.
//!
//! Replacing the locks in the child instead would leave the guarded state half-changed. Comparing a
//! large tree can take long, so the wait has a limit; after it, a fork is as safe as without this
//! gate. The gate is one number, because a lock in here would have the same problem.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The number of pending forks times [`FORK`], plus the number of threads in a critical section.
static STATE: AtomicU64 = AtomicU64::new(0);

const FORK: u64 = 1 << 32;
/// The pause between two looks at [`STATE`]. There is no condition to wait on, because a fork could
/// leave its lock held.
const PAUSE: Duration = Duration::from_micros(200);

/// Until this is dropped, the thread may hold locks of ours.
#[derive(Debug)]
#[must_use]
pub struct CriticalSection(());

/// Enters a critical section; waits while the process forks. Call it only from threads that are not
/// attached to an interpreter, and not inside another critical section: the forking thread would
/// wait for the outer one, and the inner one for the fork.
pub fn enter_critical() -> CriticalSection {
    loop {
        let before = STATE.fetch_add(1, Ordering::SeqCst);
        if before < FORK {
            return CriticalSection(());
        }
        STATE.fetch_sub(1, Ordering::SeqCst);
        // Polls until `resume`: a condition variable has a lock, which the child could inherit locked.
        std::thread::sleep(PAUSE);
    }
}

impl Drop for CriticalSection {
    fn drop(&mut self) {
        STATE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Before a fork: lets no thread enter a critical section, and waits up to `limit` until all have
/// left theirs. Returns whether they have.
pub fn quiesce(limit: Duration) -> bool {
    STATE.fetch_add(FORK, Ordering::SeqCst);
    let until = Instant::now() + limit;
    while !STATE.load(Ordering::SeqCst).is_multiple_of(FORK) {
        if Instant::now() >= until {
            return false;
        }
        // Polls until `limit`, for the same reason.
        std::thread::sleep(PAUSE);
    }
    true
}

/// After a fork, in the parent: lets threads enter again.
pub fn resume() {
    STATE.fetch_sub(FORK, Ordering::SeqCst);
}

/// After a fork, in the child: forgets the parent's other threads.
pub fn reset_after_fork() {
    STATE.store(0, Ordering::SeqCst);
}
