//! Which content of a directory counts for a module that lists it?
//!
//! The names of its entries. Those that editors, compilers and Python itself make in passing do not
//! count, and neither do hidden ones. It is kept like the digest of a data file, under the path of the
//! directory.

use super::Source;
use crate::fs::FileSystem;
use std::{io, path::Path, sync::Arc};

/// A directory with more entries is not followed: reading it would hold up the import.
const ENTRIES: usize = 20_000;

/// The names in the directory at `dir`; none if there are too many. `also` is about to be added.
pub fn listing(
    system: &dyn FileSystem,
    dir: &Path,
    also: Option<&Path>,
) -> io::Result<Option<Arc<Source>>> {
    let mut entries = system.read_dir(dir)?;
    entries.extend(also.map(Path::to_owned));
    if entries.len() > ENTRIES {
        return Ok(None);
    }
    entries.sort();
    entries.dedup();
    let mut content = b"transfuse: names\0".to_vec();
    for name in entries.iter().filter_map(|entry| entry.file_name()) {
        if !is_passing(&name.to_string_lossy()) {
            content.extend(name.as_encoded_bytes());
            content.push(0);
        }
    }
    Ok(Some(Source::digest_only(content)))
}

/// Is this the name of an entry that comes and goes without meaning?
fn is_passing(name: &str) -> bool {
    let ends = ["~", ".swp", ".swx", ".tmp", ".pyc"];
    name.starts_with('.') || name == "__pycache__" || ends.iter().any(|end| name.ends_with(end))
}
