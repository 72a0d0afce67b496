//! Is a version control system writing the tree?
//!
//! `git checkout` of two commits writes files for seconds where large ones lie between two modules.
//! It holds `index.lock` in its directory meanwhile, in a linked work tree or a submodule in the one
//! that `.git` names; Mercurial holds `wlock`.

use crate::fs::{FileKind, FileSystem};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Has a version control system locked the tree that one of `paths` lies in?
pub fn is_tree_locked<'a>(
    system: &dyn FileSystem,
    paths: impl IntoIterator<Item = &'a Path>,
) -> bool {
    // Each directory is looked at once, however many files in it changed.
    let mut seen: BTreeSet<&Path> = BTreeSet::new();
    for path in paths {
        for dir in path.ancestors().skip(1) {
            if !seen.insert(dir) {
                break;
            }
            if exists(system, &dir.join(".hg/wlock")) || is_git_locked(system, &dir.join(".git")) {
                return true;
            }
        }
    }
    false
}

fn is_git_locked(system: &dyn FileSystem, git: &Path) -> bool {
    let folder = match system.metadata(git).map(|found| found.kind) {
        Ok(FileKind::Dir) => git.to_owned(),
        Ok(FileKind::File) => match linked(system, git) {
            Some(folder) => folder,
            None => return false,
        },
        _ => return false,
    };
    exists(system, &folder.join("index.lock"))
}

/// The directory that a file `.git` names, in a linked work tree or a submodule.
fn linked(system: &dyn FileSystem, git: &Path) -> Option<PathBuf> {
    let text = String::from_utf8(system.read(git).ok()?).ok()?;
    Some(git.parent()?.join(text.strip_prefix("gitdir:")?.trim()))
}

/// Is there anything at `path`? The lock of Mercurial is a link that leads nowhere.
fn exists(system: &dyn FileSystem, path: &Path) -> bool {
    matches!(system.read_link(path), Ok(Some(_))) || system.metadata(path).is_ok()
}
