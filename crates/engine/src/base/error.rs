//! Every error of the engine, as one enum.
//!
//! Each message says what happened and where, and, if possible, what to do. The binding converts
//! the enum into Python's exceptions in one place; nothing else in the crate formats an error.

use std::path::PathBuf;

/// An error of the engine, with the data that its message needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A dotted name with an empty part: `""`, `"shop..conf"`, `".conf"`.
    #[error(
        "{name:?} is not a module name: each part between the dots needs at least one character"
    )]
    BadName {
        /// The name as it was given.
        name: String,
    },
    /// `from ... import x` climbs higher than its package is deep.
    #[error(
        "attempted relative import beyond top-level package ({level} levels up from {package:?})"
    )]
    BeyondTop {
        /// The package that the import is relative to, `"shop.web"`.
        package: String,
        /// The number of dots.
        level: usize,
    },
    /// `from . import x` in a module that belongs to no package.
    #[error("attempted relative import with no known parent package")]
    NoPackage,
    /// A root that does not exist.
    #[error("the root {} does not exist: name a directory with Python source", path.display())]
    RootMissing {
        /// The root as it was given.
        path: PathBuf,
    },
    /// A root that is a file, a socket, a pipe.
    #[error("the root {} is not a directory: name the directory that holds it", path.display())]
    RootNotADirectory {
        /// The root as it was given.
        path: PathBuf,
    },
    /// A root that exists but cannot be read.
    #[error("the root {} cannot be read: {source}", path.display())]
    RootUnreadable {
        /// The root as it was given.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// An invalid glob in `include` or `exclude`.
    #[error("the pattern {pattern:?} of include or exclude is not a glob: {source}")]
    BadPattern {
        /// The pattern as it was given.
        pattern: String,
        /// The glob parser's error.
        source: globset::Error,
    },
    /// A policy that does not exist.
    #[error("{given:?} is not a reload policy: use \"overlay\", \"fresh\", \"patch\" or \"never\"")]
    UnknownPolicy {
        /// The word as it was given.
        given: String,
    },
    /// The system's limit of watched directories is reached.
    #[error(
        "the system's limit of watched directories is reached at {}: raise \
         fs.inotify.max_user_watches, name fewer roots, exclude directories without Python source, \
         or watch by polling (poll = 1.0)", path.display()
    )]
    WatchLimit {
        /// The first directory that was refused.
        path: PathBuf,
    },
    /// The system's limit of watchers is reached.
    #[error(
        "the system cannot create one more file watcher, for {}: raise fs.inotify.max_user_instances, or the limit \
         of open files (ulimit -n), or watch by polling (poll = 1.0)", path.display()
    )]
    WatcherLimit {
        /// The first directory to be watched.
        path: PathBuf,
    },
    /// Any other error of the watcher.
    #[error("cannot watch {}: {what}", path.display())]
    Watch {
        /// The directory, or the first of them.
        path: PathBuf,
        /// The watcher's message.
        what: String,
    },
}
