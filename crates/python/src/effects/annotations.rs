//! Which lazy imports are mentioned in annotations that Python evaluates later, and keeps?
//!
//! Such a module runs again with its imports in annotations, whether or not they were evaluated yet: a
//! class that generations share can keep the annotations of one of them only. The lazy import may be one
//! of a module that this one imports (`prices.Tea`).

use pyo3::prelude::*;
use pyo3::types::PyCode;
use transfuse_engine::{EdgeKind, ModuleName, Target};

use crate::code::annotations;
use crate::cpython::{lazy_object, snapshot::items};
use crate::state::{lazy_imports, live_module::LiveModule, scope::Scope};

/// The module's code has run: records what its annotations mention.
pub fn record(
    scope: &Scope<'_>,
    module: &Bound<'_, LiveModule>,
    code: &Bound<'_, PyCode>,
) -> PyResult<()> {
    if !lazy_imports::are_declared() {
        return Ok(());
    }
    let mut lazy = unused(module);
    for edge in module.get().edges() {
        if let (Target::Module(name), EdgeKind::ModuleLevel | EdgeKind::Through | EdgeKind::Lazy) =
            (&edge.to, edge.kind)
            && let Some(imported) = scope.find(name.as_str())
            && imported.get().lazy.has_any()
        {
            lazy.extend(unused(&imported));
        }
    }
    if lazy.is_empty() {
        return Ok(());
    }
    let mentioned = annotations::mentioned(scope.py, code)?;
    for (_, target, taken) in lazy.into_iter().filter(|(slot, ..)| mentioned.contains(slot)) {
        let submodule = taken.map(|taken| target.join(&taken));
        let packages = std::iter::successors(Some(target), ModuleName::parent);
        for name in packages.chain(submodule) {
            module.get().add_edge(Target::Module(name), EdgeKind::Annotation);
        }
    }
    Ok(())
}

/// The lazy imports of a module that have not been used: its name for each, the module, and the name
/// that is taken of that.
pub fn unused(module: &Bound<'_, LiveModule>) -> Vec<(String, ModuleName, Option<String>)> {
    if !module.get().lazy.has_any() {
        return Vec::new();
    }
    let all = items(&module.get().namespace(module.py())).into_iter();
    all.filter_map(|(slot, value)| {
        let parts = lazy_object::parts(&value)?;
        let own = module.get().lazy.has_made(&parts.builtins);
        let target = ModuleName::new(&parts.from).ok().filter(|_| own)?;
        Some((slot.extract().ok()?, target, parts.taken))
    })
    .collect()
}
