//! Does a module use a submodule that it reaches as an attribute of a package?
//!
//! `import shop` and then `shop.prices.V`, while another module imported `shop.prices`: no import
//! names the submodule. The code of the module shows it: which attributes it takes of the packages
//! that it imports (`code/attribute_use.rs`). It is asked when an update is planned, so it costs
//! nothing before, and it does not matter when the submodule was loaded.

use pyo3::{prelude::*, types::PyModule};
use transfuse_engine::{EdgeKind, ModuleName, Target};

use crate::code::name_usage::NameUsage;
use crate::cpython::snapshot;
use crate::effects::retention::is_bound_submodule;
use crate::state::{caller, live_module::LiveModule};

/// How a module depends on a package of which it takes the submodule; none if it does not.
pub fn kind(py: Python<'_>, user: &LiveModule, submodule: &ModuleName) -> Option<EdgeKind> {
    let packages = std::iter::successors(submodule.parent(), ModuleName::parent);
    let mut kinds = packages.filter_map(|package| {
        let kind = import_kind(user, &package)?;
        reaches(py, user, &package, submodule).then_some(kind)
    });
    kinds.next()
}

/// Whether the code of `user`, which imports `package`, takes the submodule of it.
pub fn reaches(
    py: Python<'_>,
    user: &LiveModule,
    package: &ModuleName,
    submodule: &ModuleName,
) -> bool {
    let Some(rest) = submodule.as_str().strip_prefix(package.as_str()) else { return false };
    let mut of = package.tail().to_owned();
    for part in rest.split('.').skip(1) {
        let star = user.with_name_usage(|usage| usage.attributes.takes_names(&of));
        let bound = || user.namespace(py).contains(part).unwrap_or(true);
        let takes = |usage: &NameUsage| takes(usage, &of, part);
        let taken = user.with_name_usage(takes).unwrap_or(false);
        let by_star = || star == Some(true) && bound();
        if !taken && !by_star() {
            return false;
        }
        part.clone_into(&mut of);
    }
    true
}

/// The code of `module` has run: a package that it took of another module counts as imported, because
/// it may take submodules of it.
pub fn record_packages(module: &Bound<'_, LiveModule>) {
    let py = module.py();
    for (key, value) in snapshot::items(&module.get().namespace(py)) {
        if let Ok(value) = value.cast_exact::<PyModule>()
            && let Some(package) = caller::module_of_globals(py, &value.dict())
            && package.get().package
            && !package.is(module)
            && !key
                .extract::<&str>()
                .is_ok_and(|key| is_bound_submodule(module.get(), key, package.get()))
        {
            let to = Target::Module(package.get().name.clone());
            if !module.get().has_edge(&to, EdgeKind::Deferred) {
                module.get().add_edge(to, EdgeKind::ModuleLevel);
            }
        }
    }
}

fn takes(usage: &NameUsage, module: &str, attribute: &str) -> bool {
    let mentions = || {
        usage.takes_any
            || usage.mentions.contains(attribute)
            || usage.mentions_later.contains(attribute)
    };
    usage.runs_text || usage.attributes.takes(module, attribute).unwrap_or_else(mentions)
}

fn import_kind(user: &LiveModule, package: &ModuleName) -> Option<EdgeKind> {
    let to = Target::Module(package.clone());
    let kinds = [EdgeKind::ModuleLevel, EdgeKind::Deferred];
    kinds.into_iter().find(|kind| user.has_edge(&to, *kind))
}
