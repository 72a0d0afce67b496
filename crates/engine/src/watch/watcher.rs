//! Which source reports file events? One of three watchers, behind one type.
//!
//! The native one (`notify_backend`, the system's own notifications), the polling one
//! (`poll_backend`, for network file systems and some containers), or none, if updates are
//! explicit. Each sends [`Event`]s into a channel until it is dropped; `debounce` collects them.
//!
//! Each begins with [`Event::Rescan`], because changes between the scan and the first watch were
//! not seen.

use super::{
    Event, bounded_sender::BoundedSender, notify_backend::NotifyBackend, poll_backend::PollBackend,
};
use crate::{base::EngineError, fs::FileSystem, roots::Roots};
use crossbeam_channel::Sender;
use std::path::{Path, PathBuf};
use std::{sync::Arc, time::Duration};

/// A watcher. It stops when it is dropped.
#[derive(Debug)]
pub struct Watcher(Backend);

#[derive(Debug)]
enum Backend {
    /// The system reports events.
    Notify(NotifyBackend),
    /// A thread compares listings.
    Polling {
        /// Kept for its drop, which stops the thread.
        backend: PollBackend,
    },
    /// There are no events.
    None,
}

impl Watcher {
    /// Watches the files in each of `dirs` by the system's notifications (not below them: name
    /// those too).
    pub fn native(dirs: &[PathBuf], sender: Sender<Event>) -> Result<Watcher, EngineError> {
        NotifyBackend::start(dirs, BoundedSender::new(sender))
            .map(|backend| Watcher(Backend::Notify(backend)))
    }

    /// Compares all files under `roots` every `interval`, on a thread of its own.
    pub fn polling(
        system: Arc<dyn FileSystem>,
        roots: Roots,
        interval: Duration,
        sender: Sender<Event>,
    ) -> Watcher {
        Watcher(Backend::Polling {
            backend: PollBackend::start(system, roots, interval, BoundedSender::new(sender)),
        })
    }

    /// Watches nothing.
    pub fn none() -> Watcher {
        Watcher(Backend::None)
    }

    /// Watches `dir` too. If it is new, an event [`super::EventKind::Dir`] follows, because files
    /// may have been added before the watch. A directory that is gone again is no error.
    pub fn add(&self, dir: &Path) -> Result<(), EngineError> {
        match &self.0 {
            Backend::Notify(backend) => backend.add(dir),
            Backend::Polling { .. } | Backend::None => Ok(()),
        }
    }

    /// Watches data that no walk comes to: `dir` is its directory, or is itself what was listed.
    pub fn follow(&self, path: &Path, dir: &Path) -> Result<(), EngineError> {
        if let Backend::Polling { backend } = &self.0 {
            backend.follow(path);
        }
        self.add(dir)
    }

    /// Watches a path for changes, whatever its name is, and reports it under this name: a link, or
    /// the target of one. Its directory must be spelled without links. The polling watcher follows
    /// links anyway.
    pub fn watch_place(&self, place: &Path) -> Result<(), EngineError> {
        match &self.0 {
            Backend::Notify(backend) => backend.watch_place(place),
            Backend::Polling { .. } | Backend::None => Ok(()),
        }
    }
}
