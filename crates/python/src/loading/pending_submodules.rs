//! When does a package that runs again get the submodules that do not?
//!
//! In a fresh process a submodule becomes an attribute of its package when it has
//! been loaded, whatever stood there, and is overwritten by what the package binds
//! afterwards. So a package that runs again begins without its submodules. Each is
//! bound when it would have been loaded: when the package's code imports it, or
//! something that has imported it; when that code has ended, if others have
//! imported it who do not run again; or when somebody does. Until then it is
//! *awaited*, and only where the package has bound the name itself for longer than
//! its code runs.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::prelude::*;
use transfuse_engine::{EdgeKind, ModuleName, Target};

use crate::effects::observation;
use crate::loading::{load, submodules};
use crate::state::generation::Generation;
use crate::state::live_module::Instance;
use crate::state::runtime::Engine;

/// How many submodules all packages await: mostly none, and asked at every import.
static ALL: AtomicUsize = AtomicUsize::new(0);

/// Whether any package awaits a submodule.
#[inline]
pub fn any() -> bool {
    ALL.load(Ordering::Acquire) > 0
}

/// The submodules that one package awaits.
#[derive(Default)]
pub struct Awaited {
    /// `thing`: the last parts of their names. Written by the thread that runs the package, entries
    /// leave when one is bound; the lock is held for set operations only.
    tails: Mutex<BTreeSet<String>>,
}

impl Awaited {
    fn add(&self, tail: &str) {
        if self.tails.lock().unwrap().insert(tail.to_owned()) {
            ALL.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Ends the wait for one; whether there was any. Who is told so binds it.
    fn take(&self, tail: &str) -> bool {
        let taken = self.tails.lock().unwrap().remove(tail);
        if taken {
            ALL.fetch_sub(1, Ordering::AcqRel);
        }
        taken
    }

    /// Whether a submodule of that name is awaited.
    pub fn has(&self, tail: &str) -> bool {
        self.tails.lock().unwrap().contains(tail)
    }

    fn all(&self) -> Vec<String> {
        self.tails.lock().unwrap().iter().cloned().collect()
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let left = self.tails.get_mut().map_or(0, |tails| tails.len());
        ALL.fetch_sub(left, Ordering::AcqRel);
    }
}

/// A package is about to run again: it awaits these of its submodules.
pub fn begin(package: &Instance, tails: impl IntoIterator<Item = String>) {
    for tail in tails {
        package.awaited.add(&tail);
    }
}

/// The package's code has ended. What it still awaits was loaded by others, or will be.
pub fn ended(
    py: Python<'_>,
    generation: &Bound<'_, Generation>,
    package: &Bound<'_, Instance>,
) -> PyResult<()> {
    let of = package.get();
    for tail in of.awaited.all() {
        let name = of.name.join(&tail);
        let child = generation.get().find(py, name.as_str()).filter(|child| child.get().is_ready());
        let Some(child) = child else {
            of.awaited.take(&tail);
            continue;
        };
        let clashes = of.namespace(py).contains(&tail)?;
        if (!clashes || is_imported(py, generation, package, &child)) && of.awaited.take(&tail) {
            submodules::bind(py, package, &child)?;
        }
    }
    Ok(())
}

/// A submodule has been loaded. If it ran in its own turn of an update, it may be that nobody imports
/// it any more: then it does not hide what the package, which ran again as well, calls so now.
pub fn loaded(
    py: Python<'_>,
    generation: &Bound<'_, Generation>,
    package: &Bound<'_, Instance>,
    child: &Bound<'_, Instance>,
) -> PyResult<()> {
    let of = package.get();
    let tail = child.get().name.tail();
    let again = !observation::is_loading()
        && generation.get().base(py).is_some_and(|base| !base.get().holds(py, package));
    let own = of.namespace(py).get_item(tail)?.is_some_and(|own| !own.is(child.get().value(py)));
    if again && own && !is_imported(py, generation, package, child) {
        of.awaited.add(tail);
        return Ok(());
    }
    submodules::bind(py, package, child)
}

/// Whether module-level code of others, which does not run again, has imported a submodule.
fn is_imported(
    py: Python<'_>,
    generation: &Bound<'_, Generation>,
    package: &Bound<'_, Instance>,
    child: &Bound<'_, Instance>,
) -> bool {
    let name = &child.get().name;
    let is_below = |other: &ModuleName| {
        let rest = other.as_str().strip_prefix(name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    generation.get().all(py).iter().any(|other| {
        let of = other.get();
        !other.is(package)
            && !is_below(&of.name)
            && of.is_ready()
            && of.edges().iter().any(|edge| {
                edge.kind == EdgeKind::ModuleLevel
                    && matches!(&edge.to, Target::Module(to) if is_below(to))
            })
    })
}

/// Somebody imports a module, which is loaded: packages get what they await of it and with it.
/// In a generation that is staged its package may have to run first.
pub fn imported(
    py: Python<'_>,
    engine: &'static Engine,
    generation: &Bound<'_, Generation>,
    found: &Bound<'_, Instance>,
) -> PyResult<()> {
    if generation.get().base(py).is_some() {
        // A package that is to run again and has not yet begun comes first.
        for package in std::iter::successors(found.get().name.parent(), ModuleName::parent) {
            if generation.get().find(py, package.as_str()).is_none() {
                load::ensure(py, engine, generation, &package)?;
            }
        }
    }
    if !any() || !found.get().is_ready() {
        return Ok(());
    }
    let mut child = found.clone();
    while let Some(parent) = child.get().name.parent()
        && let Some(package) = generation.get().find(py, parent.as_str())
    {
        give(py, engine, &package, &child)?;
        child = package;
    }
    // What module-level code imports would be loaded now, and whatever that imports.
    let awaiting: Vec<_> = observation::all_running(py)
        .into_iter()
        .filter(|running| !running.get().awaited.all().is_empty())
        .collect();
    for package in awaiting {
        for other in loaded_with(py, generation, &package, found) {
            if other.get().name.parent().as_ref() == Some(&package.get().name) {
                give(py, engine, &package, &other)?;
            }
        }
    }
    Ok(())
}

/// What a fresh process would load with `found` and after it began to load `package`.
fn loaded_with<'py>(
    py: Python<'py>,
    generation: &Bound<'py, Generation>,
    package: &Bound<'py, Instance>,
    found: &Bound<'py, Instance>,
) -> Vec<Bound<'py, Instance>> {
    let later = |one: &Bound<'py, Instance>| {
        one.get().is_ready() && one.get().rank() > package.get().rank() && !one.is(package)
    };
    let mut all: Vec<_> = Some(found.clone()).into_iter().filter(later).collect();
    let mut next = 0;
    while next < all.len() {
        let edges = all[next].get().edges();
        next += 1;
        for edge in edges {
            if let (Target::Module(name), EdgeKind::ModuleLevel) = (&edge.to, edge.kind)
                && let Some(other) = generation.get().find(py, name.as_str())
                && later(&other)
                && !all.iter().any(|known| known.is(&other))
            {
                all.push(other);
            }
        }
    }
    all
}

fn give(
    py: Python<'_>,
    engine: &Engine,
    package: &Bound<'_, Instance>,
    child: &Bound<'_, Instance>,
) -> PyResult<()> {
    let _turn = engine.turn.take(py);
    match package.get().awaited.take(child.get().name.tail()) {
        true => submodules::bind(py, package, child),
        false => Ok(()),
    }
}
