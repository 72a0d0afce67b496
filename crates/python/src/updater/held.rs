//! Is another program in the middle of a change?
//!
//! It may have said so (`state/hold.rs`), or the machine may be so loaded that it comes late with the
//! rest. Locks of version control are the debouncer's.

use std::path::Path;

use pyo3::Python;
use transfuse_engine::{Event, EventKind, FileSystem};

use crate::cpython::log;
use crate::state::{hold, runtime::Runtime};
use crate::updater::listener::ChangeListener;

impl ChangeListener {
    /// Has a program said that its change is not complete?
    pub(super) fn is_held(&self) -> bool {
        let runtime = self.runtime;
        let expired = runtime.holds.expire();
        if expired > 0 {
            let words = "updates were held and not released in time; they are made again";
            Python::attach(|py| log::warning(py, words));
        }
        runtime.holds.is_any() || is_held_by_file(runtime)
    }

    /// Compares what was held back after the next quiet window.
    pub fn look_again(&mut self) {
        if std::mem::take(&mut self.held_back) {
            self.expect_pending();
        }
    }

    /// Compares what is pending after the next quiet window.
    pub fn expect_pending(&mut self) {
        let now = self.now();
        for path in self.pending.clone() {
            self.debouncer.event(now, &EventKind::Touched.at(path));
        }
        if self.rescan {
            self.debouncer.event(now, &Event::Rescan);
        }
    }

    /// Do more than twice as many threads want to run as there are processors? Then the program that
    /// saves files comes late, too.
    pub(super) fn is_machine_loaded(&self) -> bool {
        let Ok(text) = self.runtime.system.read(Path::new("/proc/loadavg")) else { return false };
        let text = String::from_utf8_lossy(&text);
        let running = text.split(' ').nth(3).and_then(|part| part.split('/').next()?.parse().ok());
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        // Requests of an ordinary load make bursts of up to two for each processor.
        running.is_some_and(|running: usize| running > 2 * processors)
    }
}

/// Is there a file that holds updates?
fn is_held_by_file(runtime: &Runtime) -> bool {
    let folders = runtime.roots.dirs().iter().map(std::path::PathBuf::as_path);
    let mut folders = folders.chain(runtime.roots.project());
    folders.any(|folder| runtime.system.metadata(&folder.join(hold::FILE)).is_ok())
}
