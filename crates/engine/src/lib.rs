//! The decisions of Transfuse in pure Rust: no Python, no HTTP, no async runtime.
//!
//! This file is a map. The folders, from the ground up; each uses only those before it:
//!
//! 1. `base`: the words [`ModuleName`], [`Digest`], [`EngineError`];
//! 2. `concurrency`: the locks ([`sync`]), one load for many threads ([`SingleFlight`]), threads
//!    that pause while the process forks ([`fork_gate`]);
//! 3. `fs`: the one door to the operating system ([`FileSystem`], [`OsFileSystem`]), and where links
//!    lead ([`SymlinkChains`]), and marks in the stream of file events ([`SyncMarker`]);
//! 4. `roots`: which files are live, and their module names ([`Roots`], `.gitignore` included);
//! 5. `sources`: the content that a generation knows ([`Source`], [`SourceSnapshot`]): [`scan`] once,
//!    [`refresh`] afterwards, [`locate`] for one import;
//! 6. `last_served`: the served state on disk ([`ServedStore`]), and the part of it that the next
//!    process serves ([`resume`]);
//! 7. `plan`: the edges between modules ([`DependencyGraph`]), and which modules an update runs
//!    ([`plan()`], a pure function);
//! 8. `generations`: which generations are alive ([`GenerationRegistry`]), and the results of the last
//!    updates ([`History`]);
//! 9. `watch`: from a file event ([`Watcher`], [`Event`]) to the paths of one update ([`Debouncer`]).
//!
//! Nothing in here reads the clock except the wait in `fork_gate` and the age of a `SyncMarker`,
//! and only `watch` starts threads.

mod base;
mod concurrency;
mod fs;
mod generations;
mod last_served;
mod plan;
mod roots;
mod sources;
mod watch;

pub use base::{Digest, EngineError, ModuleName};
pub use concurrency::{Entered, SingleFlight, Waited, Waiting, fork_gate, sync};
#[cfg(feature = "testing")]
pub use fs::InMemoryFs;
pub use fs::{
    FileKind, FileMetadata, FileSystem, OneLook, OsFileSystem, SymlinkChains, SyncMarker,
    resolve_chain,
};
pub use generations::{
    Cause, Freed, GenerationId, GenerationRegistry, GenerationState, History, Lifecycles, Outcome,
    Record, Retirement, Succession,
};
pub use last_served::{
    Difference, FormerState, LastServed, Recall, Recalled, Resumed, ResumedFile, ServedStore, Take,
    Why, Withheld, read_last_served, recall, resume, with_served_files,
};
pub use plan::{
    DependencyGraph, Edge, EdgeKind, Kept, ModuleFacts, Plan, Policy, Reason, Restart, RestartCode,
    Step, Target, plan, plan_of,
};
pub use roots::{Roots, is_source};
pub use sources::{
    Budget, ChangeKind, DirtyPaths, FileChange, Located, Refreshed, Scan, Source, SourceSnapshot,
    listing, locate, matches_disk, refresh, scan,
};
pub use watch::{Debouncer, Event, EventKind, Readiness, Watcher, Window, is_tree_locked};
