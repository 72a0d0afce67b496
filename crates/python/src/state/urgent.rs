//! Which requests come before an update that is under way?
//!
//! A rollback starts from the generation that is served when it is asked for, and the end of the
//! thread that updates waits for nothing. Written by the thread that asks and by the one that
//! updates.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::state::command::Command;

#[derive(Default)]
pub struct UrgentRequests {
    /// How many rollbacks were asked for, and are not begun.
    rollbacks: AtomicUsize,
    /// Whether the thread that updates is to end.
    stopping: AtomicBool,
}

impl UrgentRequests {
    pub fn is_sent(&self, command: &Command) {
        if command.is_rollback() {
            self.rollbacks.fetch_add(1, Ordering::AcqRel);
        }
        if matches!(command, Command::Stop) {
            self.stopping.store(true, Ordering::Release);
        }
    }

    /// The thread that updates begins with it.
    pub fn begins(&self, command: &Command) {
        if command.is_rollback() {
            self.rollbacks.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Is a rollback waiting, before which no update is to be published?
    pub fn has_rollback(&self) -> bool {
        self.rollbacks.load(Ordering::Acquire) > 0
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Another thread updates from now on, which knows of no request.
    pub fn reset(&self) {
        self.rollbacks.store(0, Ordering::Release);
        self.stopping.store(false, Ordering::Release);
    }
}
