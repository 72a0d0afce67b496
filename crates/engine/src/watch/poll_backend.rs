//! What may have changed since the last listing? For file systems that do not report events.
//!
//! A thread walks the roots at an interval and compares metadata. It cannot see whether a writer is
//! done, so each difference counts as a file being written, and `debounce` waits accordingly. It
//! reads no content. Where times are coarse, a second edit of the same size may leave the same
//! metadata as the first: so each edited file is reported once more when its second has passed.

use super::{Event, EventKind, bounded_sender::BoundedSender, event::is_noise};
use crate::concurrency::{fork_gate::enter_critical, sync::Mutex};
use crate::fs::{FileMetadata, FileSystem};
use crate::roots::{Roots, walk};
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{sync::Arc, thread::JoinHandle, time::Duration};

/// The coarsest time of a file system (FAT: two seconds).
const TIME_RESOLUTION: Duration = Duration::from_secs(2);

/// A polling thread. Dropping this stops it.
#[derive(Debug)]
pub(crate) struct PollBackend {
    /// Dropped to tell the thread to stop; taken by the drop.
    stop: Option<Sender<()>>,
    /// The thread; the drop waits for it.
    thread: Option<JoinHandle<()>>,
    /// `/srv/shop/.env`: data that no walk comes to. Added to by `follow`, read by the thread.
    followed: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl PollBackend {
    pub(crate) fn start(
        system: Arc<dyn FileSystem>,
        roots: Roots,
        interval: Duration,
        sender: BoundedSender,
    ) -> PollBackend {
        let (stop, stopped) = bounded::<()>(0);
        let followed = Arc::new(Mutex::new(BTreeSet::new()));
        let shared = Arc::clone(&followed);
        let run = move || {
            let mut last = Listing::take(&*system, &roots, &shared.lock().clone());
            let _ = sender.send(Event::Rescan);
            let rounds_to_wait = TIME_RESOLUTION.as_nanos().div_ceil(interval.as_nanos().max(1));
            // `/srv/shop/conf.py`, or all paths, to the number of rounds until it is reported
            // again.
            let mut repeats: BTreeMap<Event, u128> =
                BTreeMap::from([(Event::Rescan, rounds_to_wait)]);
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let listing = Listing::take(&*system, &roots, &shared.lock().clone());
                let mut events = listing.since(&last);
                repeats.values_mut().for_each(|rounds| *rounds -= 1);
                events.extend(
                    repeats.iter().filter(|entry| *entry.1 == 0).map(|entry| entry.0.clone()),
                );
                repeats.retain(|_, rounds| *rounds > 0);
                for event in &events {
                    if let Event::Path(EventKind::Modified | EventKind::Created, path) = event {
                        repeats.insert(EventKind::Touched.at(path.clone()), rounds_to_wait);
                    }
                }
                let listened = events.into_iter().all(|event| sender.send(event).is_ok());
                if !listened {
                    return;
                }
                last = listing;
            }
        };
        // Without a thread there are no events, but an explicit update still compares the roots.
        let thread = std::thread::Builder::new().name("transfuse-poll".to_owned()).spawn(run).ok();
        PollBackend { stop: Some(stop), thread, followed }
    }

    /// Looks at this path too, in each round.
    pub(crate) fn follow(&self, path: &Path) {
        self.followed.lock().insert(path.to_owned());
    }
}

impl Drop for PollBackend {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The files and directories of one round.
struct Listing {
    /// `/srv/shop/conf.py` to its metadata.
    files: BTreeMap<PathBuf, FileMetadata>,
    /// `/srv/shop`: each admitted directory.
    dirs: BTreeSet<PathBuf>,
}

impl Listing {
    fn take(system: &dyn FileSystem, roots: &Roots, followed: &BTreeSet<PathBuf>) -> Listing {
        let _critical = enter_critical();
        roots.forget_ignore_rules();
        let mut listing = Listing { files: BTreeMap::new(), dirs: BTreeSet::new() };
        for root in roots.dirs() {
            let found = walk(system, roots, root);
            listing.files.extend(found.files.into_iter().filter(|(path, _)| !is_noise(path)));
            listing.dirs.extend(found.dirs);
        }
        let there = |path: &PathBuf| Some((path.clone(), system.metadata(path).ok()?));
        listing.files.extend(followed.iter().filter_map(there));
        listing
    }

    /// The differences to an earlier listing.
    fn since(&self, last: &Listing) -> Vec<Event> {
        let dirs =
            self.dirs.symmetric_difference(&last.dirs).cloned().map(|path| EventKind::Dir.at(path));
        let written = self.files.iter().filter(|(path, stat)| last.files.get(*path) != Some(stat));
        let written = written.map(|(path, _)| match last.files.contains_key(path) {
            true => EventKind::Modified.at(path.clone()),
            false => EventKind::Created.at(path.clone()),
        });
        let gone = last.files.keys().filter(|path| !self.files.contains_key(*path));
        dirs.chain(written).chain(gone.cloned().map(|path| EventKind::Gone.at(path))).collect()
    }
}
