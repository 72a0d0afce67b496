//! Which file does an import find in one entry of a search path?
//!
//! The rule of CPython's `FileFinder` for an entry under a root, answered from the generation's
//! snapshot and not from the disk: a package wins over an extension module, that over a module,
//! that over a portion of a namespace package. Only extension modules and empty directories, which
//! no snapshot has, are looked up on disk. The caller iterates over the entries.

use super::SourceSnapshot;
use crate::fs::{FileKind, FileSystem};
use std::path::{Path, PathBuf};

/// What `entry` has for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located {
    /// A regular package.
    Package {
        /// `/srv/shop/web/__init__.py`.
        init: PathBuf,
        /// `/srv/shop/web`.
        dir: PathBuf,
    },
    /// A module: `/srv/shop/conf.py`.
    Module(PathBuf),
    /// An extension module, or a package whose `__init__` is one: foreign, never live.
    Extension(PathBuf),
    /// A portion of a namespace package: `/srv/shop/plugins`. The search continues at the next
    /// entry.
    Namespace(PathBuf),
    /// Source on disk that this generation does not know: newer than it, or unreadable then.
    NotInSnapshot(PathBuf),
    /// Nothing.
    Absent,
}

/// Looks for the module whose name ends in `tail` in the directory `entry`. `extensions` are the
/// suffixes of extension modules, best first: `".cpython-313-x86_64-linux-gnu.so"`, `".so"`.
pub fn locate(
    snapshot: &SourceSnapshot,
    system: &dyn FileSystem,
    entry: &Path,
    tail: &str,
    extensions: &[String],
) -> Located {
    let is = |path: &Path, kind| system.metadata(path).is_ok_and(|stat| stat.kind == kind);
    let dir = entry.join(tail);
    let init = dir.join("__init__.py");
    let module = entry.join(format!("{tail}.py"));
    let known = snapshot.has_dir(&dir);
    let is_dir = known || is(&dir, FileKind::Dir);

    if is_dir {
        let compiled = extensions.iter().map(|suffix| dir.join(format!("__init__{suffix}")));
        if let Some(path) = compiled.into_iter().find(|path| is(path, FileKind::File)) {
            return Located::Extension(path);
        }
        if snapshot.get(&init).is_some() {
            return Located::Package { init, dir };
        }
    }
    let compiled = extensions.iter().map(|suffix| entry.join(format!("{tail}{suffix}")));
    if let Some(path) = compiled.into_iter().find(|path| is(path, FileKind::File)) {
        return Located::Extension(path);
    }
    if snapshot.get(&module).is_some() {
        return Located::Module(module);
    }
    if known {
        return Located::Namespace(dir);
    }
    // The snapshot has nothing. The caller decides whether to admit a newer file.
    for unseen in [init, module] {
        if is(&unseen, FileKind::File) {
            return Located::NotInSnapshot(unseen);
        }
    }
    if is_dir { Located::Namespace(dir) } else { Located::Absent }
}
