//! Which names with attributes does a text constant mention?
//!
//! An annotation that is a text, `"list[shop.types.Money]"`, takes an attribute of what the module
//! imported when `get_type_hints`, pydantic or a dataclass evaluates it, and no instruction shows that.
//! With `from __future__ import annotations` all annotations are texts.

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::code::names::{Chains, Name};

/// Longer texts are no annotations.
const LONGEST: usize = 1_000;

/// Adds each name in a constant of some code with the attributes that are taken of it, `["shop", "types",
/// "Money"]`. The annotations of a function are a tuple.
pub fn add_constant(constant: &Bound<'_, PyAny>, into: &mut Chains) {
    if let Ok(text) = constant.cast_exact::<PyString>() {
        add_chains(text.to_str().unwrap_or_default(), into);
    } else if let Ok(several) = constant.cast_exact::<PyTuple>() {
        several.iter().for_each(|one| add_constant(&one, into));
    }
}

/// Adds them if the text could be an annotation: prose has words that only a space separates.
fn add_chains(text: &str, into: &mut Chains) {
    if text.len() > LONGEST || !text.contains('.') || is_prose(text) {
        return;
    }
    for dotted in text.split(|letter: char| !is_part_of_name(letter) && letter != '.') {
        let parts: Vec<_> = dotted.split('.').collect();
        if parts.len() > 1 && parts.iter().all(|part| is_name(part)) {
            into.insert(Name::all(parts.into_iter()));
        }
    }
}

fn is_prose(text: &str) -> bool {
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let ends = word.ends_with(is_part_of_name);
        if ends && words.peek().is_some_and(|next| next.starts_with(is_part_of_name)) {
            return true;
        }
    }
    false
}

fn is_part_of_name(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

fn is_name(part: &str) -> bool {
    part.chars().next().is_some_and(|first| is_part_of_name(first) && !first.is_numeric())
}
