//! How does work of an update come to run in another thread, which the program lends?
//!
//! A thread is lent where it runs nothing of the program: by the event loop in it, which calls
//! [`run_offered`], or while it waits for an update (`state/request.rs`). Work that has not begun can be
//! withdrawn. Which thread it is, is decided in `transfuse/updates/main_thread.py`.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pyo3::prelude::*;
use transfuse_engine::sync::Mutex;

use crate::cpython::thread::ident;

pub type Work = Box<dyn FnOnce(Python<'_>) + Send>;

struct Offer {
    number: u64,
    /// The thread that it is for, as `threading.get_ident` has it.
    thread: u64,
    /// A forked child has no update of its parent.
    process: u32,
    work: Work,
}

/// Work that has not begun, the first first. Entries leave when their thread takes them, or when they are
/// withdrawn. The lock is held for the look-up.
static OFFERS: Mutex<Vec<Offer>> = Mutex::new(Vec::new());
/// Whether there may be any: asked by each thread that waits for an update.
static IS_OFFERED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whether this thread runs such work.
    static IS_LENT: Cell<bool> = const { Cell::new(false) };
}

/// Offers work to a thread; returns the number by which it can be withdrawn.
pub fn offer(thread: u64, work: Work) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    OFFERS.lock().push(Offer { number, thread, process: std::process::id(), work });
    IS_OFFERED.store(true, Ordering::Release);
    number
}

/// Takes work back. False if it has begun.
pub fn withdraw(number: u64) -> bool {
    take(|offer| offer.number == number).is_some()
}

/// Whether such work has not begun.
pub fn is_waiting(number: u64) -> bool {
    OFFERS.lock().iter().any(|offer| offer.number == number)
}

/// Runs the work that is offered to this thread, if there is any.
pub fn run_offered(py: Python<'_>) {
    if !IS_OFFERED.load(Ordering::Acquire) {
        return;
    }
    let (thread, process) = (ident(), std::process::id());
    while let Some(offer) = take(|offer| offer.thread == thread && offer.process == process) {
        let _lent = Lent(IS_LENT.replace(true));
        (offer.work)(py);
    }
}

/// Whether this thread runs work that was offered to it.
pub fn is_lent() -> bool {
    IS_LENT.get()
}

/// This thread is lent until this is dropped.
struct Lent(bool);

impl Drop for Lent {
    fn drop(&mut self) {
        IS_LENT.set(self.0);
    }
}

fn take(is_it: impl Fn(&Offer) -> bool) -> Option<Offer> {
    let mut offers = OFFERS.lock();
    let at = offers.iter().position(is_it)?;
    let found = offers.remove(at);
    IS_OFFERED.store(!offers.is_empty(), Ordering::Release);
    Some(found)
}
