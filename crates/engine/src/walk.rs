//! Which directories and files lie under a directory, as far as the roots admit them?
//!
//! The one walk that `scan`, `refresh` and `poll` share. It reads no content. Symbolic links to
//! directories are followed, because the import system follows them; a link back to a directory
//! that the walk is in is not, and neither is one that the way comes to over [`LINKS`] others: ten
//! directories that link to each other have millions of names. Whether a directory is looked into
//! depends on the way to it alone, so that a walk from the middle finds what one from the root finds.
//! A root inside another root is left to its own walk.

use crate::{Kind, Roots, Stat, System, ends::Ends, system::is_absent};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Links to directories that are followed on one way. What lies behind more is not looked for; who
/// imports it gets it all the same.
const LINKS: usize = 3;

/// What a walk came across.
#[derive(Default)]
pub(crate) struct Walk {
    /// `/srv/shop`: each admitted directory, the start included, parents first.
    pub dirs: Vec<PathBuf>,
    /// `/srv/shop/conf.py`: each regular file that is not excluded, whatever its name, with its
    /// stat.
    pub files: Vec<(PathBuf, Stat)>,
    /// `/srv/shop/conf.py`: each entry that is a symbolic link, wherever it leads.
    pub links: Vec<PathBuf>,
    /// `/srv/shop` to the number of what it led to before it was looked into: each directory, and
    /// each link to a file.
    pub ends: Ends,
    /// What could not be looked into, with what the system said. Nothing is known of what lies
    /// under it.
    pub unreadable: Vec<(PathBuf, io::Error)>,
}

/// Walks from `start`, which must be an admitted directory.
pub(crate) fn walk(system: &dyn System, roots: &Roots, start: &Path) -> Walk {
    let mut walk = Walk::default();
    // Each entry: a directory, the canonical paths of those that led to it, and how many of these
    // are links.
    let (way, links) = way_to(system, roots, start);
    let mut todo = vec![(start.to_owned(), way, links)];
    todo.retain(|(_, _, links)| *links <= LINKS);
    while let Some((dir, mut way, links)) = todo.pop() {
        walk.ends.note(system, &dir);
        let listed = system.canonical(&dir).and_then(|real| Ok((system.list(&dir)?, real)));
        let (entries, real) = match listed {
            Ok(found) => found,
            Err(error) => {
                if !is_absent(&error) || roots.is_root(&dir) {
                    walk.unreadable.push((dir, error));
                }
                continue;
            }
        };
        if way.contains(&real) {
            continue;
        }
        way.push(real);
        let mut below = Vec::new();
        for entry in entries {
            let foreign = roots.root_of(&entry).is_none() || roots.ignores(system, &entry, false);
            if foreign || roots.is_root(&entry) {
                continue;
            }
            let is_link = matches!(system.link(&entry), Ok(Some(_)));
            if is_link {
                walk.links.push(entry.clone());
            }
            match system.stat(&entry) {
                Ok(stat) if stat.kind == Kind::File => {
                    if is_link {
                        walk.ends.is(&entry, &stat);
                    }
                    walk.files.push((entry, stat));
                }
                Ok(stat) if stat.kind == Kind::Dir => {
                    let links = links + usize::from(is_link);
                    if links <= LINKS && roots.admits_dir(system, &entry) {
                        below.push((entry, way.clone(), links));
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

/// The canonical paths of the directories from its root down to `start`, that one left out, and the
/// number of links on the way, that one included: a walk that begins in the middle finds the same as
/// one that begins at the root.
fn way_to(system: &dyn System, roots: &Roots, start: &Path) -> (Vec<PathBuf>, usize) {
    let Some(root) = roots.root_of(start) else { return (Vec::new(), 0) };
    let above = start.ancestors().skip(1).take_while(|dir| dir.starts_with(root));
    let way = above.filter_map(|dir| system.canonical(dir).ok()).collect();
    let below = start.ancestors().take_while(|dir| dir.starts_with(root) && *dir != root);
    let links = below.filter(|dir| matches!(system.link(dir), Ok(Some(_)))).count();
    (way, links)
}
