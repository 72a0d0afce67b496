//! Has the system told everything that happened until now?
//!
//! A folder of our own is watched with the roots. File system events come in
//! order, so the event of a file made there says that all earlier ones have been
//! delivered, whatever the size of the application.

use std::path::{Path, PathBuf};

/// The folder. It is removed when this is dropped.
pub struct Barrier {
    /// `/tmp/transfuse-4711-1795409662269156434`.
    pub dir: PathBuf,
    /// How many marks were made so far.
    count: u64,
}

impl Barrier {
    /// A new folder; none where the system refuses one.
    pub fn new() -> Option<Barrier> {
        let dir = std::env::temp_dir().join(format!(
            "transfuse-{}-{}",
            std::process::id(),
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?.as_nanos()
        ));
        std::fs::create_dir(&dir).ok()?;
        let dir = dir.canonicalize().ok()?;
        Some(Barrier { dir, count: 0 })
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

impl Drop for Barrier {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
