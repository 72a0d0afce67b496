//! Which foreign functions look up live modules by name, and on behalf of which module?
//!
//! A library's `import_string("shop.pay.Visa")` may cache its result, so that the next call imports nothing.
//! A module that runs again therefore inherits the dependencies that its former execution had by such
//! look-ups, and cached references to superseded code are removed (`update/lookups.rs`).

use pyo3::{intern, prelude::*};
use transfuse_engine::{EdgeKind, Target};

use crate::cpython::frames;
use crate::state::{caller, execution_stack, live_module::LiveModule, scope::Scope};

/// How many foreign frames between a look-up and the live code that it is for are recorded.
const MOST: usize = 6;

/// How many updates look in vain for what functions keep of a module that they looked up.
pub const SEARCHES: u8 = 3;

/// Foreign code imported a live module by a name that it computed.
pub fn imported(scope: &Scope<'_>, found: &Bound<'_, LiveModule>) {
    let Some(is_new) = record(scope, found) else { return };
    let mut records = scope.runtime.records.lock();
    let left = records.imported_by_foreign.entry(found.get().name.clone()).or_insert(SEARCHES);
    if is_new {
        *left = SEARCHES;
    }
}

/// Foreign code imported it, or it took something of the module's entry in `sys.modules`. None if no function
/// of foreign code is between that and live code, which has called `pickle.loads`, say; else whether it is one that
/// had not looked the module up before.
pub fn record(scope: &Scope<'_>, found: &Bound<'_, LiveModule>) -> Option<bool> {
    let py = scope.py;
    if let Some(running) = execution_stack::innermost(py).filter(|running| !running.is(found)) {
        running.get().taken.add_by_foreign(&found.get().name);
    }
    let foreign = frames::stack(py).take_while(|frame| caller::of_frame(frame).is_none());
    let functions: Vec<_> = foreign.filter_map(|frame| function_of(&frame)).take(MOST).collect();
    if functions.is_empty() {
        return None;
    }
    let mut records = scope.runtime.records.lock();
    let known = records.looked_up_by.entry(found.get().name.clone()).or_default();
    let before = known.len();
    known.extend(functions);
    Some(known.len() > before)
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
