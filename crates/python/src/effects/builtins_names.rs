//! Which names does live code put into `builtins`, and which modules read them while they run?
//!
//! A name that another module has put into `builtins` is read without an import: `app.route(...)`. So what
//! each execution puts there is recorded as a change of a foreign module, also if a function of another
//! module does it (`create()`), as far as it leads to live code. When an update runs a module that puts
//! another object there, the modules that read the name at module level run as well. Those that run after it
//! have to see the new object although the current generation still has the former one: `builtins` belongs to
//! the whole process, so other threads may see it as well until the modules have run.

use std::cell::Cell;

use pyo3::types::{PyDict, PyModule};
use pyo3::{intern, prelude::*};

use crate::effects::foreign_patches::{self, Changed, Namespace, now, same};
use crate::effects::ownership::code_of;
use crate::state::{
    foreign_patch::Before, foreign_patch::ForeignPatch, live_module::LiveModule, scope::Scope,
};

thread_local! {
    /// Whether this thread runs the modules of an update, until all of them have run.
    static SHOWN: Cell<bool> = const { Cell::new(false) };
}

fn builtins(py: Python<'_>) -> Option<Bound<'_, PyModule>> {
    py.import(intern!(py, "builtins")).ok()
}

/// The names of `builtins` before a module runs.
pub fn before(py: Python<'_>) -> Option<Namespace> {
    Namespace::of(&builtins(py)?)
}

/// The names that the execution which has ended has put there.
pub fn put_by_calls(py: Python<'_>, was: &Namespace, known: &[Before]) -> Vec<Before> {
    let Some(builtins) = builtins(py) else { return Vec::new() };
    let is_known = |name: &str| known.iter().any(|b| b.target.is(&builtins) && b.attribute == name);
    let is_live = |value: &Bound<'_, PyAny>| {
        code_of(py, value).is_some() || code_of(py, value.get_type().as_any()).is_some()
    };
    let changed = was.changed(py).into_iter();
    let before = |Changed { name: attribute, before, .. }| {
        let target = builtins.clone().into_any().unbind();
        Before { target, attribute, value: before.map(Bound::unbind), by_functions: false }
    };
    changed.filter(|one| !is_known(&one.name) && is_live(&one.now)).map(before).collect()
}

/// What a module has put there.
fn patches(py: Python<'_>, of: &LiveModule) -> Vec<ForeignPatch> {
    let Some(builtins) = builtins(py) else { return Vec::new() };
    of.with_patches(|all| {
        all.iter().filter(|patch| patch.target.is(&builtins)).map(|p| p.copy(py)).collect()
    })
}

/// The names that one of two executions of a module has put there, unless both the same object.
pub fn differing(
    py: Python<'_>,
    former: Option<&LiveModule>,
    executed: Option<&LiveModule>,
) -> Vec<String> {
    let of = |one: Option<&LiveModule>| one.map(|one| patches(py, one)).unwrap_or_default();
    let (former, executed) = (of(former), of(executed));
    let is_in = |patch: &ForeignPatch, all: &[ForeignPatch]| {
        let value = patch.value.as_ref().map(|value| value.bind(py));
        all.iter().any(|p| p.is_for(patch) && same(p.value.as_ref(), value))
    };
    let gone = former.iter().filter(|patch| !is_in(patch, &executed));
    let new = executed.iter().filter(|patch| !is_in(patch, &former));
    gone.chain(new).map(|patch| patch.attribute.clone()).collect()
}

/// Whether a module reads one of the names while it runs.
pub fn reads(user: &LiveModule, names: &[String]) -> bool {
    !names.is_empty()
        && user.with_name_usage(|usage| {
            usage.runs_text || names.iter().any(|name| usage.unbound_at_once.contains(name))
        }) == Some(true)
}

/// While the modules of an update run: `builtins` have what those have put there that have run.
pub struct Shown<'py> {
    scope: Scope<'py>,
    was: Option<Bound<'py, PyDict>>,
}

impl<'py> Shown<'py> {
    pub fn begin(scope: Scope<'py>) -> Shown<'py> {
        let py = scope.py;
        let was = builtins(py).and_then(|builtins| builtins.dict().copy().ok());
        let shown = Shown { scope, was };
        for (former, executed) in shown.staged() {
            remove_former(py, former.as_ref(), &executed);
            for patch in patches(py, executed.get()) {
                foreign_patches::put(patch.target.bind(py), &patch.attribute, patch.value.as_ref());
            }
        }
        SHOWN.set(true);
        shown
    }

    /// The modules that have run, in that order: each as it was, and as it is.
    fn staged(&self) -> Vec<(Option<Bound<'py, LiveModule>>, Bound<'py, LiveModule>)> {
        let (py, staged) = (self.scope.py, self.scope.generation.get());
        let base = self.scope.base();
        let of_base = |name: &str| base.as_ref().and_then(|base| base.find(name));
        let in_place = staged.staging.in_place(py).into_iter();
        let shadows = in_place.map(|change| change.get().shadow.bind(py).clone());
        let executed = staged.executed(py).into_iter().chain(shadows);
        executed.map(|one| (of_base(one.get().name.as_str()), one)).collect()
    }
}

/// Takes out what a module has put there that its successor does not put there.
fn remove_former(
    py: Python<'_>,
    former: Option<&Bound<'_, LiveModule>>,
    executed: &Bound<'_, LiveModule>,
) {
    for patch in left_out(py, former, executed) {
        let target = patch.target.bind(py);
        if same(patch.value.as_ref(), now(target, &patch.attribute).as_ref()) {
            foreign_patches::put(target, &patch.attribute, patch.original.as_ref());
        }
    }
}

/// What a module has put there that its successor does not put there.
fn left_out(
    py: Python<'_>,
    former: Option<&Bound<'_, LiveModule>>,
    executed: &Bound<'_, LiveModule>,
) -> Vec<ForeignPatch> {
    let mut left = former.map(|one| patches(py, one.get())).unwrap_or_default();
    if !left.is_empty() {
        let set = patches(py, executed.get());
        left.retain(|patch| !set.iter().any(|other| other.is_for(patch)));
    }
    left
}

impl Drop for Shown<'_> {
    /// The current generation has its own until the new one is published.
    fn drop(&mut self) {
        SHOWN.set(false);
        let py = self.scope.py;
        let Some(was) = &self.was else { return };
        let put_back = |patch: &ForeignPatch, value: Option<&Py<PyAny>>| {
            let target = patch.target.bind(py);
            let Ok(before) = was.get_item(&patch.attribute) else { return };
            if same(value, now(target, &patch.attribute).as_ref()) {
                let before = before.map(Bound::unbind);
                foreign_patches::put(target, &patch.attribute, before.as_ref());
            }
        };
        for (former, executed) in self.staged() {
            for patch in left_out(py, former.as_ref(), &executed) {
                put_back(&patch, patch.original.as_ref());
            }
            for patch in patches(py, executed.get()) {
                put_back(&patch, patch.value.as_ref());
            }
        }
    }
}

/// Whether what modules of an update put there stays until all of them have run.
pub fn are_shown() -> bool {
    SHOWN.get()
}

/// A module of an update has run: takes its changes of foreign modules back, those of `builtins` unless they
/// are shown.
pub fn take_back(
    module: &Bound<'_, LiveModule>,
    former: Option<&Bound<'_, LiveModule>>,
    before: Vec<Before>,
) {
    let py = module.py();
    if are_shown() {
        remove_former(py, former, module);
    }
    let builtins = builtins(py).filter(|_| are_shown());
    let mut before = before;
    before.retain(|entry| !builtins.as_ref().is_some_and(|builtins| entry.target.is(builtins)));
    foreign_patches::undo(py, &before);
}
