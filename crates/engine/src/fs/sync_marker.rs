//! Has the system reported every event up to now?
//!
//! Watching a directory of our own answers this: file events arrive in order, so the event of a
//! file created there follows all earlier ones, whatever the size of the application. The watcher
//! waits for that event; this file only makes and removes the files.
//!
//! A lock, not a process number, tells whether a directory is still in use, because containers that
//! share `/tmp` each have a process 7.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The file in the directory that is locked while its process, or a child of it, is alive.
const ALIVE: &str = "alive";

/// The age from which a directory may count as left behind: between its creation and its lock, it
/// looks like one.
const YOUNG: Duration = Duration::from_secs(60);

/// A directory whose files mark points in the stream of events. Dropping it removes the directory.
#[derive(Debug)]
pub struct SyncMarker {
    /// `/tmp/transfuse-4711-1795409662269156434`.
    pub dir: PathBuf,
    /// The number of marks so far.
    count: u64,
    /// Holds the lock; none on a file system without locks, where no process can take it either.
    _alive: Option<File>,
}

impl SyncMarker {
    /// Creates a new directory. Removes those of killed processes first.
    pub fn new() -> io::Result<SyncMarker> {
        let temporary = std::env::temp_dir();
        sweep(&temporary);
        let created = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        let dir = temporary.join(format!("transfuse-{}-{created}", std::process::id()));
        fs::create_dir(&dir).map_err(|error| {
            let what = format!("no folder can be made in {}: {error}", temporary.display());
            io::Error::new(error.kind(), what)
        })?;
        let alive = File::create(dir.join(ALIVE)).ok().filter(|file| file.try_lock().is_ok());
        Ok(SyncMarker { dir: dir.canonicalize()?, count: 0, _alive: alive })
    }

    /// Creates a file whose event is to be waited for; none if the system refuses it.
    pub fn mark(&mut self) -> Option<PathBuf> {
        self.count += 1;
        let mark = self.dir.join(format!("mark{}", self.count));
        fs::write(&mark, b"").ok().map(|()| mark)
    }

    /// Removes a mark.
    pub fn clear(mark: &Path) {
        let _ = fs::remove_file(mark);
    }

    /// Does `path` belong to this directory?
    pub fn contains(&self, path: &Path) -> bool {
        path.starts_with(&self.dir)
    }
}

impl Drop for SyncMarker {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Removes the directories of killed processes from `temporary`.
fn sweep(temporary: &Path) {
    // Not by `FileSystem::read_dir`, which makes a sorted list: others may have thousands of files there.
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let numbers =
            name.to_str().and_then(|name| name.strip_prefix("transfuse-")?.split_once('-'));
        if let Some((Ok(process), Ok(created))) = numbers.map(|(p, c)| (p.parse(), c.parse()))
            && is_left_behind(&entry.path(), process, created)
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Has the process that created `dir`, at this moment (nanoseconds), ended without removing it?
fn is_left_behind(dir: &Path, process: u32, created: u128) -> bool {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    if now.saturating_sub(YOUNG).as_nanos() < created {
        return false;
    }
    match File::open(dir.join(ALIVE)) {
        Ok(file) => file.try_lock().is_ok(),
        // Its process ended before it had the lock, if the system lists processes at all.
        Err(_) => {
            let is_alive = |process: u32| Path::new("/proc").join(process.to_string()).exists();
            is_alive(std::process::id()) && !is_alive(process)
        }
    }
}
