//! Which modules does a change of files concern?
//!
//! A file that a module was loaded from concerns that module. A new file concerns the name that it
//! would be found under, if an import of it failed before, or if it now hides the module of another
//! file. Another file that no module was loaded from concerns none, unless a module failed to load
//! from it and its importer took a fallback. `planning` adds the modules that depend on these.

use std::path::Path;

use pyo3::prelude::*;
use transfuse_engine::{ChangeKind, FileChange, ModuleName, Reason, SourceSnapshot};

use crate::code::name_usage::NameUsage;
use crate::effects::written_files;
use crate::loading::names_of_file::{is_annotation, was_missed, would_be};
use crate::loading::namespace_path;
use crate::state::{generation::Generation, runtime::Runtime};

/// The modules that changed files concern, each once with its first reason.
struct Seeds<'a, 'py> {
    py: Python<'py>,
    runtime: &'a Runtime,
    current: Bound<'py, Generation>,
    /// The sources of the next generation.
    newer: &'a SourceSnapshot,
    /// `[(shop.tax, Changed)]`, in the order in which they were found.
    found: Vec<(ModuleName, Reason)>,
}

/// The modules that changes of files concern, each with its reason.
pub fn of_changes(
    py: Python<'_>,
    runtime: &Runtime,
    newer: &SourceSnapshot,
    changes: &[FileChange],
) -> Vec<(ModuleName, Reason)> {
    let current = runtime.current(py);
    let mut seeds = Seeds { py, runtime, current, newer, found: Vec::new() };
    for change in changes {
        seeds.add_change(change);
    }
    seeds.found
}

impl Seeds<'_, '_> {
    fn add(&mut self, name: ModuleName, reason: Reason) {
        if !self.found.iter().any(|(known, _)| *known == name) {
            self.found.push((name, reason));
        }
    }

    fn add_change(&mut self, change: &FileChange) {
        let (loaded, readers) = {
            let records = self.runtime.records.lock();
            let loaded = records.files.get(&change.path).cloned().unwrap_or_default();
            let mut readers: Vec<_> = records.graph.readers(&change.path).cloned().collect();
            if written_files::is_written(&records, &change.path)
                && let Some(own) = records.read_by_functions.get(&change.path)
            {
                readers.retain(|reader| !own.contains(reader));
            }
            (loaded, readers)
        };
        let possible = would_be(self.py, self.runtime, &change.path);
        let deleted = change.kind == ChangeKind::Deleted;
        if deleted {
            for name in loaded.iter().chain(&possible) {
                for package in self.emptied(name) {
                    self.add(package, Reason::Deleted);
                }
            }
        }
        for name in loaded {
            if self.is_loaded_from(&name, &change.path) == Some(true) {
                let gone = deleted && !is_found_elsewhere(self.newer, &change.path);
                if gone {
                    self.add_hidden_value(&name);
                }
                self.add(name, if gone { Reason::Deleted } else { Reason::Changed });
            }
        }
        for name in readers {
            self.add(name, Reason::Reads(change.path.clone()));
        }
        for name in possible {
            self.add_possible(name, change);
        }
    }

    /// A deleted submodule has hidden a value of its package: the package runs again, to have it.
    fn add_hidden_value(&mut self, name: &ModuleName) {
        let Some(package) = name.parent() else { return };
        let Some(loaded) = self.current.get().find(self.py, package.as_str()) else { return };
        let defines = |usage: &NameUsage| usage.defined.contains(name.tail());
        if loaded.get().with_name_usage(defines).unwrap_or(false) {
            self.add(package, Reason::AffectedBy(name.clone()));
        }
    }

    /// Adds a module that the changed file could be the source of.
    fn add_possible(&mut self, name: ModuleName, change: &FileChange) {
        let created = change.kind == ChangeKind::Created;
        if self.is_loaded_from(&name, &change.path) == Some(false) {
            if created {
                self.add(name, Reason::Changed);
            }
            return;
        }
        // A new folder is a new namespace package as well.
        for name in std::iter::successors(Some(name), ModuleName::parent) {
            let loaded = self.current.get().find(self.py, name.as_str()).is_some();
            if !loaded && (was_missed(self.runtime, &name) || is_annotation(self.runtime, &name)) {
                self.add(name, if created { Reason::Created } else { Reason::Changed });
            }
        }
    }

    /// Was the module loaded from this file? None if it is not loaded.
    fn is_loaded_from(&self, name: &ModuleName, path: &Path) -> Option<bool> {
        let instance = self.current.get().find(self.py, name.as_str())?;
        Some(instance.get().path.as_deref() == Some(path))
    }

    /// The namespace packages around the module of a deleted file, loaded or not, that have no source
    /// left in them.
    fn emptied(&self, name: &ModuleName) -> Vec<ModuleName> {
        let is_emptied = |package: &ModuleName| {
            let package = self.current.get().find(self.py, package.as_str())?;
            let path = namespace_path::of(self.py, package.get())?;
            Some(!path.get().is_known_to(self.runtime, self.newer))
        };
        let around = std::iter::successors(name.parent(), ModuleName::parent);
        around.filter(|package| is_emptied(package) == Some(true)).collect()
    }
}

/// Is a module whose file is gone found all the same: as a package that was a module, the other way
/// round, or as a namespace package?
fn is_found_elsewhere(newer: &SourceSnapshot, path: &Path) -> bool {
    let is_init = path.file_name().is_some_and(|name| name == "__init__.py");
    let dir =
        if is_init { path.parent().map(Path::to_owned) } else { Some(path.with_extension("")) };
    dir.is_some_and(|dir| {
        newer.has_dir(&dir) || is_init && newer.get(&dir.with_extension("py")).is_some()
    })
}
