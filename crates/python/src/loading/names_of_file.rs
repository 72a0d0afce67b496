//! Under which names would a file be imported?
//!
//! The names on `sys.path` as it is now, and whether some module asked for such a name in vain.

use std::{collections::BTreeSet, path::Path};

use pyo3::{intern, prelude::*, types::PyList};
use transfuse_engine::{EdgeKind, ModuleName};

use crate::state::runtime::Runtime;

/// Whether some module asked for that name in vain when it ran, or a function, which may remember that.
pub fn was_missed(runtime: &Runtime, name: &ModuleName) -> bool {
    ran_without(runtime, name) || has_importer(runtime, name, EdgeKind::Deferred)
}

/// Whether some module asked for that name in vain when it ran.
pub fn ran_without(runtime: &Runtime, name: &ModuleName) -> bool {
    has_importer(runtime, name, EdgeKind::NotFound)
}

/// Whether annotations of some module mention a lazy import of that name.
pub fn is_annotation(runtime: &Runtime, name: &ModuleName) -> bool {
    has_importer(runtime, name, EdgeKind::Annotation)
}

fn has_importer(runtime: &Runtime, name: &ModuleName, kind: EdgeKind) -> bool {
    let records = runtime.records.lock();
    let mut importers = records.graph.importers(name);
    importers.any(|(_, each)| each == kind)
}

/// The names under which a new file would be found from `sys.path`.
pub fn would_be(py: Python<'_>, runtime: &Runtime, path: &Path) -> BTreeSet<ModuleName> {
    let mut names: BTreeSet<ModuleName> = runtime.roots.name_of(path).into_iter().collect();
    let path_of_system = py
        .import(intern!(py, "sys"))
        .and_then(|sys| Ok(sys.getattr(intern!(py, "path"))?.cast_into::<PyList>()?));
    // An entry that is no text, such as a path object, is passed over, as the import system does.
    let entries = path_of_system.iter().flatten().filter_map(|e| e.extract::<String>().ok());
    for entry in entries {
        let Some(dir) = runtime.entry(&entry) else { continue };
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
