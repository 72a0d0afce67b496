//! Which names does a module not have yet that runs in a copy of its old namespace?
//!
//! Under the policy `overlay` a module's code finds the values of its former run, so that it can test
//! for them. In a circle, another module must not find them: in a fresh process it gets the names
//! that the code has bound so far. So when a partially initialized module is handed out, the carried
//! values of names that its statements bind further down are taken out, and put back when the import
//! statement that led to the circle has ended.

use std::cell::RefCell;

use pyo3::types::{PyCode, PyDict, PyModule};
use pyo3::{intern, prelude::*};

use crate::code::bytecode;
use crate::cpython::frames;
use crate::state::{execution_stack, live_module::LiveModule, scope::Scope};

/// Values that were taken out of a namespace.
struct Hidden {
    /// How many executions are around the one at whose end they come back.
    depth: usize,
    namespace: Py<PyDict>,
    values: Vec<(String, Py<PyAny>)>,
}

thread_local! {
    /// The values that this thread has hidden, until the executions within it end. Only this thread
    /// reads and writes them.
    static HIDDEN: RefCell<Vec<Hidden>> = const { RefCell::new(Vec::new()) };
}

/// A module that this thread is executing is handed out: hides the names that it has not reached.
pub fn hide<'py>(scope: &Scope<'py>, instance: &Bound<'py, LiveModule>) -> PyResult<()> {
    let py = scope.py;
    let former = scope.base().and_then(|base| base.find(instance.get().name.as_str()));
    let stack = execution_stack::all(py);
    let Some(place) = stack.iter().position(|one| one.is(instance)) else { return Ok(()) };
    let (Some(former), true) = (former, place + 1 < stack.len()) else { return Ok(()) };
    let namespace = instance.get().namespace(py);
    let Some((code, at)) = running(py, &namespace) else { return Ok(()) };
    let (preserved, old) = (instance.get().preserve(), former.get().namespace(py));
    let mut values = Vec::new();
    for name in bytecode::stored_only_after(py, &code, at)?.iter() {
        let (Some(value), Some(before)) = (namespace.get_item(name)?, old.get_item(name)?) else {
            continue;
        };
        // A module may be there because it was imported.
        let is_carried = value.is(&before) || !value.is_instance_of::<PyModule>();
        if is_carried && !preserved.iter().any(|one| one == name) {
            namespace.del_item(name)?;
            values.push((name.to_owned(), value.unbind()));
        }
    }
    if !values.is_empty() {
        let hidden = Hidden { depth: place + 1, namespace: namespace.unbind(), values };
        HIDDEN.with_borrow_mut(|all| all.push(hidden));
    }
    Ok(())
}

/// The code of a module with this namespace, and the offset of the instruction that it has reached.
fn running<'py>(
    py: Python<'py>,
    namespace: &Bound<'py, PyDict>,
) -> Option<(Bound<'py, PyCode>, usize)> {
    let is_of_module = |frame: &Bound<'py, PyAny>| {
        let globals = frame.getattr(intern!(py, "f_globals"));
        let code = frames::code(frame).and_then(|code| code.getattr(intern!(py, "co_name")).ok());
        globals.is_ok_and(|globals| globals.is(namespace))
            && code.is_some_and(|name| name.eq("<module>").unwrap_or(false))
    };
    // The outermost: its code may run text in the same namespace.
    let frame = frames::stack(py).filter(is_of_module).last()?;
    let code = frames::code(&frame)?.cast_into::<PyCode>().ok()?;
    Some((code, usize::try_from(frames::instruction(&frame)?).ok()?))
}

/// An execution has ended, with this many around it: the values that were hidden within it come back.
pub fn show_again(py: Python<'_>, depth: usize) -> PyResult<()> {
    let over: Vec<Hidden> = HIDDEN.with_borrow_mut(|all| {
        let (over, kept) = std::mem::take(all).into_iter().partition(|one| one.depth >= depth);
        *all = kept;
        over
    });
    for Hidden { namespace, values, .. } in over {
        let namespace = namespace.bind(py);
        for (name, value) in values {
            if !namespace.contains(&name)? {
                namespace.set_item(&name, value)?;
            }
        }
    }
    Ok(())
}
