//! The file system: one door to it, and the symbolic links on a path.

mod file_system;
#[cfg(feature = "testing")]
mod in_memory;
mod inode_check;
mod one_look;
mod symlink_chain;
mod sync_marker;

pub(crate) use file_system::is_absent;
pub use file_system::{FileKind, FileMetadata, FileSystem, OsFileSystem};
#[cfg(feature = "testing")]
pub use in_memory::InMemoryFs;
pub(crate) use inode_check::InodeCheck;
pub use one_look::OneLook;
pub use symlink_chain::{SymlinkChains, resolve_chain};
pub use sync_marker::SyncMarker;
