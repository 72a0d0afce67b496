//! Which modules are meant by a change of files?
//!
//! A file that a module was loaded from means that module. A new file means the
//! name it would be found under: one that was looked for in vain, or one that it
//! now hides. A file that no module was loaded from means nothing yet, unless one
//! failed to be loaded from it, and who asked for that went on without.

use std::path::Path;

use pyo3::prelude::*;
use transfuse_engine::{ChangeKind, FileChange, ModuleName, Reason, SourceSnapshot};

use crate::loading::names_of_file::{was_missed, would_be};
use crate::loading::namespace_path;
use crate::state::runtime::Runtime;

/// The modules that changes of files mean, each with its reason.
pub fn of_changes(
    py: Python<'_>,
    runtime: &Runtime,
    newer: &SourceSnapshot,
    changes: &[FileChange],
) -> Vec<(ModuleName, Reason)> {
    let current = runtime.current(py);
    let mut seeds: Vec<(ModuleName, Reason)> = Vec::new();
    let mut add = |name: ModuleName, reason: Reason| {
        if !seeds.iter().any(|(known, _)| *known == name) {
            seeds.push((name, reason));
        }
    };
    for change in changes {
        let (loaded, readers) = {
            let records = runtime.records.lock();
            let loaded = records.files.get(&change.path).cloned().unwrap_or_default();
            let readers: Vec<_> = records.graph.readers(&change.path).cloned().collect();
            (loaded, readers)
        };
        let possible = would_be(py, runtime, &change.path);
        if change.kind == ChangeKind::Deleted {
            for name in loaded.iter().chain(&possible) {
                for package in emptied(py, runtime, newer, name) {
                    add(package, Reason::Deleted);
                }
            }
        }
        for name in loaded {
            let here = current
                .get()
                .find(py, name.as_str())
                .is_some_and(|instance| instance.get().path.as_ref() == Some(&change.path));
            if here && change.kind == ChangeKind::Deleted {
                let moved = elsewhere(newer, &change.path);
                add(name, if moved { Reason::Changed } else { Reason::Deleted });
            } else if here {
                add(name, Reason::Changed);
            }
        }
        for name in readers {
            add(name, Reason::Reads(change.path.clone()));
        }
        for name in possible {
            let created = change.kind == ChangeKind::Created;
            let loaded = current.get().find(py, name.as_str());
            if loaded.is_some_and(|i| i.get().path.as_ref() != Some(&change.path)) {
                if created {
                    add(name, Reason::Changed);
                }
                continue;
            }
            // A new folder is a new namespace package as well.
            for name in std::iter::successors(Some(name), ModuleName::parent) {
                let loaded = current.get().find(py, name.as_str()).is_some();
                if !loaded && was_missed(runtime, &name) {
                    add(name, if created { Reason::Created } else { Reason::Changed });
                }
            }
        }
    }
    seeds
}

/// The namespace packages around the module of a deleted file, loaded or not, that have no source
/// left in them.
fn emptied(
    py: Python<'_>,
    runtime: &Runtime,
    newer: &SourceSnapshot,
    name: &ModuleName,
) -> Vec<ModuleName> {
    let current = runtime.current(py);
    let around = std::iter::successors(name.parent(), ModuleName::parent);
    around
        .filter(|package| {
            current.get().find(py, package.as_str()).is_some_and(|package| {
                namespace_path::of(py, package.get())
                    .is_some_and(|path| !path.get().is_known_to(runtime, newer))
            })
        })
        .collect()
}

/// Whether a module whose file is gone is found all the same: as a package that was a module, the
/// other way round, or as a namespace package.
fn elsewhere(newer: &SourceSnapshot, path: &Path) -> bool {
    let is_init = path.file_name().is_some_and(|name| name == "__init__.py");
    let dir =
        if is_init { path.parent().map(Path::to_owned) } else { Some(path.with_extension("")) };
    dir.is_some_and(|dir| {
        newer.has_dir(&dir) || is_init && newer.get(&dir.with_extension("py")).is_some()
    })
}
