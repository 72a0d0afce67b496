//! May the update that this thread stages still be published, and how is it given up?
//!
//! The code of an update may hang. When something newer was saved, the updating thread gives the
//! attempt up: it raises an exception in the code, wherever that is in Python. If the code does not
//! end all the same, because it is in a call into C, the attempt is left behind: its thread goes on,
//! and nothing that it does has an effect any more. `updater/stager.rs` decides; the code that stages
//! asks here.

use std::{cell::RefCell, sync::Arc, time::Duration, time::Instant};

use pyo3::{ffi, intern, prelude::*};
use transfuse_engine::sync::Mutex;

use crate::cpython::{thread, thread::ident, time_limit::arrive};

thread_local! {
    /// The attempt that this thread carries out. Only the thread itself reads and writes it.
    static CURRENT: RefCell<Option<Arc<Attempt>>> = const { RefCell::new(None) };
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// It is being published, so it is too late to give it up.
    Committing,
    GivenUp,
    /// Given up, and its thread is not waited for.
    LeftBehind,
}

/// One attempt at an update.
#[derive(Debug, Default)]
pub struct Attempt(Mutex<AttemptState>);

#[derive(Debug, Default)]
struct AttemptState {
    phase: Phase,
    /// The thread that runs code of the program, as `threading.get_ident` has it; none while it runs
    /// none, so that nothing is raised in it.
    runs_code: Option<u64>,
    /// Since when it runs code of modules, which `time_limit` is for.
    since: Option<Instant>,
    /// Whether the exception was raised. Whether it has arrived is unknown.
    raised: bool,
    /// The thread that carries it out: `threading.get_ident`'s number, and ours.
    thread: (u64, u64),
    /// The generation that participants prepare for, until they hear how it ends.
    prepared: Option<u64>,
}

impl Attempt {
    /// Gives it up, unless it is too late. The exception arrives when its thread runs Python code.
    pub fn give_up(&self, py: Python<'_>) -> bool {
        let kind = py
            .import(intern!(py, "transfuse.errors"))
            .and_then(|errors| errors.getattr(intern!(py, "GivenUp")));
        // Under the lock, so that nothing is raised after the code has ended.
        let mut state = self.0.lock();
        if state.phase != Phase::Open {
            return false;
        }
        state.phase = Phase::GivenUp;
        if let (Some(thread), Ok(kind)) = (state.runs_code, kind) {
            state.raised = true;
            // SAFETY: attached; the class is a live object. The call only notes it.
            unsafe { ffi::PyThreadState_SetAsyncExc(thread as _, kind.as_ptr()) };
        }
        true
    }

    /// For how long it has been running code of modules.
    pub fn runs_modules_for(&self) -> Option<Duration> {
        self.0.lock().since.map(|since| since.elapsed())
    }

    /// Its thread does not end. Returns our number of it, and the generation whose participants have
    /// to hear of the end.
    pub fn leave_behind(&self) -> (u64, Option<u64>) {
        let mut state = self.0.lock();
        state.phase = Phase::LeftBehind;
        (state.thread.1, state.prepared.take())
    }

    /// The thread that carries it out, as `threading.get_ident` has it.
    pub fn ident(&self) -> u64 {
        self.0.lock().thread.0
    }
}

/// This thread carries out an attempt, until this is dropped.
pub struct Current;

impl Current {
    pub fn begin(attempt: &Arc<Attempt>) -> Current {
        attempt.0.lock().thread = (ident(), thread::thread());
        CURRENT.with_borrow_mut(|current| *current = Some(Arc::clone(attempt)));
        Current
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| *current = None);
    }
}

/// Code of the program runs in this thread until this is dropped, and an attempt that is given up
/// meanwhile ends it.
pub struct Interruptible(Option<Arc<Attempt>>);

impl Interruptible {
    pub fn begin() -> Interruptible {
        let attempt = current();
        if let Some(attempt) = &attempt {
            attempt.0.lock().runs_code = Some(ident());
        }
        Interruptible(attempt)
    }

    /// The same for code of modules.
    pub fn begin_modules() -> Interruptible {
        let begun = Interruptible::begin();
        if let Some(attempt) = &begun.0 {
            attempt.0.lock().since = Some(Instant::now());
        }
        begun
    }
}

impl Drop for Interruptible {
    /// An exception that was raised and has not arrived yet arrives here, and is dropped.
    fn drop(&mut self) {
        let Some(attempt) = &self.0 else { return };
        let raised = {
            let mut state = attempt.0.lock();
            state.runs_code = None;
            state.since = None;
            std::mem::take(&mut state.raised)
        };
        if raised {
            Python::attach(arrive);
        }
    }
}

/// Another thread has carried it out for a while, and this one goes on.
pub fn continue_here() {
    if let Some(attempt) = current() {
        attempt.0.lock().thread = (ident(), thread::thread());
    }
}

/// The attempt that this thread carries out.
pub fn current() -> Option<Arc<Attempt>> {
    CURRENT.with_borrow(Option::clone)
}

fn phase() -> Phase {
    current().map_or(Phase::Open, |attempt| attempt.0.lock().phase)
}

/// Was the attempt of this thread given up?
pub fn is_given_up() -> bool {
    matches!(phase(), Phase::GivenUp | Phase::LeftBehind)
}

/// Was it left behind, so that others have gone on?
pub fn is_left_behind() -> bool {
    phase() == Phase::LeftBehind
}

/// The participants prepare for a generation; none: they have heard how it ends.
pub fn set_prepared(generation: Option<u64>) {
    if let Some(attempt) = current() {
        attempt.0.lock().prepared = generation;
    }
}

/// It was not published after all, and may be tried in another way.
pub fn commit_failed() {
    if let Some(attempt) = current() {
        attempt.0.lock().phase = Phase::Open;
    }
}

/// From now on it cannot be given up. False if it was.
pub fn may_commit() -> bool {
    let Some(attempt) = current() else { return true };
    let mut state = attempt.0.lock();
    if state.phase == Phase::Open {
        state.phase = Phase::Committing;
    }
    state.phase == Phase::Committing
}
