//! Which entries of a container differ?

use std::collections::HashMap;

use pyo3::prelude::*;

use crate::code::plain_values::worth;
use crate::cpython::address_map::{ByAddress, Pointer};
use crate::cpython::{snapshot, static_lookup};
use crate::effects::container::Kind;
use crate::effects::state_snapshot::Difference;

/// The entries that were added, and those that were removed.
pub fn entries(py: Python<'_>, difference: &Difference<'_>) -> (Vec<Entry>, Vec<Entry>) {
    compare(py, is_keyed(difference), &difference.before, &difference.now)
}

/// Whether its entries have keys, or names.
pub fn is_keyed(difference: &Difference<'_>) -> bool {
    matches!(difference.kind, Kind::Namespace | Kind::Dict | Kind::Class)
}

/// An object and the key or name it is under (null where there is none).
pub type Entry = (Pointer, Pointer);

/// The entries that only one of two lists of contents has, of each. Text and numbers
/// are equal where their values are.
fn compare(
    py: Python<'_>,
    keyed: bool,
    before: &[Pointer],
    now: &[Pointer],
) -> (Vec<Entry>, Vec<Entry>) {
    let entries = |contents: &[Pointer]| -> Vec<Entry> {
        match keyed {
            true => contents.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect(),
            false => contents.iter().map(|value| (std::ptr::null_mut(), *value)).collect(),
        }
    };
    let mut counts: HashMap<(u64, u64), i64> = HashMap::new();
    let same = |(key, value): &Entry| (worth(py, *key), worth(py, *value));
    let (before, now) = (entries(before), entries(now));
    for entry in &before {
        *counts.entry(same(entry)).or_default() += 1;
    }
    let mut added = Vec::new();
    for entry in &now {
        let left = counts.entry(same(entry)).or_default();
        *left -= 1;
        if *left < 0 {
            added.push(*entry);
        }
    }
    let mut removed = Vec::new();
    for entry in &before {
        let left = counts.entry(same(entry)).or_default();
        if *left > 0 {
            *left -= 1;
            removed.push(*entry);
        }
    }
    (added, removed)
}

pub type Attributes<'py> = (Bound<'py, PyAny>, Vec<Entry>, Vec<Entry>);

/// Whose attributes a container's entries are, with the names they are under: of an instance, or of
/// the one that its dict was made for.
pub fn attributes_of<'py>(
    py: Python<'py>,
    difference: &Difference<'py>,
    added: &[Entry],
    removed: &[Entry],
) -> PyResult<Option<Attributes<'py>>> {
    match difference.kind {
        Kind::Dict => {
            let Some(parent) = &difference.parent else { return Ok(None) };
            let own = static_lookup::attributes(parent);
            let is_own = own.is_some_and(|own| own.is(&difference.object));
            Ok(is_own.then(|| (parent.clone(), added.to_vec(), removed.to_vec())))
        }
        Kind::Other => {
            let object = &difference.object;
            // From here on there is a dict, and its entries are judged by themselves.
            let Some(own) = static_lookup::attributes(object) else {
                return Ok(Some((object.clone(), added.to_vec(), removed.to_vec())));
            };
            let mut names: ByAddress<Pointer> = ByAddress::default();
            let mut values = Vec::new();
            for (key, value) in snapshot::items(&own) {
                names.insert(value.as_ptr() as usize, key.as_ptr());
                values.push(value.as_ptr());
            }
            // The dict in place of the values that it took over.
            let mut now: Vec<Pointer> =
                difference.now.iter().filter(|each| **each != own.as_ptr()).copied().collect();
            if now.len() < difference.now.len() && !difference.before.contains(&own.as_ptr()) {
                now.extend(values);
            }
            let (added, removed) = compare(py, false, &difference.before, &now);
            let named = |(_, value): Entry| {
                let name = names.get(&(value as usize)).copied();
                (name.unwrap_or(std::ptr::null_mut()), value)
            };
            let added = added.into_iter().map(named).collect();
            // A removed entry may have had any name; a value that was replaced is judged by the one
            // in its place.
            let removed = if removed.len() <= difference.before.len() && own_grew(&now, difference)
            {
                Vec::new()
            } else {
                removed
            };
            Ok(Some((object.clone(), added, removed)))
        }
        _ => Ok(None),
    }
}

/// Whether an instance holds at least as many values as before.
fn own_grew(now: &[Pointer], difference: &Difference<'_>) -> bool {
    now.len() >= difference.before.len()
}
