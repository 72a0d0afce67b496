//! Which directories and files under a directory may be live?
//!
//! `scan`, `refresh` and `poll_backend` share this walk. It reads no content. It follows symbolic
//! links to directories, because the import system does, but not a link back to a directory that
//! the walk is in or to one around the root, and at most [`LINKS`] on one chain: ten directories that link to each other have
//! millions of names. Only the chain to a directory decides whether the walk enters it, so a walk
//! from the middle finds the same files as one from the root. A root inside another root has its
//! own walk.

use super::Roots;
use crate::fs::{FileKind, FileMetadata, FileSystem, InodeCheck, is_absent};
use std::io;
use std::path::{Path, PathBuf};

/// Directories of the system: a link to one of them, or to a directory below one of the last three, is
/// none of the project's folders, and a walk through it would not end for minutes.
const SYSTEM: [&str; 16] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix",
    "/opt",
    "/run",
    "/sbin",
    "/usr",
    "/usr/lib",
    "/usr/share",
    "/var",
    "/usr/local",
];
const DEVICES: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The number of links to directories that are followed on one chain. The walk does not find files
/// behind more links; an import of them still works.
const LINKS: usize = 3;

#[derive(Default)]
pub(crate) struct TreeWalk {
    /// `/srv/shop`: each admitted directory, the start included, parents first.
    pub dirs: Vec<PathBuf>,
    /// `/srv/shop/conf.py`: each regular file that is not excluded, whatever its name, with its
    /// metadata.
    pub files: Vec<(PathBuf, FileMetadata)>,
    /// `/srv/shop/conf.py`: each entry that is a symbolic link, wherever it leads.
    pub links: Vec<PathBuf>,
    /// `/srv/shop` to the inode it led to before the walk entered it: each directory, and each link
    /// to a file.
    pub inodes: InodeCheck,
    /// Paths that could not be read, with the system's error. Nothing is known of the files under
    /// them.
    pub unreadable: Vec<(PathBuf, io::Error)>,
}

/// Walks from `start`, which must be an admitted directory.
pub(crate) fn walk(system: &dyn FileSystem, roots: &Roots, start: &Path) -> TreeWalk {
    let mut walk = TreeWalk::default();
    // Each entry: a directory, its canonical path if that is known, the canonical paths of the
    // directories that led to it, and how many of these are links.
    let (chain, links) = chain_to(system, roots, start);
    let mut todo = vec![(start.to_owned(), None, chain, links)];
    todo.retain(|(_, _, _, links)| *links <= LINKS);
    while let Some((dir, real, mut chain, links)) = todo.pop() {
        walk.inodes.record(system, &dir);
        let real = real.map_or_else(|| system.canonicalize(&dir), Ok);
        let listed = real.and_then(|real| Ok((system.read_dir_links(&dir)?, real)));
        let (entries, real) = match listed {
            Ok(found) => found,
            Err(error) => {
                if !is_absent(&error) || roots.is_root(&dir) {
                    walk.unreadable.push((dir, error));
                }
                continue;
            }
        };
        if chain.contains(&real) {
            continue;
        }
        chain.push(real.clone());
        let mut below = Vec::new();
        for (entry, is_link) in entries {
            let foreign = roots.root_of(&entry).is_none() || roots.ignores(system, &entry, false);
            if foreign || roots.is_root(&entry) {
                continue;
            }
            if is_link {
                walk.links.push(entry.clone());
            }
            match system.metadata(&entry) {
                Ok(stat) if stat.kind == FileKind::File => {
                    if is_link {
                        walk.inodes.record_metadata(&entry, &stat);
                    }
                    walk.files.push((entry, stat));
                }
                Ok(stat) if stat.kind == FileKind::Dir => {
                    let links = links + usize::from(is_link);
                    let beyond = is_link && leads_outside(system, &entry, &chain);
                    if links <= LINKS && !beyond && roots.admits_dir(system, &entry) {
                        // The system would look at each directory above it once more.
                        let name = entry.file_name().filter(|_| !is_link);
                        let real = name.map(|name| real.join(name));
                        below.push((entry, real, chain.clone(), links));
                    }
                }
                Ok(_) => {}
                Err(error) if is_absent(&error) => {}
                Err(error) => walk.unreadable.push((entry, error)),
            }
        }
        walk.dirs.push(dir);
        todo.extend(below.into_iter().rev());
    }
    walk
}

/// Does a link lead to a directory that the root itself is in, or to one of the system?
fn leads_outside(system: &dyn FileSystem, link: &Path, chain: &[PathBuf]) -> bool {
    let Ok(target) = system.canonicalize(link) else { return false };
    // The link back to a directory on the chain is found when the walk enters it.
    let above = chain.iter().any(|dir| dir.starts_with(&target)) && !chain.contains(&target);
    above
        || SYSTEM.iter().any(|dir| target == Path::new(dir))
        || DEVICES.iter().any(|dir| target.starts_with(dir))
}

/// The canonical paths of the directories from the root down to `start`, without `start`, and the
/// number of links on the chain, with `start`: a walk that begins in the middle finds the same
/// files as one that begins at the root.
fn chain_to(system: &dyn FileSystem, roots: &Roots, start: &Path) -> (Vec<PathBuf>, usize) {
    let Some(root) = roots.root_of(start) else { return (Vec::new(), 0) };
    let above = start.ancestors().skip(1).take_while(|dir| dir.starts_with(root));
    let chain = above.filter_map(|dir| system.canonicalize(dir).ok()).collect();
    let below = start.ancestors().take_while(|dir| dir.starts_with(root) && *dir != root);
    let links = below.filter(|dir| matches!(system.read_link(dir), Ok(Some(_)))).count();
    (chain, links)
}
