//! Which module's execution changed which module's state?
//!
//! At most one module's code runs in a thread at a time: the innermost of those being executed. So
//! it is enough to compare (`state_snapshot.rs`) when control passes to another one, and to blame the
//! module that had it. Control passes when a nested execution begins, unless the outer module has
//! only imported so far, and when one ends.

use std::cell::RefCell;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyFrame};
use pyo3::{ffi, intern};
use transfuse_engine::{EdgeKind, Target};

use crate::cpython::frames;
use crate::effects::changed_by_others::{self, Doubt};
use crate::effects::kept_content;
use crate::effects::memo::{self, Verdict};
use crate::effects::state_snapshot::StateSnapshot;
use crate::state::live_module::LiveModule;
use crate::state::scope::Scope;

thread_local! {
    /// The former state of the modules that this thread's executions use. Made when the first of them
    /// is used, taken while it is worked with, dropped by `forget` at the end of the outermost.
    static STATE: RefCell<Option<StateSnapshot>> = const { RefCell::new(None) };
}

/// The modules that one execution uses, and may have changed since the last comparison.
#[derive(Default)]
pub struct Used(Vec<bool>);

/// Works with the snapshot, out of the borrow: garbage collection may run code that imports.
fn with_state<R>(act: impl FnOnce(&mut StateSnapshot) -> R) -> R {
    let mut state = STATE.take().unwrap_or_default();
    let result = act(&mut state);
    let nested = STATE.replace(Some(state));
    drop(nested);
    result
}

/// The execution of `caller` uses `imported` from here on.
pub fn uses<'py>(
    scope: &Scope<'py>,
    caller: &Bound<'py, LiveModule>,
    imported: &Bound<'py, LiveModule>,
    mut used: Used,
) -> Used {
    if !caller.is(imported) && imported.get().is_ready() {
        with_state(|state| state.reach(scope, imported, caller, &mut used.0));
    }
    used
}

/// Blames `module` for the changes in the modules that its execution uses.
pub fn settle(py: Python<'_>, module: &Bound<'_, LiveModule>, used: &Used) {
    if !used.0.contains(&true) {
        return;
    }
    with_state(|state| {
        let mut changed: Vec<(usize, Vec<usize>)> = Vec::new();
        let (mut affected, mut doubts): (Vec<usize>, Vec<Doubt>) = (Vec::new(), Vec::new());
        let mut differs = None;
        for (owner, difference) in state.differences(py, &used.0) {
            let of = state.module(py, owner);
            match &difference {
                None => affected.push(owner),
                Some(difference) => {
                    match changed.last_mut() {
                        Some((at, numbers)) if *at == owner => numbers.push(difference.number),
                        _ => changed.push((owner, vec![difference.number])),
                    }
                    let asks_who = changed_by_others::may_be(py, module, &of);
                    match memo::verdict(py, state, &used.0, difference, module, asks_who) {
                        Ok(Verdict::Memo) => {}
                        Ok(Verdict::Change) if asks_who && !affects(module, &of) => {
                            doubts.push(Doubt::new(py, owner, difference));
                        }
                        _ => affected.push(owner),
                    }
                }
            }
            if differs != Some(owner) {
                differs = Some(owner);
                kept_content::state_differs(py, &of);
            }
        }
        doubts.retain(|doubt| !affected.contains(&doubt.owner));
        affected.extend(changed_by_others::unchanged_since(py, state, doubts));
        affected.dedup();
        for owner in affected {
            let to = Target::Module(state.module(py, owner).get().name.clone());
            module.get().add_edge(to, EdgeKind::Affects);
        }
        for (owner, numbers) in changed {
            state.look_again(py, owner, numbers);
        }
    });
}

/// Whether it is known that a module changes another one.
fn affects(module: &Bound<'_, LiveModule>, other: &Bound<'_, LiveModule>) -> bool {
    let to = Target::Module(other.get().name.clone());
    module.get().edges().iter().any(|edge| edge.kind == EdgeKind::Affects && edge.to == to)
}

/// The outermost execution of this thread has ended.
pub fn forget() {
    drop(STATE.take());
    kept_content::forget();
}

/// Whether module-level code whose frame is the running one has done nothing so far but import.
pub fn has_only_imported(py: Python<'_>, module: &Bound<'_, LiveModule>) -> bool {
    // SAFETY: attached; the result is borrowed, or null when no Python code runs.
    let frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) };
    let asked = || -> PyResult<bool> {
        let Some(Ok(frame)) = frame.map(|frame| frame.cast_into::<PyFrame>()) else {
            return Ok(false);
        };
        let code = frame.getattr(intern!(py, "f_code"))?;
        let globals = frame.getattr(intern!(py, "f_globals"))?;
        if !globals.is(module.get().namespace(py))
            || !code.getattr(intern!(py, "co_name"))?.eq("<module>")?
        {
            return Ok(false);
        }
        // `exec` in the module's code runs other code, with the same globals.
        let outer = frames::stack(py).nth(1).map(|outer| outer.getattr(intern!(py, "f_globals")));
        if outer.transpose()?.is_some_and(|outer| outer.is(&globals)) {
            return Ok(false);
        }
        let at: usize = frame.getattr(intern!(py, "f_lasti"))?.extract()?;
        let bytes = code.getattr(intern!(py, "co_code"))?.cast_into::<PyBytes>()?;
        let idle = idle_instructions(py)?;
        let mut done = bytes.as_bytes().chunks_exact(2).take(at / 2);
        Ok(done.all(|unit| match idle[usize::from(unit[0])] {
            Idle::Never => false,
            Idle::Always => true,
            Idle::With(argument) => unit[1] == argument,
        }))
    };
    asked().unwrap_or(false)
}

/// Whether an instruction changes no state but names of the module itself.
#[derive(Clone, Copy)]
enum Idle {
    Never,
    Always,
    /// With this argument.
    With(u8),
}

/// The instructions by number.
fn idle_instructions(py: Python<'_>) -> PyResult<&'static [Idle; 256]> {
    // The set of conditional annotations (from 3.14), and a star import (from 3.12).
    const WITH: [(&str, u8); 2] = [("BUILD_SET", 0), ("CALL_INTRINSIC_1", 2)];
    const IDLE: [&str; 31] = [
        "BUILD_TUPLE",
        "CACHE",
        "COPY_FREE_VARS",
        "EXTENDED_ARG",
        "IMPORT_FROM",
        "IMPORT_NAME",
        "IMPORT_STAR",
        "JUMP_ABSOLUTE",
        "JUMP_FORWARD",
        "LOAD_BUILD_CLASS",
        "LOAD_CLOSURE",
        "LOAD_COMMON_CONSTANT",
        "LOAD_CONST",
        "LOAD_NAME",
        "LOAD_SMALL_INT",
        "MAKE_CELL",
        "MAKE_FUNCTION",
        "NOP",
        "NOT_TAKEN",
        "POP_BLOCK",
        "POP_JUMP_FORWARD_IF_FALSE",
        "POP_JUMP_FORWARD_IF_TRUE",
        "POP_JUMP_IF_FALSE",
        "POP_TOP",
        "PUSH_NULL",
        "RESUME",
        "SETUP_ANNOTATIONS",
        "SETUP_FINALLY",
        "SET_FUNCTION_ATTRIBUTE",
        "STORE_NAME",
        "TO_BOOL",
    ];
    static NUMBERS: PyOnceLock<[Idle; 256]> = PyOnceLock::new();
    NUMBERS.get_or_try_init(py, || {
        let map = py.import("opcode")?.getattr("opmap")?;
        let mut numbers = [Idle::Never; 256];
        // `CACHE`, which not all versions name.
        numbers[0] = Idle::Always;
        let always = IDLE.into_iter().map(|name| (name, Idle::Always));
        let with = WITH.into_iter().map(|(name, argument)| (name, Idle::With(argument)));
        for (name, when) in always.chain(with) {
            if let Ok(number) = map.get_item(name).and_then(|number| number.extract::<usize>())
                && let Some(idle) = numbers.get_mut(number)
            {
                *idle = when;
            }
        }
        Ok(numbers)
    })
}
