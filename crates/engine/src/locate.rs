//! What does one entry of a search path have to say to an import?
//!
//! The rule of CPython's `FileFinder` for an entry that lies under a root, answered from what the
//! generation knows and not from the disk: a package wins over an extension module, that over a
//! module, that over a portion of a namespace package. Only what no generation can know (extension
//! modules, empty directories) is looked for on disk. Walking over the entries is left to the
//! caller.

use crate::{Kind, System, View};
use std::path::{Path, PathBuf};

/// What `entry` offers for a name.
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
    /// A compiled module, or a package whose `__init__` is one: foreign, never live.
    Extension(PathBuf),
    /// A portion of a namespace package: `/srv/shop/plugins`. The search goes on at the next entry.
    Namespace(PathBuf),
    /// Source that is on disk and that this generation does not know: made since, or unreadable
    /// then.
    Unseen(PathBuf),
    /// Nothing.
    Absent,
}

/// Looks for the module whose name ends in `tail` in the directory `entry`. `extensions` are the
/// suffixes of extension modules, best first: `".cpython-313-x86_64-linux-gnu.so"`, `".so"`.
pub fn locate(
    view: &View,
    system: &dyn System,
    entry: &Path,
    tail: &str,
    extensions: &[String],
) -> Located {
    let is = |path: &Path, kind| system.stat(path).is_ok_and(|stat| stat.kind == kind);
    let dir = entry.join(tail);
    let init = dir.join("__init__.py");
    let module = entry.join(format!("{tail}.py"));
    let known = view.has_dir(&dir);
    let is_dir = known || is(&dir, Kind::Dir);

    if is_dir {
        let compiled = extensions.iter().map(|suffix| dir.join(format!("__init__{suffix}")));
        if let Some(path) = compiled.into_iter().find(|path| is(path, Kind::File)) {
            return Located::Extension(path);
        }
        if view.get(&init).is_some() {
            return Located::Package { init, dir };
        }
    }
    let compiled = extensions.iter().map(|suffix| entry.join(format!("{tail}{suffix}")));
    if let Some(path) = compiled.into_iter().find(|path| is(path, Kind::File)) {
        return Located::Extension(path);
    }
    if view.get(&module).is_some() {
        return Located::Module(module);
    }
    if known {
        return Located::Namespace(dir);
    }
    // Nothing that the generation knows. What the disk has besides is the caller's to admit.
    for unseen in [init, module] {
        if is(&unseen, Kind::File) {
            return Located::Unseen(unseen);
        }
    }
    if is_dir { Located::Namespace(dir) } else { Located::Absent }
}
