//! Which foreign functions look up live modules by their names, and for whom?
//!
//! `import_string("shop.pay.Visa")` of a library may remember what it has found, so the next call looks up
//! nothing. A module that runs again still depends on what was looked up for its former execution, and
//! what the library remembers of former code has to go (`update/lookups.rs`).

use pyo3::{intern, prelude::*};
use transfuse_engine::{EdgeKind, Target};

use crate::cpython::frames;
use crate::state::{caller, execution_stack, live_module::LiveModule, scope::Scope};

/// How many foreign frames between a look-up and the live code that it is for are recorded.
const MOST: usize = 6;

/// Foreign code imported a live module by its name.
pub fn imported(scope: &Scope<'_>, found: &Bound<'_, LiveModule>) {
    scope.runtime.records.lock().imported_by_foreign.insert(found.get().name.clone());
    record(scope, found);
}

/// Foreign code did, or it took something of the module's entry in `sys.modules`.
pub fn record(scope: &Scope<'_>, found: &Bound<'_, LiveModule>) {
    let py = scope.py;
    if let Some(running) = execution_stack::innermost(py).filter(|running| !running.is(found)) {
        running.get().taken.add_by_foreign(&found.get().name);
    }
    let mut functions = Vec::new();
    for frame in frames::stack(py) {
        let Some((module, function)) = function_of(&frame) else { continue };
        if caller::of_frame(&frame).is_some() || functions.len() == MOST {
            break;
        }
        functions.push((module, function));
    }
    let mut records = scope.runtime.records.lock();
    records.looked_up_by.entry(found.get().name.clone()).or_default().extend(functions);
}

/// The names of the module and of the function that a frame runs; none for the machinery of imports.
fn function_of(frame: &Bound<'_, PyAny>) -> Option<(String, String)> {
    let py = frame.py();
    let globals = frame.getattr(intern!(py, "f_globals")).ok()?;
    let module: String = globals.get_item(intern!(py, "__name__")).ok()?.extract().ok()?;
    if matches!(module.split('.').next(), Some("importlib" | "transfuse")) {
        return None;
    }
    let code = frames::code(frame)?;
    // Before Python 3.11 code does not know its qualified name.
    let name = code
        .getattr(intern!(py, "co_qualname"))
        .or_else(|_| code.getattr(intern!(py, "co_name")))
        .ok()?;
    Some((module, name.extract().ok()?))
}

/// `instance` ran in place of `former`: what foreign code looked up for that one, it may have remembered.
pub fn carry(scope: &Scope<'_>, former: &LiveModule, instance: &Bound<'_, LiveModule>) {
    let Some(base) = scope.base() else { return };
    for name in former.taken.by_foreign() {
        if base.find(name.as_str()).is_some() && name != instance.get().name {
            instance.get().add_edge(Target::Module(name.clone()), EdgeKind::ModuleLevel);
            instance.get().taken.add_by_foreign(&name);
        }
    }
}
