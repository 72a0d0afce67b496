//! With which abstract base classes of other modules has an execution registered a class?
//!
//! `Plugin.register(Pdf)` changes what `isinstance` answers for `Plugin`, and so the module of
//! `Plugin`. The registry is C code's own, so no comparison of containers sees it. `abc` counts all
//! registrations; only where that number has changed are the classes within reach looked at.

use pyo3::types::{PySet, PyType, PyWeakrefMethods, PyWeakrefReference};
use pyo3::{intern, prelude::*};
use transfuse_engine::{EdgeKind, Target};

use crate::code::name_usage::NameUsage;
use crate::cpython::snapshot;
use crate::effects::import_closure::import_closure;
use crate::effects::ownership::code_of;
use crate::state::{live_module::LiveModule, scope::Scope};

/// How many classes have been registered anywhere so far.
pub fn registrations(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import(intern!(py, "_abc"))?.call_method0(intern!(py, "get_cache_token"))
}

/// The code of `module` has run: records whose abstract base classes it has registered classes with.
pub fn record(
    scope: &Scope<'_>,
    module: &Bound<'_, LiveModule>,
    before: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let py = scope.py;
    if registrations(py)?.eq(before)? || !may_register(scope, module.get()) {
        return Ok(());
    }
    let abstract_type = py.import(intern!(py, "abc"))?.getattr(intern!(py, "ABCMeta"))?;
    for other in import_closure(scope, module) {
        if other.is(module) {
            continue;
        }
        for (_, value) in snapshot::items(&other.get().namespace(py)) {
            let Ok(class) = value.cast_into::<PyType>() else { continue };
            if !class.get_type().is(&abstract_type) || !is_defined_in(&class, other.get()) {
                continue;
            }
            if has_registered(&class, module)? {
                let to = Target::Module(other.get().name.clone());
                module.get().add_edge(to, EdgeKind::Affects);
                break;
            }
        }
    }
    Ok(())
}

/// By name: a class without functions does not lead to the instance that made it.
fn is_defined_in(class: &Bound<'_, PyType>, module: &LiveModule) -> bool {
    code_of(class.py(), class.as_any()).is_some_and(|owner| owner.get().name == module.name)
}

/// Whether the code of the module, or what it imports, calls anything `register`.
fn may_register(scope: &Scope<'_>, module: &LiveModule) -> bool {
    let at_once = |usage: &NameUsage| usage.mentions.contains("register") || usage.runs_text;
    let later = |usage: &NameUsage| usage.mentions_later.contains("register");
    module.with_name_usage(at_once).unwrap_or(true)
        || module.edges().iter().any(|edge| match &edge.to {
            Target::Module(name) => scope
                .find(name.as_str())
                .is_some_and(|other| other.get().with_name_usage(later) == Some(true)),
            Target::File(_) => false,
        })
}

/// Whether a class of the module, or a foreign one, has been registered with an abstract base class.
fn has_registered(class: &Bound<'_, PyType>, module: &Bound<'_, LiveModule>) -> PyResult<bool> {
    let py = class.py();
    let dump = py.import(intern!(py, "_abc"))?.call_method1(intern!(py, "_get_dump"), (class,))?;
    let registered = dump.get_item(0)?.cast_into::<PySet>()?;
    let says = module.get().with_name_usage(|usage| usage.mentions.contains("register"));
    for weak in snapshot::referents(&registered)?.iter() {
        let Ok(weak) = weak.cast_into::<PyWeakrefReference>() else { continue };
        let Some(kind) = weak.upgrade() else { continue };
        match code_of(py, &kind) {
            Some(owner) if owner.get().name == module.get().name => return Ok(true),
            None if says == Some(true) => return Ok(true),
            _ => {}
        }
    }
    Ok(false)
}
