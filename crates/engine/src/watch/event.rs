//! Which file may have changed, and how? The common vocabulary of all watchers.
//!
//! An event only says where to look; `refresh` finds out what is different. Names that editors,
//! compilers and deploys use for temporary files are dropped here, for all watchers.

use crate::{plan::DependencyGraph, roots::is_source, sources::SourceSnapshot};
use std::path::{Path, PathBuf};

/// How many letters `mkstemp` puts at the end of a name.
const RANDOM: usize = 6;

/// A report of a watcher.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Something may have happened to this path.
    Path(EventKind, PathBuf),
    /// Look everywhere: changes before this were not watched.
    Rescan,
    /// Look everywhere: the system's queue or ours overflowed, or the watcher failed.
    Lost,
}

/// What may have happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// A file was written, and its writer may still have it open.
    Modified,
    /// A file was created, and its writer may still have it open.
    Created,
    /// The writer closed the file.
    Closed,
    /// A complete file was put in place: renamed to this name, or linked.
    Moved,
    /// A file was removed, or renamed to another name.
    Gone,
    /// A file's mode, owner or times may have changed.
    Touched,
    /// A directory appeared or went away, or its content is to be compared.
    Dir,
}

impl EventKind {
    /// An event of this kind at `path`.
    pub fn at(self, path: impl Into<PathBuf>) -> Event {
        Event::Path(self, path.into())
    }
}

impl Event {
    /// The path of the event; none if it concerns all paths.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Event::Path(_, path) => Some(path),
            Event::Rescan | Event::Lost => None,
        }
    }

    /// Is it about a file that another program writes under a passing name, `.conf.py.Vx3k9Q`?
    pub fn is_of_transfer(&self) -> bool {
        self.path().is_some_and(is_transfer)
    }

    /// The same event at another path.
    pub fn with_path(&self, path: &Path) -> Event {
        match self {
            Event::Path(kind, _) => kind.at(path),
            Event::Rescan | Event::Lost => self.clone(),
        }
    }

    /// Can it matter to the files in `snapshot` and the edges in `graph`? A log or a database under
    /// a root that is written all the time does not matter, and must not keep the debouncer from
    /// coming to rest. A file in the place of a directory does matter: watchers report a link to a
    /// package as a file.
    pub fn concerns(&self, snapshot: &SourceSnapshot, graph: &DependencyGraph) -> bool {
        match self {
            Event::Path(EventKind::Dir, _) | Event::Rescan | Event::Lost => true,
            Event::Path(EventKind::Modified | EventKind::Closed | EventKind::Touched, path)
                if is_there(snapshot, path) =>
            {
                false
            }
            Event::Path(kind, path) => {
                // A listed directory has another entry, or one less.
                let names = matches!(kind, EventKind::Created | EventKind::Moved | EventKind::Gone);
                let listed = |dir| graph.readers(dir).next().is_some();
                is_source(path)
                    || is_transfer(path)
                    || names && path.parent().is_some_and(listed)
                    || snapshot.get(path).is_some()
                    || snapshot.has_dir(path)
                    || graph.readers(path).next().is_some()
            }
        }
    }
}

/// Was a module told that this exists, and has nothing else been asked of it?
fn is_there(snapshot: &SourceSnapshot, path: &Path) -> bool {
    snapshot.get(path).is_some_and(|known| known.is_existence() && !known.is_absent())
}

/// Is this the name of a file that no module imports or reads: cached, a backup, half-written?
pub(crate) fn is_noise(path: &Path) -> bool {
    let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else { return true };
    let ends = ["~", ".swp", ".swx", ".tmp", ".pyc"];
    name == "__pycache__"
        || ends.iter().any(|end| name.ends_with(end))
        || path.parent().is_some_and(|dir| dir.ends_with("__pycache__"))
}

/// Is this a name that `rsync` writes a file under: `.prices.py.Vx3k9Q`?
pub(crate) fn is_transfer(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let Some((stem, random)) = name.strip_prefix('.').and_then(|name| name.rsplit_once('.')) else {
        return false;
    };
    let is_random =
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_random && stem.contains('.') && !stem.starts_with('.')
}
