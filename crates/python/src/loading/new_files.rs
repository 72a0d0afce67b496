//! May a new file appear in a generation?
//!
//! A generation is a fixed view, but code may write a module and import it at once. So a new file
//! becomes part of the current generation when code that is not pinned imports it, if that gives
//! the same result as an update: all source in the view is still as on disk, no module was run
//! without that file, and no unit of work was told that the file does not exist. All other files
//! wait for the update. A staged generation is not fixed yet, so modules that write others as they
//! run find these.

use std::{path::Path, sync::Arc};

use transfuse_engine::{ModuleName, Source, matches_disk};

use crate::loading::names_of_file;
use crate::state::{generation::Generation, pin, scope::Scope};

/// Records that a name in a directory is reported as absent, which it stays for the units of work
/// that are pinned to the generation. False if it has appeared meanwhile.
pub fn report_absent(scope: &Scope<'_>, dir: &Path, name: &ModuleName) -> bool {
    if !is_pinned(scope) {
        return true;
    }
    let place = dir.join(name.tail());
    // Held while the view is asked, as in `admit`: one of the two comes first.
    let mut reported_absent = scope.generation.get().reported_absent.lock();
    let view = scope.generation.get().view();
    let absent = [place.join("__init__.py"), dir.join(format!("{}.py", name.tail()))]
        .iter()
        .all(|path| view.get(path).is_none());
    if absent {
        reported_absent.add(place);
    }
    absent
}

/// Adds a new file to the generation; false if it was reported as absent meanwhile.
pub fn admit(
    generation: &Generation,
    dir: &Path,
    name: &ModuleName,
    path: &Path,
    source: &Arc<Source>,
) -> bool {
    let reported_absent = generation.reported_absent.lock();
    if reported_absent.has(&dir.join(name.tail())) {
        return false;
    }
    generation.admit_new(path, source);
    true
}

/// Whether a file that no generation has seen may become part of this one, as `name` in `dir`.
pub fn may_admit(scope: &Scope<'_>, dir: &Path, name: &ModuleName) -> bool {
    let Scope { py, runtime, .. } = *scope;
    if scope.is_staged() {
        return true;
    }
    let place = dir.join(name.tail());
    if runtime.current(py).get().id != scope.generation.get().id
        || is_pinned(scope)
        || names_of_file::ran_without(runtime, name)
        || scope.generation.get().reported_absent.lock().has(&place)
    {
        return false;
    }
    let view = scope.generation.get().view();
    let known = py.detach(|| matches_disk(&*runtime.system, &view));
    if !known {
        // Not compared again for each caller: an update is due, and makes another generation.
        scope.generation.get().reported_absent.lock().add(place);
    }
    known
}

/// Whether the caller is a pinned unit of work, and not the thread that stages.
fn is_pinned(scope: &Scope<'_>) -> bool {
    !scope.is_staged()
        && pin::pinned(scope.py).is_some_and(|pinned| pinned.get().id == scope.generation.get().id)
}
