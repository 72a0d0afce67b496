//! Which modules does running a module's code change?
//!
//! A handler put into a registry, a route on an application, a model on a base: the module that
//! does it *affects* the other. It is found by observation: when module-level code imports
//! something and uses it, the state of the imported module and of its own imports is listed
//! (`state_snapshot.rs`), and compared when the code has ended or another module's begins
//! (`attribution.rs`). Facts that are computed and stored do not count (`memo.rs`). The engine's
//! plan follows the edges that are recorded here.

use std::cell::RefCell;

use pyo3::prelude::*;
use pyo3::types::PyModule;

use crate::effects::attribution::{self, Used};
use crate::effects::dependencies::record_import;
use crate::effects::{
    builtins_names, conflict, current_objects, foreign_lookups, foreign_patches, log_handlers,
};
use crate::state::caller;
use crate::state::execution_stack::{self, Execution};
use crate::state::foreign_patch::Before;
use crate::state::live_module::LiveModule;
use crate::state::runtime::Runtime;
use crate::state::scope::Scope;

/// The observations of other modules while the code of one runs.
#[derive(Default)]
struct Observed {
    /// The modules that it uses so far.
    used: Used,
    /// The attributes of foreign modules that it may set, as they were.
    foreign: Vec<Before>,
    /// The names of the foreign modules that it uses, as they were.
    namespaces: Vec<foreign_patches::Namespace>,
    /// The names of `builtins`, as they were.
    builtins: Option<foreign_patches::Namespace>,
}

thread_local! {
    /// One entry for each module that this thread executes, in the order of the execution stack.
    static OBSERVED: RefCell<Vec<Observed>> = const { RefCell::new(Vec::new()) };
}

/// The execution of one module, while it lasts.
pub struct Observation {
    execution: Execution,
}

impl Observation {
    /// The module's code is about to run.
    pub fn begin(instance: &Bound<'_, LiveModule>) -> Self {
        let py = instance.py();
        if let Some(outer) = execution_stack::innermost(py)
            && !attribution::has_only_imported(py, &outer)
        {
            // The module around it waits: the changes until now are its doing.
            with_used(|used| {
                attribution::settle(py, &outer, &used);
                used
            });
        }
        let observed = Observed { builtins: builtins_names::before(py), ..Default::default() };
        OBSERVED.with_borrow_mut(|stack| stack.push(observed));
        Observation { execution: Execution::begin(instance) }
    }

    /// The module's code has ended: records the modules whose state has changed. Returns the
    /// attributes of foreign modules as they were before. `stays`: what it put into `builtins` is there while
    /// the module around it goes on.
    pub fn end(self, py: Python<'_>, instance: &Bound<'_, LiveModule>, stays: bool) -> Vec<Before> {
        let Some(ended) = OBSERVED.with_borrow_mut(Vec::pop) else { return Vec::new() };
        attribution::settle(py, instance, &ended.used);
        log_handlers::ended(instance);
        current_objects::ended(py, instance, self.execution.depth() == 0);
        let Observed { mut foreign, namespaces, builtins, .. } = ended;
        foreign.extend(foreign_patches::set_by_calls(instance, &namespaces, &foreign));
        if let Some(was) = builtins {
            let more = builtins_names::put_by_calls(py, &was, &foreign);
            foreign.extend(more);
            let around = || {
                OBSERVED.with_borrow(|stack| Some(stack.last()?.builtins.as_ref()?.clone_ref(py)))
            };
            if stays && let Some(outer) = around() {
                outer.take(py, &was);
            }
        }
        foreign
    }
}

impl Drop for Observation {
    /// It may have ended by a panic: the thread goes on, and executes nothing any more.
    fn drop(&mut self) {
        let depth = self.execution.depth();
        let left = OBSERVED
            .with_borrow_mut(|stack| stack.drain(depth.min(stack.len())..).collect::<Vec<_>>());
        // Outside the borrow: dropping these may run code that is observed here.
        drop(left);
        if depth == 0 {
            attribution::forget();
            log_handlers::forget();
        }
    }
}

/// Whether `caller` is the module that this thread is executing.
fn is_innermost(caller: &Bound<'_, LiveModule>) -> bool {
    execution_stack::innermost(caller.py()).is_some_and(|innermost| innermost.is(caller))
}

/// Module-level code of `caller` imported something foreign that it may set attributes of.
pub fn imported_foreign(caller: &Bound<'_, LiveModule>, module: &Bound<'_, PyModule>) {
    if caller.get().is_ready() || !is_innermost(caller) {
        return;
    }
    OBSERVED.with_borrow_mut(|stack| {
        if let Some(seen) = stack.last_mut() {
            let more = foreign_patches::before(caller, module, &seen.foreign);
            seen.foreign.extend(more);
        }
    });
    let is_new = OBSERVED.with_borrow(|stack| {
        stack.last().is_some_and(|seen| !seen.namespaces.iter().any(|names| names.is_of(module)))
    });
    // Outside the borrow: a new dict may start a garbage collection, which runs code.
    if is_new && let Some(names) = foreign_patches::names_before(caller, module) {
        OBSERVED.with_borrow_mut(|stack| {
            if let Some(seen) = stack.last_mut() {
                seen.namespaces.push(names);
            }
        });
    }
}

/// Lets `act` have the modules that the innermost execution uses, outside the borrow.
fn with_used(act: impl FnOnce(Used) -> Used) {
    let taken = OBSERVED.with_borrow_mut(|stack| Some(std::mem::take(&mut stack.last_mut()?.used)));
    let Some(used) = taken else { return };
    let used = act(used);
    OBSERVED.with_borrow_mut(|stack| {
        if let Some(observed) = stack.last_mut() {
            observed.used = used;
        }
    });
}

/// Module-level code of `caller` imported `imported` and uses it: its state is listed now.
pub fn imported(
    scope: &Scope<'_>,
    caller: &Bound<'_, LiveModule>,
    imported: &Bound<'_, LiveModule>,
) {
    if is_innermost(caller) {
        with_used(|used| attribution::uses(scope, caller, imported, used));
    }
}

/// A function that module-level code called has imported `imported`: that counts as an import and a
/// use by the module.
pub fn imported_through<'py>(
    scope: &Scope<'py>,
    caller: Option<&Bound<'py, LiveModule>>,
    imported: &Bound<'py, LiveModule>,
) -> PyResult<()> {
    let py = scope.py;
    let Some(running) = execution_stack::innermost(py) else { return Ok(()) };
    let own = running.is(imported) || caller.is_some_and(|caller| caller.is(&running));
    if own || !scope.holds(&running) {
        return Ok(());
    }
    conflict::check_through(scope, &running, imported)?;
    record_import(py, scope.runtime, &running, imported);
    self::imported(scope, &running, imported);
    Ok(())
}

/// A function of the module that is being executed imported `imported`, or a call did: it is used
/// at once.
pub fn imported_within<'py>(
    scope: &Scope<'py>,
    caller: &Bound<'py, LiveModule>,
    imported: &Bound<'py, LiveModule>,
) -> PyResult<()> {
    if caller.is(imported) || !is_innermost(caller) {
        return Ok(());
    }
    conflict::check_own(scope, caller, imported)?;
    self::imported(scope, caller, imported);
    Ok(())
}

/// An attribute was taken of an entry in `sys.modules`, or one was set (`attribute` is empty):
/// while a module is being executed that counts as a use by it.
pub fn through_facade<'py>(
    py: Python<'py>,
    runtime: &'static Runtime,
    found: &Bound<'py, LiveModule>,
    attribute: &str,
) -> PyResult<()> {
    let Some(running) = execution_stack::innermost(py) else { return Ok(()) };
    if running.is(found) || !found.get().is_ready() {
        return Ok(());
    }
    let all = attribute == "__dict__";
    let named = !attribute.is_empty() && !attribute.starts_with("__");
    let is_one = || found.get().namespace(py).contains(attribute).unwrap_or(false);
    let can_be_submodule = named && found.get().package;
    if !(all || attribute.is_empty() || can_be_submodule || (named && is_one())) {
        return Ok(());
    }
    let scope = caller::scope_of_foreign(py, runtime);
    // In a package that generations share it is no attribute of its namespace.
    let submodule =
        can_be_submodule.then(|| scope.find(found.get().name.join(attribute).as_str())).flatten();
    let is_missing = can_be_submodule && submodule.is_none() && !is_one();
    if is_missing || !scope.holds(&running) {
        return Ok(());
    }
    // Foreign code looks through namespaces (`typing`) to find something: that makes no dependency.
    let live = caller::immediate(py).is_some();
    if all && !live {
        return Ok(());
    }
    conflict::check_attribute(&scope, &running, found, attribute)?;
    running.get().taken.add_by_sys_modules(&found.get().name, attribute);
    if live {
        record_import(py, runtime, &running, found);
    } else if named {
        // `pkgutil.resolve_name("shop:prices.rate")` looks for nothing else than this submodule.
        let taken = submodule.as_ref().unwrap_or(found);
        record_import(py, runtime, &running, taken);
        foreign_lookups::record(&scope, taken);
    }
    imported(&scope, &running, found);
    Ok(())
}
