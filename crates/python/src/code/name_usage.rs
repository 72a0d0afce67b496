//! Which names does a module's source define, and which of its imports does it use at once?
//!
//! Both are read off the code object, which exists whether it was compiled or precompiled, so a
//! second start parses nothing. *Defined* is what a statement at module level binds, whether or not
//! it ran. *Used* is an imported name that module-level code does more with than bind it: such an
//! import may be one that this module's code affects. Class bodies run with the module, and so do
//! comprehensions and `lambda` that it makes; its functions may.

use std::collections::HashSet;

use pyo3::sync::PyOnceLock;
use pyo3::{intern, prelude::*, types::PyCode, types::PyFrozenSet, types::PyTuple};

use crate::code::attribute_use::{AttributeUse, Uses};
use crate::code::bytecode::{Binding, Reading, read};
use crate::code::names::{ByName, Chains, Constants, Name, Names};

/// `co_flags` bit of functions; class bodies and modules lack it.
const CO_OPTIMIZED: u32 = 1;

/// Functions that run text, whose imports and uses are not in the code object.
const RUN_TEXT: [&str; 2] = ["exec", "eval"];

/// Functions that take an attribute by a name that is not in the code object; and those of `operator`.
const TAKE_ANY: [&str; 4] = ["getattr", "setattr", "delattr", "vars"];
const TAKERS: [&str; 2] = ["attrgetter", "methodcaller"];

/// Methods by which Python's own containers are changed.
const CHANGES: &str = "\
    add append appendleft clear difference_update discard extend extendleft insert \
    intersection_update pop popitem popleft remove reverse rotate setdefault sort \
    symmetric_difference_update update write __setitem__";

#[derive(Clone, Default)]
pub struct NameUsage {
    /// Names bound at module level by the source; star imports add theirs while it runs.
    pub defined: Names,
    /// Those of them that a statement other than an import binds.
    pub assigned: Names,
    /// Those of them that import statements bind.
    pub imported: Names,
    /// The imported name (`"registry"`, relative ones without their dots) -> the attributes taken
    /// and used (`{"register"}`; `"*"` for a star, `""` for the module itself).
    pub used: ByName<Names>,
    /// The same for what is reached by such attributes, which may be modules, too: `"shop.tax"` for
    /// `from shop import tax`.
    pub reached: ByName<Names>,
    /// Attributes that module-level code assigns to, on whatever object: `json.dumps = ...`.
    pub sets: Names,
    /// Others that functions assign to on a global; module-level code may call these.
    pub sets_in_functions: Names,
    /// Those that any code of the module assigns to, and the names that class bodies bind.
    pub sets_anywhere: Names,
    /// Text and numbers in its code (`plain_values::worth`), without `None`, truth values, 0 and 1.
    pub constants: Constants,
    /// Attributes that module-level code, and functions if it may run them, take of whatever it is.
    pub mentions: Names,
    /// The same of functions that, as far as can be seen, it does not run.
    pub mentions_later: Names,
    /// Whether it may run text (`exec`): then it may use all that it imports.
    pub runs_text: bool,
    /// Whether it may take attributes that it does not mention (`getattr`).
    pub takes_any: bool,
    /// Whether any of its code takes namespaces of objects (`vars`).
    pub takes_namespaces: bool,
    /// Whether it sets items (`table["name"] = ...`).
    pub sets_items: bool,
    /// Which attributes all of its code takes of modules (`code/attribute_use.rs`).
    pub attributes: AttributeUse,
    /// Names that its code loads and does not bind, but for those that Python's own `builtins` have: a
    /// submodule is one to its package.
    pub unbound: Names,
    /// Those of them that module-level code loads, or functions that it may run.
    pub unbound_at_once: Names,
    /// The names of classes that its code asks for their subclasses, `Plugin`; none for a class that
    /// its code does not name.
    pub subclasses_of: HashSet<Option<String>>,
    /// Whether names were added to those of the code, by a star import or because they were carried.
    pub is_extended: bool,
}

impl NameUsage {
    /// Names that count as defined by the source, too.
    pub fn define(&mut self, names: Vec<String>, imported: bool) {
        self.is_extended |= !names.is_empty();
        let names = Name::all(names.iter().map(String::as_str));
        self.imported.extend(names.iter().filter(|_| imported).copied());
        self.defined.extend(names);
    }

    /// Whether nothing but import statements binds a name at module level.
    pub fn is_only_imported(&self, name: &str) -> bool {
        self.imported.contains(name) && !self.assigned.contains(name)
    }

    /// Whether module-level code uses what an import of that name gave.
    pub fn uses(&self, imported: &str) -> bool {
        self.runs_text || self.used.get(imported).is_some()
    }

    /// Whether it uses one attribute taken by such an import (a star takes all).
    pub fn uses_attribute(&self, imported: &str, attribute: &str) -> bool {
        self.runs_text
            || self
                .used
                .get(imported)
                .is_some_and(|used| used.contains(attribute) || used.contains("*"))
    }

    /// Whether it uses an attribute of that name, from whichever import.
    pub fn uses_taken(&self, attribute: &str) -> bool {
        let taken = |used: &Names| used.contains(attribute) || used.contains("*");
        self.runs_text || self.used.values().any(taken)
    }

    /// The attributes taken of the import that is written so.
    pub fn taken_of(&self, written: &str) -> Names {
        let both = [self.used.get(written), self.reached.get(written)];
        let mut all: Names = both.into_iter().flatten().flat_map(Names::names).collect();
        all.extend(self.runs_text.then_some(""));
        all
    }

    pub fn takes_of(&self, written: &str, attribute: &str) -> bool {
        let both = [self.used.get(written), self.reached.get(written)];
        both.into_iter().flatten().any(|used| used.contains(attribute))
    }

    /// Whether the code could change lists, dicts and the like.
    pub fn changes_containers(&self) -> bool {
        self.sets_items || CHANGES.split(' ').any(|name| self.mentions.contains(name))
    }
}

/// The uses in code that runs with the module, or in its functions.
#[derive(Default)]
struct Parts {
    loaded: Chains,
    in_text: Chains,
    mentions: Names,
    sets_items: bool,
}

impl Parts {
    /// Takes these uses over.
    fn take(&mut self, reading: &mut Reading) {
        self.loaded.extend(std::mem::take(&mut reading.loaded));
        self.in_text.extend(std::mem::take(&mut reading.in_text));
        self.mentions.extend(reading.mentions.names());
        self.sets_items |= reading.sets_items;
    }

    fn loads(&self, names: &[&str]) -> bool {
        self.loaded.iter().any(|chain| names.contains(&chain[0].text()))
    }

    /// Those of the names that it loads.
    fn loaded_of(&self, names: &Names) -> Names {
        self.loaded.iter().map(|chain| chain[0]).filter(|name| names.has(*name)).collect()
    }

    fn takes_any(&self) -> bool {
        self.loads(&TAKE_ANY) || TAKERS.iter().any(|name| self.mentions.contains(name))
    }
}

pub fn outline(py: Python<'_>, code: &Bound<'_, PyCode>) -> PyResult<NameUsage> {
    let mut module = read(py, code)?;
    let (mut at_once, mut later) = (Parts::default(), Parts::default());
    at_once.take(&mut module);
    let mut own = module.stored.clone();
    let imported = module.imports.iter().map(|binding| binding.bound.as_str()).collect();
    let (mut imports, mut star_imports) = (module.imports, module.star_imports);
    let (mut late, mut sets_anywhere) = (Names::default(), module.sets.clone());
    let (mut sets, mut sets_in_functions) = (module.sets, Names::default());
    let (mut subclasses_of, mut constants) = (module.subclasses_of, module.constants);
    let mut waiting: Vec<_> = nested(code)?.into_iter().map(|code| (code, true, None)).collect();
    while let Some((next, outer, class)) = waiting.pop() {
        let function = is_function(py, &next)?;
        let runs = outer && (!function || is_part_of_expression(py, &next)?);
        let mut reading = read(py, &next)?;
        let set = if runs { &mut sets } else { &mut sets_in_functions };
        set.extend(reading.sets_on_globals.names());
        (if runs { &mut at_once } else { &mut later }).take(&mut reading);
        let bound_by_class = reading.stored.names().filter(|_| !function);
        sets_anywhere.extend(reading.sets.names().chain(bound_by_class));
        late.extend(reading.named.names().filter(|_| function));
        constants.extend(reading.constants);
        let asked = reading.subclasses_of.into_iter(); // a method asks for those of its own class
        subclasses_of.extend(asked.map(|of| of.or_else(|| class.clone())));
        let within = if function { class } else { Some(name_of(&next)?) };
        if runs && !function {
            own.extend(reading.stored.names());
            imports.extend(reading.imports);
            star_imports.extend(reading.star_imports);
        }
        waiting.extend(nested(&next)?.into_iter().map(|code| (code, runs, within.clone())));
    }
    let all = [&at_once.loaded, &later.loaded, &at_once.in_text, &later.in_text];
    let attributes = AttributeUse::read(&imports, &star_imports, all.into_iter().flatten(), &late);
    let unbound = unbound(py, &module.stored, at_once.loaded.iter().chain(&later.loaded))?;
    add_called(&mut at_once, &mut later, own, &imports);
    let uses = Uses::of(&imports, star_imports, &at_once.loaded);
    Ok(NameUsage {
        defined: module.stored,
        assigned: module.assigned,
        imported,
        used: uses.used,
        reached: uses.reached,
        sets_in_functions: sets_in_functions.without(&sets),
        sets,
        sets_anywhere,
        constants,
        unbound_at_once: at_once.loaded_of(&unbound),
        runs_text: at_once.loads(&RUN_TEXT),
        takes_any: at_once.takes_any(),
        takes_namespaces: at_once.loads(&["vars"]) || later.loads(&["vars"]),
        mentions: at_once.mentions,
        mentions_later: later.mentions,
        sets_items: at_once.sets_items,
        attributes,
        unbound,
        subclasses_of,
        is_extended: false,
    })
}

/// Names that are loaded, and neither bound by the module nor of Python's own `builtins`: what these had
/// before the first live module.
fn unbound<'a>(
    py: Python<'_>,
    stored: &Names,
    loaded: impl Iterator<Item = &'a Vec<Name>>,
) -> PyResult<Names> {
    static OWN: PyOnceLock<Py<PyFrozenSet>> = PyOnceLock::new();
    let of_python = || {
        let names = py.import(intern!(py, "builtins"))?.dict().keys();
        PyResult::Ok(PyFrozenSet::new(py, names)?.unbind())
    };
    let builtins = OWN.get_or_try_init(py, of_python)?.bind(py);
    let mut names = Names::default();
    let mut known = Names::default();
    for name in loaded.map(|chain| chain[0]) {
        if stored.has(name) || known.has(name) || names.has(name) {
            continue;
        }
        let into = if builtins.contains(name.text())? { &mut known } else { &mut names };
        into.insert(name);
    }
    Ok(names)
}

/// Functions run at once only if module-level code uses a value that the module itself made.
fn add_called(at_once: &mut Parts, later: &mut Parts, mut own: Names, imports: &[Binding]) {
    for binding in imports {
        own.remove(&binding.bound);
    }
    if at_once.loaded.iter().any(|chain| own.has(chain[0])) {
        at_once.loaded.extend(std::mem::take(&mut later.loaded));
        at_once.mentions.extend(std::mem::take(&mut later.mentions).names());
        at_once.sets_items |= later.sets_items;
    }
}

fn name_of(code: &Bound<'_, PyCode>) -> PyResult<String> {
    code.getattr(intern!(code.py(), "co_name"))?.extract()
}

fn is_function(py: Python<'_>, code: &Bound<'_, PyCode>) -> PyResult<bool> {
    let flags: u32 = code.getattr(intern!(py, "co_flags"))?.extract()?;
    Ok(flags & CO_OPTIMIZED != 0)
}

/// Whether it is the code of a comprehension, a generator expression, a `lambda`, or the scope
/// around a generic class: such code may run where it is written.
fn is_part_of_expression(py: Python<'_>, code: &Bound<'_, PyCode>) -> PyResult<bool> {
    let name = code.getattr(intern!(py, "co_name"))?;
    let name: &str = name.extract()?;
    let kinds = ["<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<lambda>"];
    Ok(kinds.contains(&name) || name.starts_with("<generic parameters of"))
}

fn nested<'py>(code: &Bound<'py, PyCode>) -> PyResult<Vec<Bound<'py, PyCode>>> {
    let constants = code.getattr(intern!(code.py(), "co_consts"))?.cast_into::<PyTuple>()?;
    Ok(constants.iter().filter_map(|c| c.cast_into::<PyCode>().ok()).collect())
}
