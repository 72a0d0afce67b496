//! How long did each module's code run, without the modules that it imported?
//!
//! An update that would take longer than a fresh process is left to one (`update/cost.rs`).

use std::cell::Cell;
use std::time::{Duration, Instant};

use transfuse_engine::ModuleName;

use crate::state::runtime::Runtime;

thread_local! {
    /// How long the executions took that this thread has ended inside the one that is under way.
    static NESTED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// The execution of a module that is under way.
pub struct RunTime {
    began: Instant,
    /// The time that was counted before, for the execution around this one.
    around: Duration,
}

impl RunTime {
    pub fn begin() -> RunTime {
        RunTime { began: Instant::now(), around: NESTED.replace(Duration::ZERO) }
    }

    /// The execution has ended, in whichever way.
    pub fn end(self, runtime: &Runtime, name: &ModuleName) {
        let took = self.began.elapsed();
        let nested = NESTED.replace(self.around + took);
        runtime.records.lock().took.insert(name.clone(), took.saturating_sub(nested));
    }
}
