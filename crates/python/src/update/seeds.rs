//! Which modules are meant by a change of files?
//!
//! A file that a module was loaded from means that module. A new file means the
//! name it would be found under: one that was looked for in vain, or one that it
//! now hides. A file that no module was loaded from means nothing yet, unless one
//! failed to be loaded from it, and who asked for that went on without.

use std::collections::BTreeSet;
use std::path::Path;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;
use transfuse_engine::{Change, ChangeKind, EdgeKind, ModuleName, Reason, View};

use crate::state::runtime::Engine;
use crate::loading::namespace_path;

/// The modules that changes of files mean, each with its reason.
pub fn of_changes(
    py: Python<'_>,
    engine: &Engine,
    newer: &View,
    changes: &[Change],
) -> Vec<(ModuleName, Reason)> {
    let current = engine.current(py);
    let mut seeds: Vec<(ModuleName, Reason)> = Vec::new();
    let mut add = |name: ModuleName, reason: Reason| {
        if !seeds.iter().any(|(known, _)| *known == name) {
            seeds.push((name, reason));
        }
    };
    for change in changes {
        let (loaded, readers) = {
            let book = engine.book.lock().unwrap();
            let loaded = book.files.get(&change.path).cloned().unwrap_or_default();
            let readers: Vec<_> = book.graph.readers(&change.path).cloned().collect();
            (loaded, readers)
        };
        let possible = would_be(py, engine, &change.path);
        if change.kind == ChangeKind::Deleted {
            for name in loaded.iter().chain(&possible) {
                for package in emptied(py, engine, newer, name) {
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
                if !loaded && was_missed(engine, &name) {
                    add(name, if created { Reason::Created } else { Reason::Changed });
                }
            }
        }
    }
    seeds
}

/// Whether some module asked for that name in vain.
pub fn was_missed(engine: &Engine, name: &ModuleName) -> bool {
    let book = engine.book.lock().unwrap();
    let mut asked = book.graph.importers(name);
    asked.any(|(_, kind)| kind == EdgeKind::NotFound)
}

/// The namespace packages around the module of a deleted file, loaded or not, that have no source
/// left in them.
fn emptied(py: Python<'_>, engine: &Engine, newer: &View, name: &ModuleName) -> Vec<ModuleName> {
    let current = engine.current(py);
    let around = std::iter::successors(name.parent(), ModuleName::parent);
    around
        .filter(|package| {
            current.get().find(py, package.as_str()).is_some_and(|package| {
                namespace_path::of(py, package.get())
                    .is_some_and(|path| !path.get().is_known_to(engine, newer))
            })
        })
        .collect()
}

/// Whether a module whose file is gone is found all the same: as a package that was a module, the
/// other way round, or as a namespace package.
fn elsewhere(newer: &View, path: &Path) -> bool {
    let is_init = path.file_name().is_some_and(|name| name == "__init__.py");
    let dir =
        if is_init { path.parent().map(Path::to_owned) } else { Some(path.with_extension("")) };
    dir.is_some_and(|dir| {
        newer.has_dir(&dir) || is_init && newer.get(&dir.with_extension("py")).is_some()
    })
}

/// The names under which a new file would be found from `sys.path`.
pub fn would_be(py: Python<'_>, engine: &Engine, path: &Path) -> BTreeSet<ModuleName> {
    let mut names: BTreeSet<ModuleName> = engine.roots.name_of(path).into_iter().collect();
    let path_of_system = py
        .import(intern!(py, "sys"))
        .and_then(|sys| Ok(sys.getattr(intern!(py, "path"))?.cast_into::<PyList>()?));
    // An entry that is no text, such as a path object, is passed over, as the import system does.
    let entries = path_of_system.iter().flatten().filter_map(|e| e.extract::<String>().ok());
    for entry in entries {
        let Some(dir) = engine.entry(&entry) else { continue };
        let Ok(inside) = path.strip_prefix(&dir) else { continue };
        let mut parts: Vec<String> =
            inside.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
        let Some(last) = parts.pop() else { continue };
        match last.strip_suffix(".py") {
            Some("__init__") | None => {}
            Some(stem) => parts.push(stem.to_owned()),
        }
        names.extend(ModuleName::new(&parts.join(".")));
    }
    names
}
