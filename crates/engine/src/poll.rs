//! What may have happened since the last look? Found out by looking, where the system does not
//! tell.
//!
//! A thread of its own walks the roots at an interval and compares stats. Nobody says when a writer
//! is done, so what differs counts as being written, and `settle` waits accordingly. Content is not
//! read here. Where times are coarse, a second edit of the same size may leave the same stat as the
//! first: so what was edited is told once more when its second has passed.

use crate::{Event, Roots, Stat, System, busy, event::is_noise, outbox::Outbox, walk::walk};
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

/// A time that a file system may take for one moment (FAT: two seconds).
const MOMENT: Duration = Duration::from_secs(2);

/// A thread that looks. It stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Poll {
    /// Dropped to tell the thread to stop; taken by the drop.
    stop: Option<Sender<()>>,
    /// The thread, waited for by the drop.
    thread: Option<JoinHandle<()>>,
}

impl Poll {
    pub(crate) fn start(
        system: Arc<dyn System>,
        roots: Roots,
        interval: Duration,
        sender: Outbox,
    ) -> Poll {
        let (stop, stopped) = bounded::<()>(0);
        let run = move || {
            let mut last = Look::take(&*system, &roots);
            let _ = sender.send(Event::Rescan);
            let moment = MOMENT.as_nanos().div_ceil(interval.as_nanos().max(1));
            // `/srv/shop/conf.py`, or all that there is, to the number of looks until it is told again.
            let mut again: BTreeMap<Event, u128> = BTreeMap::from([(Event::Rescan, moment)]);
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let look = Look::take(&*system, &roots);
                let mut events = look.since(&last);
                again.values_mut().for_each(|looks| *looks -= 1);
                events.extend(
                    again.iter().filter(|entry| *entry.1 == 0).map(|entry| entry.0.clone()),
                );
                again.retain(|_, looks| *looks > 0);
                for event in &events {
                    if let Event::Modified(path) = event {
                        again.insert(Event::Touched(path.clone()), moment);
                    }
                }
                let listened = events.into_iter().all(|event| sender.send(event).is_ok());
                if !listened {
                    return;
                }
                last = look;
            }
        };
        // Without a thread there is nothing to be told; the roots are still there to be asked for
        // an update.
        let thread = std::thread::Builder::new().name("transfuse-poll".to_owned()).spawn(run).ok();
        Poll { stop: Some(stop), thread }
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What there was at one look.
struct Look {
    /// `/srv/shop/conf.py` to its stat.
    files: BTreeMap<PathBuf, Stat>,
    /// `/srv/shop`: each admitted directory.
    dirs: BTreeSet<PathBuf>,
}

impl Look {
    fn take(system: &dyn System, roots: &Roots) -> Look {
        let _busy = busy();
        roots.forget_rules();
        let mut look = Look { files: BTreeMap::new(), dirs: BTreeSet::new() };
        for root in roots.dirs() {
            let found = walk(system, roots, root);
            look.files.extend(found.files.into_iter().filter(|(path, _)| !is_noise(path)));
            look.dirs.extend(found.dirs);
        }
        look
    }

    /// What is different from an earlier look.
    fn since(&self, last: &Look) -> Vec<Event> {
        let dirs = self.dirs.symmetric_difference(&last.dirs).cloned().map(Event::Dir);
        let written = self.files.iter().filter(|(path, stat)| last.files.get(*path) != Some(stat));
        let written = written.map(|(path, _)| Event::Modified(path.clone()));
        let gone = last.files.keys().filter(|path| !self.files.contains_key(*path));
        dirs.chain(written).chain(gone.cloned().map(Event::Gone)).collect()
    }
}
