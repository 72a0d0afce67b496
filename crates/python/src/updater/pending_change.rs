//! How do the files differ from the served content, while an update is made of that?
//!
//! It knows the listener that found it, so that it can say whether files are still being saved, and
//! what is left to compare when the update has ended.

use std::{io, path::PathBuf, time::Duration, time::Instant};

use transfuse_engine::{FileChange, Refreshed, SourceSnapshot};

use crate::updater::listener::ChangeListener;

/// How long an automatic update waits for a save that goes on and on.
const SAVE_LIMIT: Duration = Duration::from_secs(3);
/// How long an error that more files may repair is not reported.
const GRACE: Duration = Duration::from_millis(150);

/// How often an explicit update compares again while a file is being written, and how long it pauses.
const COMPARISONS: usize = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// The difference between the files and the served content. Dropped without [`PendingChange::conclude`],
/// it will be found again.
pub struct PendingChange<'l> {
    pub(super) listener: &'l mut ChangeListener,
    /// All sources as they are now.
    pub snapshot: SourceSnapshot,
    pub changes: Vec<FileChange>,
    /// Files that exist and cannot be read, though modules came from there.
    pub unreadable: Vec<(PathBuf, io::Error)>,
    /// Whether a place on the path to a root was switched.
    pub is_release: bool,
}

/// How an update of a [`PendingChange`] ended.
pub enum Conclusion {
    /// Nothing of it is served.
    Unchanged,
    /// It is served, apart from these files, which wait for a restart.
    PublishedBut(Vec<PathBuf>),
}

impl PendingChange<'_> {
    /// The listener, which goes on while it is staged, and the files that it has.
    pub fn parts(&mut self) -> (&mut ChangeListener, &SourceSnapshot) {
        (self.listener, &self.snapshot)
    }

    /// Has one of the project's own files changed since this was last asked?
    pub fn take_project_files_changed(&mut self) -> bool {
        std::mem::take(&mut self.listener.project_files_changed)
    }

    /// An update of it has ended, so the next one may wait as long as this one.
    pub fn conclude(self, conclusion: Conclusion) {
        self.listener.waiting_since = None;
        self.listener.is_release = false;
        if let Conclusion::PublishedBut(held_back) = conclusion {
            // An unreadable file may become readable.
            let unreadable = self.listener.runtime.unreadable.lock().all();
            let paths = held_back.into_iter().chain(unreadable.into_iter().map(|(path, _)| path));
            self.listener.pending = paths.collect();
        }
    }
}

impl ChangeListener {
    /// Was no file saved since the comparison? A save that goes on for too long is not waited for.
    pub(super) fn is_still_quiet(&mut self) -> bool {
        if self.watcher.is_native() {
            self.rescan |= !self.receive_all();
        }
        // Paths that are ready by now are left for the next comparison.
        self.debouncer.is_idle() || self.waits_too_long()
    }

    /// Did no file change for a while either? An update that failed on a missing file may have been
    /// a part of the change.
    pub(super) fn stays_quiet(&mut self) -> bool {
        let deadline = Instant::now() + GRACE;
        while self.debouncer.is_idle() {
            match self.events.recv_deadline(deadline) {
                Ok(event) => self.receive(&event),
                Err(_) => return true,
            }
        }
        self.waits_too_long()
    }

    fn waits_too_long(&mut self) -> bool {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        since.elapsed() > SAVE_LIMIT
    }

    /// Compares the files with the served content. None while a file is being written: an automatic
    /// comparison is repeated after the next quiet window, an explicit one at once.
    pub fn collect_changes(&mut self, automatic: bool) -> Option<PendingChange<'_>> {
        for _ in 0..COMPARISONS {
            let mut found = self.compare();
            self.drop_unread_data_files(&mut found);
            self.watch_found(&found);
            if self.take_fallback() {
                continue;
            }
            if found.unstable.is_empty() {
                // Files that are the same again leave.
                self.pending = found.changes.iter().map(|change| change.path.clone()).collect();
                self.pending.extend(found.unreadable.iter().map(|(path, _)| path.clone()));
                let Refreshed { snapshot, changes, unreadable, .. } = found;
                let unreadable = self.needed(unreadable);
                self.compare_project_files();
                let is_release = self.is_release;
                let listener = self;
                return Some(PendingChange { listener, snapshot, changes, unreadable, is_release });
            }
            if automatic {
                let now = self.now();
                self.debouncer.retry(now, found.unstable);
                return None;
            }
            std::thread::park_timeout(PAUSE);
        }
        None
    }

    /// A change that is not on disk.
    pub fn assume(
        &mut self,
        snapshot: SourceSnapshot,
        changes: Vec<FileChange>,
    ) -> PendingChange<'_> {
        let unreadable = Vec::new();
        PendingChange { listener: self, snapshot, changes, unreadable, is_release: false }
    }
}
