//! What may have happened to a file? Words for what a watcher tells, whichever watcher it is.
//!
//! An event is a hint where to look, never a fact to act on: what is different is found out by
//! `refresh`. Names that editors, compilers and deploys use for what is not meant for others are
//! left out here, for all watchers.

use crate::{Graph, View, is_source};
use std::path::{Path, PathBuf};

/// What a watcher tells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A file was written to, and its writer may still be at it.
    Modified(PathBuf),
    /// A file was made, and its writer may still be at it.
    Created(PathBuf),
    /// Whoever wrote the file has closed it.
    Closed(PathBuf),
    /// A file is in place as a whole: renamed to this name, or linked.
    Moved(PathBuf),
    /// A file is not there any more: removed, or renamed to another name.
    Gone(PathBuf),
    /// A file's mode, owner or times are others, perhaps.
    Touched(PathBuf),
    /// A directory appeared or went away, or its content is to be looked at.
    Dir(PathBuf),
    /// Look everywhere: what happened before was not watched.
    Rescan,
    /// Look everywhere: the system had more events than it keeps, or could not tell them.
    Lost,
}

impl Event {
    /// The path it speaks of; none if it speaks of all.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Event::Modified(path)
            | Event::Created(path)
            | Event::Closed(path)
            | Event::Moved(path)
            | Event::Gone(path)
            | Event::Touched(path)
            | Event::Dir(path) => Some(path),
            Event::Rescan | Event::Lost => None,
        }
    }

    /// The same, of another path.
    pub fn at(&self, path: &Path) -> Event {
        let mut event = self.clone();
        match &mut event {
            Event::Modified(at)
            | Event::Created(at)
            | Event::Closed(at)
            | Event::Moved(at)
            | Event::Gone(at)
            | Event::Touched(at)
            | Event::Dir(at) => path.clone_into(at),
            Event::Rescan | Event::Lost => {}
        }
        event
    }

    /// Can it matter to what `view` and `graph` know? A log or a database that is written to all
    /// the time under a root does not, and must not keep `settle` from coming to rest. What stands
    /// where source was looked for does: a link to a package is no directory to those who tell.
    pub fn concerns(&self, view: &View, graph: &Graph) -> bool {
        let (Some(path), false) = (self.path(), matches!(self, Event::Dir(_))) else { return true };
        is_source(path)
            || view.get(path).is_some()
            || view.has_dir(path)
            || graph.readers(path).next().is_some()
    }
}

/// Is this the name of something that nobody imports: hidden, cached, a backup, half-written?
pub(crate) fn is_noise(path: &Path) -> bool {
    let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else { return true };
    let ends = ["~", ".swp", ".swx", ".tmp", ".pyc"];
    (name.starts_with('.') && name != ".gitignore")
        || name == "__pycache__"
        || ends.iter().any(|end| name.ends_with(end))
        || path.parent().is_some_and(|dir| dir.ends_with("__pycache__"))
}
