//! To which states that former processes have served can a new process go back?
//!
//! Each of them is what this process begins with, but for the files of which the former one served
//! other content. A state of which some content was not kept, or which has files that are not live
//! any more, is left out: a part of one was never served.

use super::{FormerState, LastServed, resume::as_it_was};
use crate::fs::FileSystem;
use crate::roots::{Roots, is_source};
use crate::sources::{Budget, FileChange, SourceSnapshot};
use std::{collections::BTreeSet, path::Path};

/// A state that can be gone back to.
#[derive(Clone, Debug)]
pub struct Recalled {
    /// The number of its generation.
    pub generation: u64,
    /// When it was published, in seconds since 1970.
    pub at: f64,
    /// When another one was; none if no other was known then.
    pub until: Option<f64>,
    /// Whether a part of the change that led to it waited for fresh processes.
    pub partial: bool,
    /// The generation to which a rollback from it goes.
    pub before: Option<u64>,
    /// Its files.
    pub view: SourceSnapshot,
    /// The files that differ from the state before it; none for the oldest one.
    pub changed: Vec<FileChange>,
}

/// What a process begins with as its past.
#[derive(Clone, Debug, Default)]
pub struct Recall {
    /// The oldest first.
    pub former: Vec<Recalled>,
    /// The generation to which a rollback from the first one goes.
    pub before: Option<u64>,
    /// The generations that answered as the first one of this process does.
    pub same: Vec<u64>,
    /// The generations that answered as one of the former ones, `(5, 7)`.
    pub others: Vec<(u64, u64)>,
}

/// The past of a process that begins with `first`.
///
/// `back_to` is the former generation that the process was started to restore, if any. The
/// state before is then the one before that generation, never the one that was rolled back. The process
/// that wrote the file may number this generation differently from the process that received the
/// rollback request. At most `keep` states are returned.
pub fn recall(
    (system, roots, budget): (&dyn FileSystem, &Roots, &Budget),
    first: &SourceSnapshot,
    last: &LastServed,
    back_to: Option<u64>,
    keep: usize,
) -> Recall {
    let mut found = Recall::default();
    let lead = |id| last.same.iter().find(|(older, _)| *older == id).map_or(id, |(_, to)| *to);
    let wanted = back_to.map_or(last.generation, lead);
    // Of the state that it serves, and of another one that answers the same: the newest.
    let (mut before_it, mut before_equal) = (None, None);
    let former = last.former.iter().map(|old| (old, Some(old.until)));
    let now = FormerState {
        generation: last.generation,
        at: last.at,
        until: last.at,
        partial: last.partial,
        before: last.before,
        files: last.files.clone(),
    };
    for (state, until) in former.chain([(&now, None)]) {
        let FormerState { generation, at, partial, before, .. } = *state;
        let Some(view) = view_of(system, roots, budget, first, &state.files) else { continue };
        if view.changes(first).is_empty() {
            found.same.push(generation);
            if generation == wanted {
                before_it = Some(before);
            }
            before_equal = Some(before);
            continue;
        }
        let changed = found.former.last().map(|previous| previous.view.changes(&view));
        let changed = changed.unwrap_or_default();
        found.former.push(Recalled { generation, at, until, partial, before, view, changed });
    }
    found.before = match back_to {
        Some(_) => before_it.or(before_equal).flatten(),
        None => before_it.unwrap_or_else(|| whole_before(last)),
    };
    let (first, others): (Vec<_>, _) =
        last.same.iter().partition(|(_, to)| found.same.contains(to));
    found.same.extend(first.into_iter().map(|(older, _)| older));
    found.others = others;
    found.former.drain(..found.former.len().saturating_sub(keep));
    found
}

/// What was served last, or before a change of which a part was served in place until fresh processes
/// served all of it. To go back there would take back the other part.
fn whole_before(last: &LastServed) -> Option<u64> {
    let (mut id, mut partial, mut before) = (Some(last.generation), last.partial, last.before);
    while partial {
        id = before;
        let state = last.former.iter().find(|state| Some(state.generation) == id);
        (partial, before) = state.map_or((false, None), |state| (state.partial, state.before));
    }
    id
}

/// What `first` would be if it had these files; none if their content is not known.
fn view_of(
    system: &dyn FileSystem,
    roots: &Roots,
    budget: &Budget,
    first: &SourceSnapshot,
    files: &SourceSnapshot,
) -> Option<SourceSnapshot> {
    let first_source = first.iter().filter(|(path, _)| is_source(path));
    // Of other files, those that it knew the content of.
    let known = files.iter().filter(|(path, source)| is_source(path) || source.is_served());
    let all: BTreeSet<&Path> = known.chain(first_source).map(|(path, _)| path).collect();
    let there = |view: &SourceSnapshot, path: &Path| {
        view.get(path).filter(|source| !source.is_absent()).cloned()
    };
    let mut view = first.clone();
    for path in all {
        let was = there(files, path);
        if was.as_ref().map(|was| was.digest()) == there(first, path).map(|now| now.digest()) {
            continue;
        }
        if !roots.follows(system, path) {
            return None;
        }
        view = as_it_was(&view, path, was.as_ref(), budget)?;
        // The store may be full.
        there(&view, path).map_or(Some(()), |source| source.text().map(drop))?;
    }
    Some(view)
}
