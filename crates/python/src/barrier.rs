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
        sweep();
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

/// Removes the folders of processes that were killed and could not do it themselves, where the
/// system tells which processes there are.
fn sweep() {
    let processes = Path::new("/proc");
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    if !processes.join(std::process::id().to_string()).exists() {
        return;
    }
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix("transfuse-")) else {
            continue;
        };
        if let Some((process, made)) = rest.split_once('-')
            && process.parse::<u32>().is_ok()
            && made.parse::<u128>().is_ok()
            && !processes.join(process).exists()
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
