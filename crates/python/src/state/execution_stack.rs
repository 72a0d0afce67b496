//! Which live modules is this thread executing?
//!
//! One stack for each thread. Observations of an execution are kept elsewhere
//! (`effects/observation.rs`).

use std::cell::RefCell;

use pyo3::prelude::*;

use crate::state::live_module::LiveModule;

thread_local! {
    /// `[shop.web, shop.prices]`: the innermost last. An entry lives as long as the execution; the
    /// cycle collector does not see it, which is right, because the executing frames hold the same
    /// objects. Only the thread itself reads and writes it.
    static EXECUTING: RefCell<Vec<Py<LiveModule>>> = const { RefCell::new(Vec::new()) };
}

#[inline]
pub fn is_executing() -> bool {
    EXECUTING.with_borrow(|stack| !stack.is_empty())
}

/// The module whose source this thread is executing, the innermost one.
pub fn innermost(py: Python<'_>) -> Option<Bound<'_, LiveModule>> {
    EXECUTING.with_borrow(|stack| stack.last().map(|last| last.bind(py).clone()))
}

/// How many modules this thread is executing.
pub fn depth() -> usize {
    EXECUTING.with_borrow(Vec::len)
}

/// All modules whose source this thread is executing, the innermost last.
pub fn all(py: Python<'_>) -> Vec<Bound<'_, LiveModule>> {
    EXECUTING.with_borrow(|stack| stack.iter().map(|instance| instance.bind(py).clone()).collect())
}

/// This thread executes a module until this is dropped, with everything that began inside it.
pub struct Execution {
    /// The number of executions around it.
    depth: usize,
}

impl Execution {
    pub fn begin(instance: &Bound<'_, LiveModule>) -> Execution {
        EXECUTING.with_borrow_mut(|stack| {
            stack.push(instance.clone().unbind());
            Execution { depth: stack.len() - 1 }
        })
    }

    pub fn depth(&self) -> usize {
        self.depth
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        let ended = EXECUTING.with_borrow_mut(|stack| {
            stack.drain(self.depth.min(stack.len())..).collect::<Vec<_>>()
        });
        // Outside the borrow: dropping a module may run code that asks for the stack.
        drop(ended);
    }
}
