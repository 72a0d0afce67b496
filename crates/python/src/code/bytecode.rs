//! What does one code object do with names: which does it bind, load, import and set?
//!
//! Read off the instructions, which differ between versions of Python. The conclusions for a module
//! are drawn in `code/name_usage.rs`.

use std::collections::HashSet;

use pyo3::exceptions::PyIndexError;
use pyo3::types::{PyBytes, PyCode, PyInt, PyString, PyTuple};
use pyo3::{intern, prelude::*, sync::PyOnceLock};

use crate::code::names::{Chains, Constants, Name, Names};
use crate::code::{dotted_text, plain_values};
use crate::cpython::frames;

/// The numbers of the instructions looked for, which differ between versions of Python.
struct Instructions {
    load_name: u8,
    load_global: u8,
    store_name: u8,
    store_global: u8,
    store_attr: u8,
    store_subscr: u8,
    load_attr: u8,
    /// `LOAD_ATTR` keeps a flag in the lowest bit since 3.12, when it took over from `LOAD_METHOD`.
    attr_shift: u32,
    load_method: Option<u8>,
    import_name: u8,
    /// `IMPORT_NAME` keeps in the two lowest bits whether it is lazy (PEP 810, from 3.15).
    import_shift: u32,
    import_from: u8,
    extended_arg: u8,
    /// Star imports are an instruction (to 3.11) or a call of an intrinsic (from 3.12).
    import_star: Option<u8>,
    intrinsic: Option<u8>,
    /// `LOAD_GLOBAL` keeps a flag in the lowest bit since 3.11.
    global_shift: u32,
    /// Loads of names in class bodies nested in functions (from 3.12).
    load_class_name: Option<u8>,
    /// Constants that are part of the instruction (from 3.14): a number, or the position in `common`.
    load_small_int: Option<u8>,
    load_common_constant: Option<u8>,
    common: Vec<Py<PyAny>>,
}

/// The function that evaluates annotations (from 3.14), and the set of those that were passed.
const ANNOTATE: &str = "__annotate__";
const CONDITIONAL_ANNOTATIONS: &str = "__conditional_annotations__";
const SUBCLASSES: &str = "__subclasses__";

const INTRINSIC_IMPORT_STAR: u32 = 2;

static INSTRUCTIONS: PyOnceLock<Instructions> = PyOnceLock::new();

fn instructions(py: Python<'_>) -> PyResult<&Instructions> {
    INSTRUCTIONS.get_or_try_init(py, || {
        let opcode = py.import("opcode")?;
        let map = opcode.getattr("opmap")?;
        let common = opcode.getattr("_common_constants").and_then(|all| all.extract());
        let optional = |name: &str| map.get_item(name).ok().and_then(|n| n.extract::<u8>().ok());
        let required = |name: &str| map.get_item(name)?.extract::<u8>();
        Ok(Instructions {
            load_name: required("LOAD_NAME")?,
            load_global: required("LOAD_GLOBAL")?,
            store_name: required("STORE_NAME")?,
            store_global: required("STORE_GLOBAL")?,
            store_attr: required("STORE_ATTR")?,
            store_subscr: required("STORE_SUBSCR")?,
            load_attr: required("LOAD_ATTR")?,
            attr_shift: u32::from(py.version_info() >= (3, 12)),
            load_method: optional("LOAD_METHOD"),
            import_name: required("IMPORT_NAME")?,
            import_shift: if py.version_info() >= (3, 15) { 2 } else { 0 },
            import_from: required("IMPORT_FROM")?,
            extended_arg: required("EXTENDED_ARG")?,
            import_star: optional("IMPORT_STAR"),
            intrinsic: optional("CALL_INTRINSIC_1"),
            global_shift: u32::from(py.version_info() >= (3, 11)),
            load_class_name: optional("LOAD_FROM_DICT_OR_GLOBALS"),
            load_small_int: optional("LOAD_SMALL_INT"),
            load_common_constant: optional("LOAD_COMMON_CONSTANT"),
            common: common.unwrap_or_default(),
        })
    })
}

/// Stands between an instruction and the next (from 3.11).
const CACHE: u8 = 0;

pub struct Binding {
    /// As it is written, `a.b`; relative ones without their dots.
    pub imported: String,
    /// The attribute taken; none for `import a.b`, which binds `a`.
    pub attribute: Option<String>,
    pub bound: String,
}

/// The uses of names in one code object.
#[derive(Default)]
pub struct Reading {
    pub stored: Names,
    /// Those of them that it binds other than by an import.
    pub assigned: Names,
    /// Names that it loads, each with the attributes that are taken at once: `["pk", "sub", "go"]`.
    pub loaded: Chains,
    /// The same of names in its text constants, which may be annotations.
    pub in_text: Chains,
    pub sets: Names,
    /// Those of them that it sets on a name that is no variable of a function, or an attribute of one.
    pub sets_on_globals: Names,
    /// Whether it sets items, other than those of `__annotations__`.
    pub sets_items: bool,
    /// Attributes that it takes, of whatever it is, those that imports take included.
    pub mentions: Names,
    /// Names that its imports bind, but for those of a function.
    pub imports: Vec<Binding>,
    pub star_imports: Vec<String>,
    /// Text and numbers (`plain_values::worth`), but for those found everywhere.
    pub constants: Constants,
    /// The modules and names in its import statements, wherever they are bound: `a.b`, and `a.b.c` for `from a.b import c`.
    pub named: Names,
    /// The names of which it takes `__subclasses__`; none for a value that has no name.
    pub subclasses_of: HashSet<Option<String>>,
}

/// Reads one code object, and none of those in it.
pub fn read(py: Python<'_>, code: &Bound<'_, PyCode>) -> PyResult<Reading> {
    let names = code.getattr(intern!(py, "co_names"))?.cast_into::<PyTuple>()?;
    let names = names.iter().map(|name| Ok(name.cast_into::<PyString>()?));
    let names = names.collect::<PyResult<Vec<_>>>()?;
    let mut reader = InstructionReader {
        py,
        known: instructions(py)?,
        names: names.iter().map(|name| name.to_str()).collect::<PyResult<_>>()?,
        uses: vec![0; names.len()],
        reading: Reading::default(),
        importing: None,
        statement: None,
        attribute: None,
        takes_names: false,
        chain: Vec::new(),
        chains: Vec::new(),
        annotates: false,
    };
    // `setattr(json, "dumps", traced)`.
    let sets_attributes = reader.names.contains(&"setattr");
    for each in code.getattr(intern!(py, "co_consts"))?.cast_into::<PyTuple>()?.iter() {
        plain_values::add_constant(&each, &mut reader.reading.constants);
        dotted_text::add_constant(&each, &mut reader.reading.in_text);
        let Ok(text) = each.cast_exact::<PyString>() else { continue };
        let Ok(text) = text.to_str() else { continue };
        if sets_attributes && text.chars().all(|letter| letter.is_alphanumeric() || letter == '_') {
            reader.reading.sets.insert(text);
        }
        // `getattr(kind, "__subclasses__")`, and what `eval` runs.
        if text == SUBCLASSES || (text.contains(SUBCLASSES) && reader.runs_text()) {
            reader.reading.subclasses_of.insert(None);
        }
    }
    let bytes = code.getattr(intern!(py, "co_code"))?.cast_into::<PyBytes>()?;
    let mut extended = 0u32;
    for unit in bytes.as_bytes().chunks_exact(2) {
        let (op, arg) = (unit[0], extended << 8 | u32::from(unit[1]));
        extended = if op == reader.known.extended_arg { arg } else { 0 };
        if op != CACHE && op != reader.known.extended_arg {
            reader.step(op, arg)?;
        }
    }
    let mut reading = reader.end();
    if code.getattr(intern!(py, "co_name"))?.eq(ANNOTATE)? {
        // It fills a dict of its own.
        reading.sets_items = false;
    }
    Ok(reading)
}

/// How a code object uses one of its names, as bits.
const STORES: u8 = 1;
const ASSIGNS: u8 = 2;
const SETS: u8 = 4;
const MENTIONS: u8 = 8;
const SETS_ON_GLOBALS: u8 = 16;

/// It works with the positions of names, and copies each name once, at the end: every import waits for it.
struct InstructionReader<'a> {
    py: Python<'a>,
    known: &'a Instructions,
    /// `co_names`.
    names: Vec<&'a str>,
    /// How the code uses each of them.
    uses: Vec<u8>,
    reading: Reading,
    /// The import whose names are being bound, `shop.prices`.
    importing: Option<String>,
    /// The import statement read last.
    statement: Option<String>,
    /// The attribute of it that is bound next.
    attribute: Option<String>,
    /// Whether that import takes names.
    takes_names: bool,
    /// The name that was loaded last, as long as only attributes are taken of it.
    chain: Vec<u32>,
    /// Those before it.
    chains: Vec<Vec<u32>>,
    /// Whether that was `__annotations__`.
    annotates: bool,
}

impl InstructionReader<'_> {
    fn name(&self, index: u32) -> PyResult<&str> {
        self.names.get(index as usize).copied().ok_or_else(|| PyIndexError::new_err("co_names"))
    }

    fn add_use(&mut self, index: u32, what: u8) {
        if let Some(uses) = self.uses.get_mut(index as usize) {
            *uses |= what;
        }
    }

    fn runs_text(&self) -> bool {
        self.names.iter().any(|name| ["eval", "exec"].contains(name))
    }

    fn step(&mut self, op: u8, arg: u32) -> PyResult<()> {
        let known = self.known;
        if op == known.load_attr || Some(op) == known.load_method {
            let shift = if op == known.load_attr { known.attr_shift } else { 0 };
            let taken = arg >> shift;
            self.add_use(taken, MENTIONS);
            if self.name(taken)? == SUBCLASSES {
                let of = self.chain.last().map(|of| Ok::<_, PyErr>(self.name(*of)?.to_owned()));
                self.reading.subclasses_of.insert(of.transpose()?);
            }
            if !self.chain.is_empty() {
                self.chain.push(taken);
            }
            return Ok(());
        }
        if !self.chain.is_empty() {
            if op == known.store_attr {
                self.add_use(arg, SETS_ON_GLOBALS);
            }
            self.chains.push(std::mem::take(&mut self.chain));
        }
        if op == known.import_name {
            let named = self.name(arg >> known.import_shift)?.to_owned();
            self.begin_import(named);
        } else if op == known.import_from {
            let taken = self.name(arg)?.to_owned();
            self.take(taken);
        } else if op == known.store_name || op == known.store_global {
            self.bind(arg)?;
        } else if op == known.load_name || Some(op) == known.load_class_name {
            self.importing = None;
            let name = self.name(arg)?;
            // The code that adds an annotation to it is the interpreter's: no use of a name of its own.
            let is_own = name != CONDITIONAL_ANNOTATIONS;
            self.annotates = name == "__annotations__";
            if is_own {
                self.chain.push(arg);
            }
        } else if op == known.store_subscr {
            self.reading.sets_items |= !self.annotates;
        } else if op == known.store_attr {
            self.add_use(arg, SETS);
        } else if op == known.load_global {
            self.chain.push(arg >> known.global_shift);
        } else if Some(op) == known.load_small_int {
            let number = PyInt::new(self.py, arg);
            plain_values::add_constant(&number, &mut self.reading.constants);
        } else if Some(op) == known.load_common_constant {
            if let Some(constant) = known.common.get(arg as usize) {
                let constant = constant.bind(self.py);
                plain_values::add_constant(constant, &mut self.reading.constants);
            }
        } else if (Some(op) == known.import_star
            || (Some(op) == known.intrinsic && arg == INTRINSIC_IMPORT_STAR))
            && let Some(imported) = self.importing.take()
        {
            self.reading.star_imports.push(imported);
        }
        Ok(())
    }

    /// All that was read, by name.
    fn end(mut self) -> Reading {
        let names = Name::all(self.names.iter().copied());
        let Reading { stored, assigned, sets, sets_on_globals, mentions, .. } = &mut self.reading;
        for (what, into) in [
            (STORES, stored),
            (ASSIGNS, assigned),
            (SETS, sets),
            (SETS_ON_GLOBALS, sets_on_globals),
            (MENTIONS, mentions),
        ] {
            let named = names.iter().zip(&self.uses).filter(|(_, uses)| *uses & what != 0);
            into.extend(named.map(|(name, _)| *name));
        }
        self.chains.sort_unstable();
        self.chains.dedup();
        let named = |chain: &Vec<u32>| {
            chain.iter().filter_map(|index| names.get(*index as usize)).copied().collect()
        };
        self.reading.loaded = self.chains.iter().map(named).collect();
        self.reading
    }

    fn begin_import(&mut self, named: String) {
        self.reading.named.insert(named.as_str());
        self.statement = Some(named.clone());
        self.importing = Some(named);
        self.attribute = None;
        self.takes_names = false;
    }

    /// `from a import b` takes a name.
    fn take(&mut self, taken: String) {
        self.reading.mentions.insert(taken.as_str());
        if let Some(statement) = &self.statement {
            self.reading.named.insert(format!("{statement}.{taken}").as_str());
        }
        self.attribute = Some(taken);
        self.takes_names = true;
    }

    fn bind(&mut self, index: u32) -> PyResult<()> {
        let attribute = self.attribute.take();
        if self.takes_names && attribute.is_none() {
            // `from a import b, c` is over.
            self.importing = None;
        }
        self.add_use(index, STORES);
        if let Some(imported) = self.importing.clone() {
            // `import a.b` binds `a` and is over; `from a import b, c` goes on.
            if attribute.is_none() {
                self.importing = None;
            }
            let bound = self.name(index)?.to_owned();
            self.reading.imports.push(Binding { imported, attribute, bound });
        } else {
            self.add_use(index, ASSIGNS);
        }
        Ok(())
    }
}

/// The names that module-level code binds by a statement only after the instruction at an offset: a
/// run that has come so far has not bound them.
pub fn stored_only_after(py: Python<'_>, code: &Bound<'_, PyCode>, at: usize) -> PyResult<Names> {
    let known = instructions(py)?;
    let names = code.getattr(intern!(py, "co_names"))?.cast_into::<PyTuple>()?;
    let bytes = code.getattr(intern!(py, "co_code"))?.cast_into::<PyBytes>()?;
    let (mut before, mut after) = (HashSet::new(), HashSet::new());
    let mut extended = 0;
    for (place, unit) in bytes.as_bytes().chunks_exact(2).enumerate() {
        let (op, arg) = (unit[0], extended << 8 | usize::from(unit[1]));
        extended = if op == known.extended_arg { arg } else { 0 };
        if op == known.store_name {
            let part = if 2 * place <= at { &mut before } else { &mut after };
            part.insert(arg);
        }
    }
    let name = |index: &usize| {
        let name = names.get_item(*index)?;
        Ok(Name::from(name.extract::<&str>()?))
    };
    after.difference(&before).map(name).collect()
}

/// Whether the import statement that is running takes a name from its result: `from a import b`,
/// and `import a.b as c`, which takes `b` from `a`.
pub fn takes_a_name(py: Python<'_>) -> PyResult<bool> {
    let known = instructions(py)?;
    let from = |at| at + 1;
    Ok(running(py, from, |op| op != known.extended_arg)? == Some(known.import_from))
}

/// Whether the instruction that is running takes a name from the result of an import statement.
pub fn is_taking_a_name(py: Python<'_>) -> PyResult<bool> {
    Ok(running(py, |at| at, |_| true)? == Some(instructions(py)?.import_from))
}

/// The first instruction of the running code that is `wanted`, looked for from a place on that is given by
/// that of the running one.
fn running(
    py: Python<'_>,
    from: impl Fn(usize) -> usize,
    wanted: impl Fn(u8) -> bool,
) -> PyResult<Option<u8>> {
    let Some(frame) = frames::top(py) else { return Ok(None) };
    let at: usize = frame.getattr(intern!(py, "f_lasti"))?.extract()?;
    let code = frame.getattr(intern!(py, "f_code"))?.getattr(intern!(py, "co_code"))?;
    let code = code.cast_into::<PyBytes>()?;
    let mut all = code.as_bytes().chunks_exact(2).skip(from(at / 2)).map(|unit| unit[0]);
    Ok(all.find(|op| wanted(*op)))
}
