//! Which parts of the state of live modules differ from the time when they were first used?
//!
//! While a module's source is executed, each module that it uses has a flat list of the containers
//! that its namespace leads to, each with its contents (`container.rs`). A container belongs to the
//! first module that leads to it, in import order, so that no object is looked at twice, however
//! many modules share it. Comparing is one pass over these lists. `memo.rs` judges the differences;
//! `attribution.rs` decides which module is to blame, and compares when control
//! passes from one module to another.
//!
//! A snapshot lives as long as the outermost execution of its thread. It holds what it has seen,
//! so that no address is used twice meanwhile.

use pyo3::ffi;
use pyo3::prelude::*;
use transfuse_engine::Target;

use crate::cpython::address_map::{ByAddress, Pointer};
use crate::effects::container::{Kind, is_leaf, kind_of, read};
use crate::effects::owner::{Container, Link, Owner};
use crate::effects::place::{Place, place};
use crate::effects::unchanged::{is_same_in_place, version, versioned};
use crate::state::live_module::LiveModule;
use crate::state::scope::Scope;

/// How many containers one module may have. Beyond it, using the module is assumed to change it.
const CONTAINERS: usize = 2_000_000;

/// A container that differs: its former and its present content.
pub struct Difference<'py> {
    /// Its number among those of its owner.
    pub number: usize,
    /// The container.
    pub object: Bound<'py, PyAny>,
    /// Its kind.
    pub kind: Kind,
    /// The object that led to it; none for a namespace.
    pub parent: Option<Bound<'py, PyAny>>,
    /// Where it is.
    pub place: Place,
    /// The module whose state it is part of.
    pub owner: Bound<'py, LiveModule>,
    /// Its contents before (see `container::read`; held by the snapshot).
    pub before: Vec<Pointer>,
    /// Its contents now (held by the object).
    pub now: Vec<Pointer>,
    /// Whether what C code keeps to itself differs.
    pub hidden: bool,
}

/// The state of modules, for the thread that executes some.
#[derive(Default)]
pub struct StateSnapshot {
    owners: Vec<Owner>,
    by_instance: ByAddress<usize>,
    /// Objects that have been met, and the owner each belongs to.
    met: ByAddress<u32>,
    /// Contents that are no longer there, kept so that their addresses mean what they meant.
    replaced: Vec<Pointer>,
    scratch: Vec<Pointer>,
}

// It stays in its thread; the references are given back with the GIL.
impl Drop for StateSnapshot {
    fn drop(&mut self) {
        let contents = self.owners.iter_mut().map(|owner| std::mem::take(&mut owner.contents));
        let held: Vec<_> = contents.chain([std::mem::take(&mut self.replaced)]).collect();
        Python::attach(|_| {
            for pointer in held.into_iter().flatten() {
                // SAFETY: attached; each reference was taken by `hold`.
                unsafe { ffi::Py_XDECREF(pointer) };
            }
        });
    }
}

impl StateSnapshot {
    /// The modules that using `module` may reach: itself and its imports, as far as these are
    /// ready. Each is looked at now, if it was not before. Adds to `used`, by index.
    pub fn reach<'py>(
        &mut self,
        scope: &Scope<'py>,
        module: &Bound<'py, LiveModule>,
        but: &Bound<'py, LiveModule>,
        used: &mut Vec<bool>,
    ) {
        let mut path = vec![(self.owner(module), 0)];
        while let Some((owner, next)) = path.last_mut() {
            let (at, link) = (*owner, *next);
            used.resize(self.owners.len().max(used.len()), false);
            if link == 0 && used[at] {
                path.pop();
                continue;
            }
            *next += 1;
            let Some(import) = self.owners[at].imports.get(link).cloned() else {
                used[at] = true;
                path.pop();
                // After its imports, so that objects that it took from there belong there.
                self.look_at(scope.py, at);
                continue;
            };
            let known = match import {
                Link::Known(known) => Some(known),
                Link::Named(name) => {
                    let found = scope.find(name.as_str());
                    let ready = found.filter(|found| found.get().is_ready() && !found.is(but));
                    ready.map(|found| {
                        let known = self.owner(&found);
                        self.owners[at].imports[link] = Link::Known(known);
                        known
                    })
                }
            };
            used.resize(self.owners.len().max(used.len()), false);
            if let Some(known) = known
                && !used[known]
                && !path.iter().any(|(on_path, _)| *on_path == known)
            {
                path.push((known, 0));
            }
        }
    }

    fn owner(&mut self, instance: &Bound<'_, LiveModule>) -> usize {
        if let Some(known) = self.by_instance.get(&(instance.as_ptr() as usize)) {
            return *known;
        }
        let imports = instance.get().edges().into_iter().filter_map(|edge| match edge {
            edge if !edge.kind.is_import() => None,
            edge => match edge.to {
                Target::Module(name) => Some(Link::Named(name)),
                Target::File(_) => None,
            },
        });
        self.owners.push(Owner {
            instance: instance.clone().unbind(),
            imports: imports.collect(),
            containers: Vec::new(),
            contents: Vec::new(),
            incomplete: false,
        });
        self.by_instance.insert(instance.as_ptr() as usize, self.owners.len() - 1);
        self.owners.len() - 1
    }

    /// A module's own state, as it is now, unless it is known.
    fn look_at(&mut self, py: Python<'_>, at: usize) {
        if !self.owners[at].containers.is_empty() {
            return;
        }
        let namespace = self.owners[at].instance.bind(py).get().namespace(py);
        self.met.insert(namespace.as_ptr() as usize, at as u32);
        self.add(py, at, namespace.as_ptr(), Kind::Namespace, 0);
        self.walk(py, at, 0, Vec::new());
    }

    /// Looks into these containers of an owner, those from `next` on, and all to which they lead.
    fn walk(&mut self, py: Python<'_>, at: usize, mut next: usize, mut again: Vec<usize>) {
        let instance = self.owners[at].instance.clone_ref(py);
        let own = instance.bind(py).get().name.as_str();
        // Objects that lead on but cannot change, and those that led to them.
        let mut fixed: Vec<(Pointer, u32)> = Vec::new();
        let mut children = Vec::new();
        loop {
            children.clear();
            let parent = if let Some((object, parent)) = fixed.pop() {
                read(py, object, Kind::Fixed, &mut children);
                parent
            } else {
                let number = again.pop().unwrap_or_else(|| {
                    next += 1;
                    next - 1
                });
                let Some(container) = self.owners[at].containers.get(number) else { break };
                let (from, len) = (container.from as usize, container.len as usize);
                let contents = &self.owners[at].contents[from..from + len];
                match container.kind {
                    Kind::Namespace => children.extend(made_here(py, instance.bind(py), contents)),
                    _ => children.extend_from_slice(contents),
                }
                number as u32
            };
            for child in &children {
                if child.is_null() || is_leaf(py, *child) {
                    continue;
                }
                if self.met.contains_key(&(*child as usize)) {
                    continue;
                }
                self.met.insert(*child as usize, at as u32);
                // SAFETY: attached, a live object.
                let object = unsafe { Bound::from_borrowed_ptr(py, *child) };
                match kind_of(py, &object, own).ok().flatten() {
                    None => {}
                    Some(Kind::Fixed) => fixed.push((*child, parent)),
                    Some(kind) => {
                        if self.owners[at].containers.len() >= CONTAINERS {
                            self.owners[at].incomplete = true;
                            return;
                        }
                        self.add(py, at, *child, kind, parent);
                    }
                }
            }
        }
    }

    fn add(&mut self, py: Python<'_>, at: usize, object: Pointer, kind: Kind, parent: u32) {
        let owner = &mut self.owners[at];
        let from = owner.contents.len();
        let stamp = read(py, object, kind, &mut owner.contents);
        for pointer in &owner.contents[from..] {
            // SAFETY: attached; live objects, or null.
            unsafe { ffi::Py_XINCREF(*pointer) };
        }
        let len = (owner.contents.len() - from) as u32;
        let dict = versioned(object, kind);
        let stamp = version(dict).unwrap_or(stamp);
        let from = from as u32;
        owner.containers.push(Container { object, kind, from, len, dict, stamp, parent });
    }

    /// The differences in the modules of `used` since the last question: each once, with the
    /// module it belongs to. Of a module that cannot be looked at completely there is no difference.
    pub fn differences<'py>(
        &mut self,
        py: Python<'py>,
        used: &[bool],
    ) -> Vec<(usize, Option<Difference<'py>>)> {
        let mut all = Vec::new();
        for at in (0..used.len()).filter(|at| used[*at]) {
            if self.owners[at].incomplete {
                all.push((at, None));
            }
            let mut scratch = std::mem::take(&mut self.scratch);
            for number in 0..self.owners[at].containers.len() {
                let owner = &self.owners[at];
                let container = &owner.containers[number];
                let version = version(container.dict);
                if version.is_some_and(|version| version == container.stamp) {
                    continue;
                }
                scratch.clear();
                let (from, len) = (container.from as usize, container.len as usize);
                let before = &owner.contents[from..from + len];
                let stamp = if is_same_in_place(container, before) {
                    continue;
                } else {
                    read(py, container.object, container.kind, &mut scratch)
                };
                let hidden = version.is_none() && stamp != container.stamp;
                let stamp = version.unwrap_or(stamp);
                if scratch == before && !hidden {
                    self.owners[at].containers[number].stamp = stamp;
                    continue;
                }
                let difference = self.differs(py, at, number, &scratch, hidden);
                self.owners[at].containers[number].stamp = stamp;
                all.push((at, Some(difference)));
            }
            self.scratch = scratch;
        }
        all
    }

    /// Takes a container's new contents for those that are known.
    fn differs<'py>(
        &mut self,
        py: Python<'py>,
        at: usize,
        number: usize,
        now: &[Pointer],
        hidden: bool,
    ) -> Difference<'py> {
        let owner = &mut self.owners[at];
        let container = &owner.containers[number];
        let (from, len) = (container.from as usize, container.len as usize);
        let before = owner.contents[from..from + len].to_vec();
        let place = place(py, owner, number);
        let parent = &owner.containers[container.parent as usize];
        // SAFETY: attached; the objects that led to them hold both, and the snapshot holds those.
        let (object, parent) = unsafe {
            let object = Bound::from_borrowed_ptr(py, container.object);
            let parent = (container.kind != Kind::Namespace)
                .then(|| Bound::from_borrowed_ptr(py, parent.object));
            (object, parent)
        };
        let kind = container.kind;
        for pointer in now {
            // SAFETY: attached; live objects, or null.
            unsafe { ffi::Py_XINCREF(*pointer) };
        }
        if now.len() <= len {
            self.replaced.extend_from_slice(&before);
            owner.contents[from..from + now.len()].copy_from_slice(now);
            owner.contents[from + now.len()..from + len].fill(std::ptr::null_mut());
        } else {
            // The old place goes on to hold what it held.
            owner.containers[number].from = owner.contents.len() as u32;
            owner.contents.extend_from_slice(now);
        }
        owner.containers[number].len = now.len() as u32;
        let whose = owner.instance.bind(py).clone();
        let now = now.to_vec();
        Difference { number, object, kind, parent, place, owner: whose, before, now, hidden }
    }

    /// Looks into what an owner's containers have come to hold. Once each module has its own.
    pub fn look_again(&mut self, py: Python<'_>, at: usize, changed: Vec<usize>) {
        self.walk(py, at, self.owners[at].containers.len(), changed);
    }

    /// The module that an index means.
    pub fn module<'py>(&self, py: Python<'py>, at: usize) -> Bound<'py, LiveModule> {
        self.owners[at].instance.bind(py).clone()
    }

    /// Whether the code of one of these modules but one sets an attribute of that name.
    pub fn is_set_by(
        &self,
        py: Python<'_>,
        used: &[bool],
        but: Option<&Bound<'_, LiveModule>>,
        name: &str,
    ) -> bool {
        (0..used.len()).filter(|at| used[*at]).any(|at| {
            let instance = self.owners[at].instance.bind(py);
            if but.is_some_and(|but| but.is(instance)) {
                return false;
            }
            let instance = instance.get();
            instance.with_name_usage(|outline| outline.sets_anywhere.contains(name)) != Some(false)
        })
    }

    /// Whether an object was met, which means that it was there before.
    pub fn has_met(&self, object: Pointer) -> bool {
        self.met.contains_key(&(object as usize))
    }
}

/// The values of a namespace without those that only import statements bind: they are another module's
/// state, or that of foreign code.
fn made_here(py: Python<'_>, module: &Bound<'_, LiveModule>, contents: &[Pointer]) -> Vec<Pointer> {
    let is_imported = |key: Pointer| {
        if key.is_null() {
            return false;
        }
        // SAFETY: attached, a live object, which the snapshot holds.
        let name = unsafe { Bound::from_borrowed_ptr(py, key) };
        let Ok(name) = name.extract::<&str>() else { return false };
        module.get().with_name_usage(|usage| usage.is_only_imported(name)) == Some(true)
    };
    contents.chunks_exact(2).filter(|pair| !is_imported(pair[0])).map(|pair| pair[1]).collect()
}
