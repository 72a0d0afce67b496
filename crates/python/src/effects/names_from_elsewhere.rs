//! Which imports take only names that the imported module re-exports?
//!
//! `from shop import tax` takes a submodule, and `from shop.models import Order` may take a class that
//! `shop.models` has imported itself. Such code depends on `shop.tax`, or on the module that defines
//! `Order`. It need not run each time when the module in the statement runs because of its other imports.
//! After such a run the values of the names are compared with the former ones (`update/widening.rs`).

use pyo3::prelude::*;
use transfuse_engine::{EdgeKind, Target};

use crate::code::bytecode;
use crate::effects::dependencies::record_import;
use crate::state::{live_module::LiveModule, scope::Scope};

/// Records that code of `caller` imported `from`, and took these names of it. None stands for the module itself
/// and for all its names. It counts as imported whole, too, if a function or a call of `__import__` does it.
pub fn record<'py>(
    scope: &Scope<'py>,
    caller: &Bound<'py, LiveModule>,
    from: &Bound<'py, LiveModule>,
    names: Option<&[String]>,
) -> PyResult<()> {
    let Scope { py, runtime, .. } = *scope;
    let is_whole = caller.get().is_ready() || from.get().is_replaced() || caller.is(from);
    let names = names.filter(|_| !is_whole).unwrap_or_default();
    let origins = origins(scope, from, names)?.unwrap_or_default();
    if origins.is_empty() || !bytecode::takes_a_name(py)? {
        record_import(py, runtime, caller, from);
        return Ok(());
    }
    for origin in origins {
        record_import(py, runtime, caller, &origin);
    }
    caller.get().add_edge(Target::Module(from.get().name.clone()), EdgeKind::Through);
    caller.get().taken.add_through(&from.get().name, names);
    Ok(())
}

/// The modules from which `from` has these names; none if it defines one of them itself.
fn origins<'py>(
    scope: &Scope<'py>,
    from: &Bound<'py, LiveModule>,
    names: &[String],
) -> PyResult<Option<Vec<Bound<'py, LiveModule>>>> {
    let mut found = Vec::new();
    for name in names {
        let value = from.get().namespace(scope.py).get_item(name)?;
        if let Some(submodule) = submodule(scope, from.get(), name)
            && value.as_ref().is_none_or(|value| value.is(submodule.get().value(scope.py)))
        {
            found.push(submodule);
            continue;
        }
        let Some(value) = value.filter(|_| !is_own(from.get(), name)) else { return Ok(None) };
        let makers = makers(scope, from, name, &value)?;
        if makers.is_empty() {
            return Ok(None);
        }
        found.extend(makers);
    }
    Ok(Some(found))
}

/// Whether the code of a module binds a name otherwise than by imports, or may do so.
fn is_own(module: &LiveModule, name: &str) -> bool {
    module.with_name_usage(|usage| usage.runs_text || !usage.is_only_imported(name)) != Some(false)
}

/// The modules that define a value which `from` imports under that name, directly or not. Numbers and texts
/// may be found in further modules.
fn makers<'py>(
    scope: &Scope<'py>,
    from: &Bound<'py, LiveModule>,
    name: &str,
    value: &Bound<'py, PyAny>,
) -> PyResult<Vec<Bound<'py, LiveModule>>> {
    let mut makers = Vec::new();
    let mut met = vec![from.clone()];
    let mut next = 0;
    while let Some(module) = met.get(next).cloned() {
        next += 1;
        for edge in module.get().edges() {
            if let (EdgeKind::ModuleLevel, Target::Module(to)) = (edge.kind, &edge.to)
                && let Some(other) = scope.find(to.as_str())
                && !met.iter().any(|known| known.is(&other))
                && let Some(there) = other.get().namespace(scope.py).get_item(name)?
                && there.is(value)
            {
                if is_own(other.get(), name) {
                    makers.push(other.clone());
                }
                met.push(other);
            }
        }
    }
    Ok(makers)
}

fn submodule<'py>(
    scope: &Scope<'py>,
    package: &LiveModule,
    name: &str,
) -> Option<Bound<'py, LiveModule>> {
    package.package.then(|| scope.find(package.name.join(name).as_str())).flatten()
}

/// Whether names that `taker` took of a module have other values since the module has run.
pub fn differ(
    scope: &Scope<'_>,
    taker: &LiveModule,
    former: &LiveModule,
    executed: &LiveModule,
) -> bool {
    let own = |of: &LiveModule, name: &str| of.namespace(scope.py).get_item(name).ok().flatten();
    taker.taken.through(&executed.name).iter().any(|name| {
        match (own(former, name), own(executed, name)) {
            (Some(former), Some(now)) => {
                !former.is(&now) && !is_loaded_as(scope, executed, name, &now)
            }
            // A submodule is bound when it is imported.
            (_, None) => submodule(scope, executed, name).is_none(),
            (None, Some(now)) => !is_loaded_as(scope, executed, name, &now),
        }
    })
}

/// Whether a value is the package's submodule of that name.
fn is_loaded_as(
    scope: &Scope<'_>,
    package: &LiveModule,
    name: &str,
    value: &Bound<'_, PyAny>,
) -> bool {
    submodule(scope, package, name).is_some_and(|loaded| loaded.get().value(scope.py).is(value))
}
