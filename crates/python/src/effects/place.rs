//! Where in a module's state is a container: in objects of its source, or of foreign code?
//!
//! Seen from the namespace, by the objects on the way to the container when that was first met. No
//! code of the program runs.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::cpython::address_map::Pointer;
use crate::cpython::static_lookup;
use crate::effects::container::{Kind, is_special};
use crate::effects::owner::{Container, Owner};

/// Where a container is, seen from the namespace that leads to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Objects that live code has under names: lists, dicts, classes, instances of live classes.
    Open,
    /// A part of an object of a foreign class: `app.router`.
    Part,
    /// A part of the definition of a function or class that foreign code has made or interprets: a
    /// default that is an object of a foreign class, what the metaclass of a foreign library sees.
    Definition,
    /// In a class, under a special name that the module's source does not bind.
    Special,
}

/// Where a container is.
pub(super) fn place(py: Python<'_>, owner: &Owner, number: usize) -> Place {
    let mut found = Place::Open;
    let mut at = number;
    while owner.containers[at].kind != Kind::Namespace {
        let container = &owner.containers[at];
        let holder = &owner.containers[container.parent as usize];
        // SAFETY: attached, live objects.
        let (child, object) = unsafe {
            let child = Bound::from_borrowed_ptr(py, container.object);
            (child, Bound::from_borrowed_ptr(py, holder.object))
        };
        match holder.kind {
            Kind::Function if is_foreign(py, &child.get_type()) => return Place::Definition,
            Kind::Class if is_special_of_foreign(py, owner, holder, container.object) => {
                return Place::Special;
            }
            Kind::Class if is_interpreted(&object) => return Place::Definition,
            // An instance's own dict is the instance.
            Kind::Other if is_foreign(py, &object.get_type()) => {
                let own = at == number
                    && static_lookup::attributes(&object).is_some_and(|own| own.is(&child));
                if !own {
                    found = Place::Part;
                }
            }
            _ => {}
        }
        at = container.parent as usize;
    }
    found
}

/// Whether the metaclass of a class is of a foreign library.
fn is_interpreted(class: &Bound<'_, PyAny>) -> bool {
    let metaclass = class.get_type();
    let plain = metaclass.name().is_ok_and(|name| name == "ABCMeta");
    !plain && is_foreign(class.py(), &metaclass)
}

/// Whether a class has something under a special name that the module's source does not bind.
fn is_special_of_foreign(py: Python<'_>, owner: &Owner, class: &Container, held: Pointer) -> bool {
    let (from, len) = (class.from as usize, class.len as usize);
    let mut entries = owner.contents[from..from + len].chunks_exact(2);
    let Some(entry) = entries.find(|entry| entry[1] == held) else { return false };
    if !is_special(py, entry[0]) {
        return false;
    }
    // SAFETY: attached, a live object: a name.
    let name = unsafe { Bound::from_borrowed_ptr(py, entry[0]) };
    let Ok(name) = name.extract::<&str>() else { return false };
    let instance = owner.instance.bind(py).get();
    instance.with_name_usage(|outline| outline.sets_anywhere.contains(name)) == Some(false)
}

/// Whether a class is written in Python, or like that, and not of a live module.
pub fn is_foreign(py: Python<'_>, class: &Bound<'_, PyType>) -> bool {
    let Some(dict) = static_lookup::of_class(class) else { return false };
    let Ok(Some(of)) = dict.get_item(intern!(py, "__module__")) else { return false };
    let plain = of.extract::<&str>().is_ok_and(|of| matches!(of, "collections" | "_collections"));
    let live = crate::state::runtime::in_force()
        .is_some_and(|runtime| runtime.facades.bind(py).contains(of).unwrap_or(false));
    !plain && !live
}
