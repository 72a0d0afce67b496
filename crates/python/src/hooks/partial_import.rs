//! From which object does a statement take a submodule that is partially initialized?
//!
//! Such a submodule is no attribute of its package yet. In a circle `from a import b` and `import
//! a.b as m` get it from `sys.modules`. For live code that would be wrong, because the facades for
//! foreign code stand there. So the statement gets a temporary module with the package's names and
//! the submodule.

use pyo3::{prelude::*, types::PyModule};

use crate::loading::submodules;
use crate::state::{live_module::LiveModule, scope::Scope};

/// Whether a submodule is being loaded, and not put into its package by its own code.
pub fn is_partial(
    py: Python<'_>,
    package: &LiveModule,
    child: &Bound<'_, LiveModule>,
) -> PyResult<bool> {
    Ok(!child.get().is_ready() && !package.namespace(py).contains(child.get().name.tail())?)
}

/// The module that `from package import a, b` takes its names from.
pub fn package_with<'py>(
    py: Python<'py>,
    package: &LiveModule,
    children: &[Bound<'py, LiveModule>],
) -> PyResult<Bound<'py, PyModule>> {
    let children = children.iter().map(|child| (child.get().name.tail(), child.get().value(py)));
    submodules::package_with(py, package, children)
}

/// The module that `import a.b.c as m` takes `b` from, and `c` from that; none if all of them are
/// loaded.
///
/// `import a.b.c` is another matter: it takes nothing, and finds that `c` is not there yet.
pub fn partial_package_chain<'py>(
    scope: &Scope<'py>,
    instance: &Bound<'py, LiveModule>,
) -> PyResult<Option<Bound<'py, PyModule>>> {
    let py = scope.py;
    let mut child = instance.clone();
    let mut chain: Option<Bound<'py, PyModule>> = None;
    while let Some(parent) = child.get().name.parent() {
        let Some(package) = scope.find(parent.as_str()) else { break };
        chain = match chain {
            Some(next) => {
                let next = [(child.get().name.tail(), next.into_any())];
                Some(submodules::package_with(py, package.get(), next)?)
            }
            None if is_partial(py, package.get(), &child)? => {
                Some(package_with(py, package.get(), &[child])?)
            }
            None => None,
        };
        child = package;
    }
    Ok(chain)
}
