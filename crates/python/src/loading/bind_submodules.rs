//! When does a package that runs again get the submodules that do not?
//!
//! In a fresh process a submodule becomes an attribute of its package when it has been loaded, and
//! replaces any former value; later bindings of the package replace it. So a package that runs
//! again begins without its submodules. Each is bound when it would have been loaded: when the
//! package's code imports it, or something that has imported it; when that code has ended, if
//! modules that do not run again have imported it; or at the next import of it. Until then it is
//! *pending*. It stays pending after the package's code has ended only if the package has bound the
//! name itself.

use pyo3::{prelude::*, types::PyModule};
use transfuse_engine::{ModuleName, Target};

use crate::effects::conflict;
use crate::loading::submodules;
use crate::state::{execution_stack, live_module::LiveModule, scope::Scope};

/// A package is about to run again: these of its submodules are pending.
pub fn begin(package: &LiveModule, tails: impl IntoIterator<Item = String>) {
    for tail in tails {
        package.pending_submodules.add(&tail);
    }
}

/// The package's code has ended. Other modules have imported the submodules that are still pending,
/// or will.
pub fn ended(scope: &Scope<'_>, package: &Bound<'_, LiveModule>) -> PyResult<()> {
    let py = scope.py;
    let of = package.get();
    for tail in of.pending_submodules.all() {
        let name = of.name.join(&tail);
        let child = scope.find(name.as_str()).filter(|child| child.get().is_ready());
        let Some(child) = child else {
            of.pending_submodules.take(&tail);
            continue;
        };
        let clashes = of.namespace(py).contains(&tail)?;
        if (!clashes || is_imported(scope, package, &child)) && of.pending_submodules.take(&tail) {
            submodules::bind(py, package, &child)?;
        }
    }
    Ok(())
}

/// A submodule has been loaded. If it ran as a step of an update, it may be that no module imports
/// it any more. Then it does not replace the value that the package, which ran again as well, has
/// bound to its name.
pub fn loaded(
    scope: &Scope<'_>,
    package: &Bound<'_, LiveModule>,
    child: &Bound<'_, LiveModule>,
) -> PyResult<()> {
    let py = scope.py;
    let of = package.get();
    let tail = child.get().name.tail();
    let again =
        !execution_stack::is_executing() && scope.base().is_some_and(|base| !base.holds(package));
    let own = of.namespace(py).get_item(tail)?.is_some_and(|own| !own.is(child.get().value(py)));
    if again && own && !is_imported(scope, package, child) {
        of.pending_submodules.add(tail);
        return Ok(());
    }
    if own && scope.base().is_some_and(|base| base.holds(package)) && !is_module(py, of, tail)? {
        // It hides a value that a package in use has: the package runs again, and then has both.
        conflict::add(&of.name, &child.get().name);
    }
    submodules::bind(py, package, child)
}

fn is_module(py: Python<'_>, package: &LiveModule, tail: &str) -> PyResult<bool> {
    let own = package.namespace(py).get_item(tail)?;
    Ok(own.is_some_and(|own| own.is_instance_of::<PyModule>()))
}

/// Whether other modules that do not run again have imported a submodule at module level.
fn is_imported(
    scope: &Scope<'_>,
    package: &Bound<'_, LiveModule>,
    child: &Bound<'_, LiveModule>,
) -> bool {
    let name = &child.get().name;
    let is_below = |other: &ModuleName| {
        let rest = other.as_str().strip_prefix(name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    scope.generation.get().all(scope.py).iter().any(|other| {
        let of = other.get();
        !other.is(package)
            && !is_below(&of.name)
            && of.is_ready()
            && of.edges().iter().any(|edge| {
                edge.kind.is_import() && matches!(&edge.to, Target::Module(to) if is_below(to))
            })
    })
}
