//! Which threads have to leave our code before the interpreter ends?
//!
//! Until Python 3.14, a daemon thread that asks for the GIL while the interpreter ends is ended by
//! `pthread_exit`, which unwinds its stack. Rust's frames do not let that through: the process aborts
//! ("FATAL: exception not rethrown"). So threads that wait in our code without the GIL are counted, and
//! the end of the process waits for them, for a moment. Threads that take longer are kept from that end by
//! `panics.rs`, where they call code of the program.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// How often threads are in our code that waits, or calls code of the program, as an import does.
/// Written by each thread as it enters and leaves.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// How long the end of the process waits for them. Code of the program may hang.
const MOST: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(1);

/// Counts this thread as long as it exists.
pub struct Inside(());

impl Inside {
    pub fn enter() -> Inside {
        INSIDE.fetch_add(1, Ordering::AcqRel);
        Inside(())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let fewer = |count: usize| count.checked_sub(1);
        let _ = INSIDE.fetch_update(Ordering::AcqRel, Ordering::Acquire, fewer);
    }
}

/// A forked child has none of its parent's threads but one.
pub fn forked() {
    INSIDE.store(0, Ordering::Release);
}

/// Waits until no thread is in our code, while the interpreter can still give them the GIL.
pub fn wait_for_all(py: Python<'_>) {
    let begun = Instant::now();
    while INSIDE.load(Ordering::Acquire) > 0 && begun.elapsed() < MOST {
        // Polls until `MOST`: a thread that leaves only counts, and needs the GIL before it does.
        py.detach(|| std::thread::sleep(PAUSE));
    }
}
