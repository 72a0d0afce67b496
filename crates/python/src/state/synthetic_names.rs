//! Which file does a made-up module name stand for?
//!
//! A file that cannot be imported by name gets a name of its own (`hooks/import_file.rs`).

use std::{collections::HashMap, path::Path, path::PathBuf};

use transfuse_engine::ModuleName;
use transfuse_engine::sync::Mutex;

use crate::state::module_source::SourceFile;

/// Names that were made up for files, `index_5f3a9c01 -> /srv/site/b/index.py`. Entries stay: the
/// same file keeps its name. Reached through the runtime, for name and for file operations only.
#[derive(Default)]
pub struct SyntheticNames(Mutex<HashMap<ModuleName, PathBuf>>);

impl SyntheticNames {
    /// The name of a file that has no other: the first one that it was given.
    pub fn insert(&self, name: ModuleName, path: &Path) {
        self.0.lock().entry(name).or_insert_with(|| path.to_path_buf());
    }

    /// The file that a made-up name stands for.
    pub fn origin(&self, name: &ModuleName) -> Option<SourceFile> {
        let path = self.0.lock().get(name)?.clone();
        let file = path.to_string_lossy().into_owned();
        let package = path
            .file_name()
            .is_some_and(|name| name == "__init__.py")
            .then(|| path.parent().map(|dir| dir.to_string_lossy().into_owned()))
            .flatten();
        Some(SourceFile { file, path, package, spec: None })
    }
}
