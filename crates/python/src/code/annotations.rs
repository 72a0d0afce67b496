//! Which names do annotations mention that are evaluated when they are first asked for? (PEP 649)
//!
//! So are the values of type aliases, and the bounds and defaults of type parameters. Python keeps what
//! came of it with the class, function or alias.

use std::collections::HashSet;

use pyo3::types::{PyCode, PyTuple};
use pyo3::{intern, prelude::*};

/// The names and attributes that such code in a module mentions.
pub fn mentioned(py: Python<'_>, code: &Bound<'_, PyCode>) -> PyResult<HashSet<String>> {
    let mut names = HashSet::new();
    let mut waiting = vec![(code.clone(), false)];
    while let Some((code, within)) = waiting.pop() {
        let evaluated = within || is_evaluated_later(py, &code)?;
        if evaluated {
            names.extend(code.getattr(intern!(py, "co_names"))?.extract::<Vec<String>>()?);
        }
        let constants = code.getattr(intern!(py, "co_consts"))?.cast_into::<PyTuple>()?;
        let nested = constants.iter().filter_map(|c| c.cast_into::<PyCode>().ok());
        waiting.extend(nested.map(|code| (code, evaluated)));
    }
    Ok(names)
}

/// Such code takes the format of the result as its only argument, which no source can name so but for
/// annotations.
fn is_evaluated_later(py: Python<'_>, code: &Bound<'_, PyCode>) -> PyResult<bool> {
    let name = code.getattr(intern!(py, "co_name"))?;
    if name.eq(intern!(py, "__annotate__"))? {
        return Ok(true);
    }
    let variables = code.getattr(intern!(py, "co_varnames"))?.cast_into::<PyTuple>()?;
    Ok(variables.get_item(0).is_ok_and(|first| first.eq(".format").unwrap_or(false)))
}
