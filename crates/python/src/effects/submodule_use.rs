//! Does a module use a submodule that it reaches as an attribute of a package?
//!
//! `import shop` and then `shop.prices.V`, while another module imported `shop.prices`: no import
//! names the submodule. The code of the module shows it: which attributes it takes of the packages
//! that it imports (`code/attribute_use.rs`). It is asked when an update is planned, so it costs
//! nothing before, and it does not matter when the submodule was loaded.

use pyo3::{prelude::*, types::PyModule};
use transfuse_engine::{Edge, EdgeKind, ModuleName, Target};

use crate::code::name_usage::NameUsage;
use crate::cpython::snapshot;
use crate::effects::retention::is_bound_submodule;
use crate::state::{caller, live_module::LiveModule, runtime};

/// How a module depends on a package of which it takes the submodule; none if it does not.
pub fn kind(py: Python<'_>, user: &LiveModule, submodule: &ModuleName) -> Option<EdgeKind> {
    let packages = std::iter::successors(submodule.parent(), ModuleName::parent);
    let kinds = [EdgeKind::ModuleLevel, EdgeKind::Deferred];
    let mut found = packages.flat_map(|package| {
        let to = Target::Module(package.clone());
        let is_one = move |kind: &EdgeKind| {
            user.has_edge(&to, *kind) && reaches(py, user, &package, *kind, submodule)
        };
        kinds.into_iter().filter(is_one).collect::<Vec<_>>()
    });
    found.next()
}

/// Whether the code of `user`, which has an edge of this kind to `package`, takes the submodule of it.
pub fn reaches(
    py: Python<'_>,
    user: &LiveModule,
    package: &ModuleName,
    kind: EdgeKind,
    submodule: &ModuleName,
) -> bool {
    let Some(rest) = submodule.as_str().strip_prefix(package.as_str()) else { return false };
    if user.name == *package {
        let first = rest.split('.').nth(1).unwrap_or_default();
        return user.with_name_usage(|usage| usage.unbound.contains(first)) == Some(true);
    }
    let mut late = false;
    let mut of = package.tail().to_owned();
    for part in rest.split('.').skip(1) {
        let star = user.with_name_usage(|usage| usage.attributes.takes_names(&of));
        let bound =
            || user.namespace(py).contains(part).unwrap_or(true) || is_new(py, package, submodule);
        let taken = user.with_name_usage(|usage| takes(usage, &of, part)).flatten();
        if taken == Some(false) && !(star == Some(true) && bound()) {
            return false;
        }
        if taken.is_none() {
            late = true;
            let mentioned = user.with_name_usage(|usage| mentions(usage, part));
            if mentioned == Some(false) {
                return false;
            }
        }
        part.clone_into(&mut of);
    }
    !late || takes_late(user, package, kind, submodule)
}

/// Whether a submodule of a package without `__all__` has not been loaded yet, so that a star import of
/// the package could not take it.
fn is_new(py: Python<'_>, package: &ModuleName, submodule: &ModuleName) -> bool {
    let Some(runtime) = runtime::in_force() else { return false };
    let current = runtime.current(py);
    let found = current.get().find(py, package.as_str());
    let lists = |found: Bound<'_, LiveModule>| found.get().namespace(py).contains("__all__");
    current.get().find(py, submodule.as_str()).is_none()
        && found.is_some_and(|found| !lists(found).unwrap_or(true))
}

/// Does the code of `user` look at all names in the namespace of a package, or hand the package to another
/// module that may do so? A submodule is not among them while generations that share the package differ in
/// it. `find` finds a module.
pub fn looks_into<'py>(
    user: &LiveModule,
    package: &ModuleName,
    find: impl Fn(&ModuleName) -> Option<Bound<'py, LiveModule>>,
) -> bool {
    let takes = |name: &str| {
        let taken = |usage: &NameUsage| {
            usage.attributes.of(package.tail()).any(|attribute| attribute == name)
        };
        user.with_name_usage(taken) == Some(true)
    };
    let helper = |edge: Edge| match edge.to {
        Target::Module(name) if edge.kind.is_import() => find(&name),
        _ => None,
    };
    takes("__dict__")
        || (takes("")
            && (takes_namespaces(user)
                || user.edges().into_iter().filter_map(helper).any(|m| takes_namespaces(m.get()))))
}

fn takes_namespaces(module: &LiveModule) -> bool {
    let takes = |usage: &NameUsage| {
        usage.takes_namespaces
            || usage.mentions.contains("__dict__")
            || usage.mentions_later.contains("__dict__")
    };
    module.with_name_usage(takes) == Some(true)
}

/// The same where only functions import the package. Those that ran later have an edge of their own
/// kind, and one that names the submodule has an edge to that.
fn takes_late(
    user: &LiveModule,
    package: &ModuleName,
    kind: EdgeKind,
    submodule: &ModuleName,
) -> bool {
    let has = |name: &ModuleName, kind| user.has_edge(&Target::Module(name.clone()), kind);
    let direct = [EdgeKind::ModuleLevel, EdgeKind::Through, EdgeKind::Deferred];
    let direct = direct.into_iter().any(|kind| has(submodule, kind));
    !direct && (kind == EdgeKind::Deferred || !has(package, EdgeKind::Deferred))
}

/// The code of `module` has run: a package that it took of another module counts as imported, because
/// it may take submodules of it.
pub fn record_packages(module: &Bound<'_, LiveModule>) {
    let py = module.py();
    for (key, value) in snapshot::items(&module.get().namespace(py)) {
        let Some(taken) = live_module(&value) else { continue };
        let key = key.extract::<&str>().unwrap_or_default();
        if taken.is(module) || is_bound_submodule(module.get(), key, taken.get()) {
            continue;
        }
        record_package(module, taken.get());
        // `mid.shop.prices`, where `mid` has imported the package `shop`.
        let through = module.get().with_name_usage(|usage| {
            usage.attributes.of(taken.get().name.tail()).collect::<Vec<_>>()
        });
        for attribute in through.into_iter().flatten() {
            let value = taken.get().namespace(py).get_item(attribute).ok().flatten();
            if let Some(package) = value.and_then(|value| live_module(&value))
                && !package.is(module)
                && !is_bound_submodule(taken.get(), attribute, package.get())
            {
                record_package(module, package.get());
            }
        }
    }
}

fn live_module<'py>(value: &Bound<'py, PyAny>) -> Option<Bound<'py, LiveModule>> {
    caller::module_of_globals(value.py(), &value.cast_exact::<PyModule>().ok()?.dict())
}

fn record_package(module: &Bound<'_, LiveModule>, package: &LiveModule) {
    let to = Target::Module(package.name.clone());
    if package.package && !module.get().has_edge(&to, EdgeKind::Deferred) {
        module.get().add_edge(to, EdgeKind::ModuleLevel);
    }
}

/// Whether code takes the attribute of such a module; none if functions import that, so that it is
/// unknown.
fn takes(usage: &NameUsage, module: &str, attribute: &str) -> Option<bool> {
    if usage.runs_text { Some(true) } else { usage.attributes.takes(module, attribute) }
}

fn mentions(usage: &NameUsage, attribute: &str) -> bool {
    usage.takes_any
        || usage.mentions.contains(attribute)
        || usage.mentions_later.contains(attribute)
}
