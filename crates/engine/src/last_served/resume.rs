//! Which content of a file does a new process serve if the disk differs from the last served state?
//!
//! The content on disk, unless it is the very content that a rollback has left or that was refused:
//! then the last served content. So a deploy that was made while no process ran is served, and a
//! rollback lasts. A pure function of the kept state and the disk.

use super::{LastServed, Why};
use crate::base::Digest;
use crate::fs::{FileKind, FileSystem};
use crate::roots::{Roots, is_source};
use crate::sources::{Budget, Source, SourceSnapshot};
use std::io::ErrorKind;
use std::{collections::BTreeSet, path::Path, path::PathBuf, sync::Arc};

/// The choice between the disk and the last served state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// For each file as this module says.
    Default,
    /// The files on disk.
    Disk,
    /// The last served state, until a command accepts the content on disk.
    Last,
    /// The last served state, by a worker in place of one that ended. The files that were saved
    /// meanwhile are an ordinary update.
    LastThenUpdate,
}

/// How a file on disk differs from its last served content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Difference {
    /// It has the content that is withheld, for this reason, since then (seconds since 1970).
    Withheld(Why, f64),
    /// It has other content.
    Changed,
}

/// A file that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct ResumedFile {
    /// The file.
    pub path: PathBuf,
    /// How it differs.
    pub difference: Difference,
    /// The digest of its content on disk; none: it is not there.
    pub on_disk: Option<Digest>,
    /// Is it served as it was?
    pub is_last: bool,
    /// Should it have been served as it was, and could not, because its content was not kept?
    pub is_lost: bool,
}

/// The result of the comparison: the source that a new process serves.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// The source of its first generation.
    pub snapshot: SourceSnapshot,
    /// The files that differ, by path.
    pub files: Vec<ResumedFile>,
}

/// Compares the `last` served state with the source on `disk`, and chooses for each file.
pub fn resume(
    system: &dyn FileSystem,
    roots: &Roots,
    budget: &Budget,
    disk: &SourceSnapshot,
    last: &LastServed,
    take: Take,
) -> Resumed {
    let read = |path: &Path| system.read(path).ok().map(|content| Digest::of(&content));
    let now = |path: &Path| match is_source(path) {
        true => disk.get(path).map(|source| source.digest()),
        false => read(path),
    };
    let mut found = Resumed { snapshot: disk.clone(), files: Vec::new() };
    for path in candidates(disk, last) {
        let was = last.files.get(path).filter(|source| !source.is_absent());
        let now = now(path);
        if was.map(|source| source.digest()) == now || !roots.follows(system, path) {
            continue;
        }
        let withheld = last.withheld.get(path).filter(|withheld| withheld.left == now);
        let difference = withheld.map_or(Difference::Changed, |withheld| {
            Difference::Withheld(withheld.why, withheld.since)
        });
        let is_wanted = match take {
            Take::Default => withheld.is_some(),
            Take::Disk => false,
            Take::Last | Take::LastThenUpdate => true,
        };
        let then = if is_wanted { as_it_was(&found.snapshot, path, was, budget) } else { None };
        let (is_last, is_lost) = (then.is_some(), is_wanted && then.is_none());
        found.snapshot = then.unwrap_or(found.snapshot);
        found.files.push(ResumedFile {
            path: path.to_owned(),
            difference,
            on_disk: now,
            is_last,
            is_lost,
        });
    }
    found
}

/// `snapshot` with the templates, and other files that code reads by generation, that a former process
/// read, with their content on disk. The new process will read them as well. Without them, no former
/// state that has a template would equal the state that is served.
pub fn with_served_files(
    (system, roots, budget): (&dyn FileSystem, &Roots, &Budget),
    snapshot: &SourceSnapshot,
    last: &LastServed,
) -> SourceSnapshot {
    let states = last.former.iter().map(|state| &state.files).chain([&last.files]);
    let served = states.flat_map(|files| files.iter()).filter(|(_, source)| source.is_served());
    let paths: BTreeSet<&Path> = served.map(|(path, _)| path).collect();
    let unknown = paths.into_iter().filter(|path| snapshot.get(path).is_none());
    let followed = unknown.filter(|path| roots.follows(system, path));
    followed.fold(snapshot.clone(), |snapshot, path| {
        let content = match system.metadata(path) {
            Ok(stat) if stat.kind == FileKind::File => system.read(path).map(Some),
            Ok(_) => return snapshot,
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let source = content.map(|content| Source::served(content.as_deref(), budget));
        source.map_or(snapshot.clone(), |source| snapshot.with(path, source))
    })
}

/// The files that may differ and that a process can serve otherwise than they are on disk, or that
/// are withheld.
fn candidates<'a>(disk: &'a SourceSnapshot, last: &'a LastServed) -> BTreeSet<&'a Path> {
    let served = last.files.iter().filter(|(path, source)| is_source(path) || source.is_served());
    let known = served.chain(disk.iter()).map(|(path, _)| path);
    known.chain(last.withheld.keys().map(PathBuf::as_path)).collect()
}

/// The snapshot with the file as it was served; none if its content was not kept.
pub(super) fn as_it_was(
    snapshot: &SourceSnapshot,
    path: &Path,
    was: Option<&Arc<Source>>,
    budget: &Budget,
) -> Option<SourceSnapshot> {
    let Some(source) = was else {
        return Some(match is_source(path) {
            true => snapshot.without(path),
            // Or it would be read from disk.
            false => snapshot.with(path, Source::served(None, budget)),
        });
    };
    let content = source.text().filter(|content| Digest::of(content) == source.digest())?;
    let source = match source.is_served() {
        true => Source::served(Some(&content), budget),
        false => Source::new(content, budget),
    };
    Some(snapshot.with(path, source))
}
