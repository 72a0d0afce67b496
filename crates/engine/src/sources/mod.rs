//! The content of live files: kept per generation, compared with the disk, found for an import.

mod dirty_paths;
mod listing;
mod locate;
mod refresh;
mod scan;
mod snapshot;
mod source;

pub use dirty_paths::DirtyPaths;
pub use listing::listing;
pub use locate::{Located, locate};
pub use refresh::{Refreshed, matches_disk, refresh};
pub use scan::{Scan, scan};
pub use snapshot::{ChangeKind, FileChange, SourceSnapshot};
pub(crate) use source::PackedSource;
pub use source::{Budget, Source};
