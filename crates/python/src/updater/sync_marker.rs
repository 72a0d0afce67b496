//! Has the system told everything that happened until now?
//!
//! A folder of our own is watched with the roots. File system events come in
//! order, so the event of a file made there says that all earlier ones have been
//! delivered, whatever the size of the application. Whose folder is whose is told
//! by a lock and not by a number of a process: containers that share `/tmp` each
//! have a process 7.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The file in the folder that is locked while its process, or a child of it, is alive.
const ALIVE: &str = "alive";

/// How old a folder is before anybody asks whether it was left behind: whoever makes one needs a
/// moment until it is locked.
const YOUNG: Duration = Duration::from_secs(60);

/// The folder. It is removed when this is dropped.
pub struct SyncMarker {
    /// `/tmp/transfuse-4711-1795409662269156434`.
    pub dir: PathBuf,
    /// How many marks were made so far.
    count: u64,
    /// Holds the lock; none where the file system knows of none, and then nobody can take it either.
    _alive: Option<File>,
}

impl SyncMarker {
    /// A new folder; what the system says where it refuses one.
    pub fn new() -> std::io::Result<SyncMarker> {
        let made = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        let dir = std::env::temp_dir().join(format!("transfuse-{}-{made}", std::process::id()));
        sweep();
        std::fs::create_dir(&dir)?;
        let alive = File::create(dir.join(ALIVE)).ok().filter(lock);
        let dir = dir.canonicalize()?;
        Ok(SyncMarker { dir, count: 0, _alive: alive })
    }

    /// Makes a file whose event is to be waited for; none where the system refuses it.
    pub fn mark(&mut self) -> Option<PathBuf> {
        self.count += 1;
        let mark = self.dir.join(format!("mark{}", self.count));
        std::fs::write(&mark, b"").ok().map(|()| mark)
    }

    /// Whether a path is of this folder.
    pub fn has(&self, path: &Path) -> bool {
        path.starts_with(&self.dir)
    }
}

impl Drop for SyncMarker {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Removes the folders of processes that were killed and could not do it themselves.
fn sweep() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let numbers =
            name.to_str().and_then(|name| name.strip_prefix("transfuse-")?.split_once('-'));
        let Some((Ok(process), Ok(made))) = numbers.map(|(p, m)| (p.parse(), m.parse())) else {
            continue;
        };
        if is_left(&entry.path(), process, made) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether the folder that `process` made at this moment (nanoseconds) is nobody's any more.
fn is_left(dir: &Path, process: u32, made: u128) -> bool {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    if now.saturating_sub(YOUNG).as_nanos() < made {
        return false;
    }
    match File::open(dir.join(ALIVE)) {
        Ok(file) => lock(&file),
        // Its process ended before there was a lock, if the system tells which processes there are.
        Err(_) => {
            let processes = Path::new("/proc");
            processes.join(std::process::id().to_string()).exists()
                && !processes.join(process.to_string()).exists()
        }
    }
}

/// Takes the lock of a file, if nobody has it. It goes with the last copy of the file in a process.
#[cfg(unix)]
fn lock(file: &File) -> bool {
    use std::ffi::c_int;
    use std::os::fd::AsRawFd;

    /// Alone, and without waiting: `LOCK_EX | LOCK_NB`, the same numbers on all systems that have them.
    const ALONE: c_int = 2 | 4;
    unsafe extern "C" {
        // As `flock(2)` declares it. The standard library has it from Rust 1.89 on.
        fn flock(file: c_int, operation: c_int) -> c_int;
    }
    // SAFETY: the descriptor is open for as long as the file is borrowed.
    unsafe { flock(file.as_raw_fd(), ALONE) == 0 }
}

#[cfg(not(unix))]
fn lock(_: &File) -> bool {
    false
}
