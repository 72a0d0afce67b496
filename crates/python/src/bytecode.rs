//! Which names does a module's source define, and which of its imports does it use at once?
//!
//! Both are read off the code object, which is at hand whether it was compiled
//! or precompiled, so a second start parses nothing. *Defined* is what a
//! statement at module level binds, whether or not it ran. *Used* is an imported
//! name that module-level code (class bodies included) does more with than bind
//! it: such an import may be one that this module's code affects.

use std::collections::{HashMap, HashSet};

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyCode, PyTuple};

/// `co_flags` bit of functions; class bodies and modules lack it.
const CO_OPTIMIZED: u32 = 1;

/// The numbers of the instructions looked for, which differ between versions of Python.
struct Instructions {
    load_name: u8,
    load_global: u8,
    store_name: u8,
    store_global: u8,
    store_attr: u8,
    import_name: u8,
    import_from: u8,
    extended_arg: u8,
    /// Star imports are an instruction (to 3.11) or a call of an intrinsic (from 3.12).
    import_star: Option<u8>,
    intrinsic: Option<u8>,
    /// `LOAD_GLOBAL` keeps a flag in the lowest bit since 3.11.
    global_shift: u32,
    /// Loads of names in class bodies nested in functions (from 3.12).
    load_class_name: Option<u8>,
}

const INTRINSIC_IMPORT_STAR: u32 = 2;

static INSTRUCTIONS: PyOnceLock<Instructions> = PyOnceLock::new();

fn instructions(py: Python<'_>) -> PyResult<&Instructions> {
    INSTRUCTIONS.get_or_try_init(py, || {
        let map = py.import("opcode")?.getattr("opmap")?;
        let optional = |name: &str| map.get_item(name).ok().and_then(|n| n.extract::<u8>().ok());
        let required = |name: &str| map.get_item(name)?.extract::<u8>();
        Ok(Instructions {
            load_name: required("LOAD_NAME")?,
            load_global: required("LOAD_GLOBAL")?,
            store_name: required("STORE_NAME")?,
            store_global: required("STORE_GLOBAL")?,
            store_attr: required("STORE_ATTR")?,
            import_name: required("IMPORT_NAME")?,
            import_from: required("IMPORT_FROM")?,
            extended_arg: required("EXTENDED_ARG")?,
            import_star: optional("IMPORT_STAR"),
            intrinsic: optional("CALL_INTRINSIC_1"),
            global_shift: u32::from(py.version_info() >= (3, 11)),
            load_class_name: optional("LOAD_FROM_DICT_OR_GLOBALS"),
        })
    })
}

/// What was read off a module's code object.
#[derive(Default)]
pub struct Outline {
    /// Names bound at module level by the source; star imports add theirs while it runs.
    pub defined: HashSet<String>,
    /// What the import statements name (`"registry"`, relative ones without their dots) ->
    /// the attributes taken and used (`{"register"}`; `"*"` for a star, `""` for the module itself).
    pub used: HashMap<String, HashSet<String>>,
    /// Attributes that module-level code assigns to, on whatever object: `json.dumps = ...`.
    pub sets: HashSet<String>,
}

impl Outline {
    /// Whether module-level code uses what an import of that name bound.
    pub fn uses(&self, imported: &str) -> bool {
        self.used.contains_key(imported)
    }

    /// Whether it uses one attribute taken by such an import (a star takes all).
    pub fn uses_attribute(&self, imported: &str, attribute: &str) -> bool {
        self.used.get(imported).is_some_and(|used| used.contains(attribute) || used.contains("*"))
    }
}

/// One binding made by an import statement: what was imported, which attribute, under which name.
struct Binding {
    imported: String,
    attribute: String,
    bound: String,
}

/// What one code object holds.
#[derive(Default)]
struct Reading {
    stored: HashSet<String>,
    loaded: HashSet<String>,
    sets: HashSet<String>,
    imports: Vec<Binding>,
    starred: Vec<String>,
}

/// Reads the code object of a module.
pub fn outline(py: Python<'_>, code: &Bound<'_, PyCode>) -> PyResult<Outline> {
    let known = instructions(py)?;
    let module = read(py, known, code)?;
    let mut loaded = module.loaded;
    let mut inside = HashSet::new();
    let mut functions = false;
    let mut waiting = nested(code)?;
    while let Some(next) = waiting.pop() {
        let flags: u32 = next.getattr(intern!(py, "co_flags"))?.extract()?;
        let reading = read(py, known, &next)?;
        if flags & CO_OPTIMIZED == 0 {
            // A class body: it runs with the module.
            loaded.extend(reading.loaded);
            waiting.extend(nested(&next)?);
        } else {
            functions = true;
            inside.extend(reading.loaded);
            waiting.extend(nested(&next)?);
        }
    }
    // Functions run at once only if module-level code uses something that the module itself made.
    let own = |name: &String| {
        module.stored.contains(name) && !module.imports.iter().any(|b| &b.bound == name)
    };
    if functions && loaded.iter().any(own) {
        loaded.extend(inside);
    }
    let mut used: HashMap<String, HashSet<String>> = HashMap::new();
    for binding in &module.imports {
        if loaded.contains(&binding.bound) {
            used.entry(binding.imported.clone()).or_default().insert(binding.attribute.clone());
        }
    }
    for starred in module.starred {
        used.entry(starred).or_default().insert("*".to_owned());
    }
    Ok(Outline { defined: module.stored, used, sets: module.sets })
}

fn nested<'py>(code: &Bound<'py, PyCode>) -> PyResult<Vec<Bound<'py, PyCode>>> {
    let constants = code.getattr(intern!(code.py(), "co_consts"))?.cast_into::<PyTuple>()?;
    Ok(constants.iter().filter_map(|c| c.cast_into::<PyCode>().ok()).collect())
}

fn read(py: Python<'_>, known: &Instructions, code: &Bound<'_, PyCode>) -> PyResult<Reading> {
    let names = code.getattr(intern!(py, "co_names"))?.cast_into::<PyTuple>()?;
    let bytes = code.getattr(intern!(py, "co_code"))?.cast_into::<PyBytes>()?;
    let name =
        |index: u32| -> PyResult<String> { names.get_item(index as usize)?.extract::<String>() };
    let mut reading = Reading::default();
    let mut importing: Option<String> = None;
    let mut attribute: Option<String> = None;
    let mut extended = 0u32;
    for unit in bytes.as_bytes().chunks_exact(2) {
        let (op, arg) = (unit[0], extended << 8 | u32::from(unit[1]));
        extended = if op == known.extended_arg { arg } else { 0 };
        if op == known.import_name {
            importing = Some(name(arg)?);
            attribute = None;
        } else if op == known.import_from {
            attribute = Some(name(arg)?);
        } else if op == known.store_name || op == known.store_global {
            let bound = name(arg)?;
            if let Some(imported) = &importing {
                let taken = attribute.take();
                // `import a.b` binds `a` and is over; `from a import b, c` goes on.
                let over = taken.is_none();
                reading.imports.push(Binding {
                    imported: imported.clone(),
                    attribute: taken.unwrap_or_default(),
                    bound: bound.clone(),
                });
                if over {
                    importing = None;
                }
            }
            reading.stored.insert(bound);
        } else if op == known.load_name || Some(op) == known.load_class_name {
            importing = None;
            reading.loaded.insert(name(arg)?);
        } else if op == known.store_attr {
            reading.sets.insert(name(arg)?);
        } else if op == known.load_global {
            reading.loaded.insert(name(arg >> known.global_shift)?);
        } else if (Some(op) == known.import_star
            || (Some(op) == known.intrinsic && arg == INTRINSIC_IMPORT_STAR))
            && let Some(imported) = importing.take()
        {
            reading.starred.push(imported);
        }
    }
    Ok(reading)
}

/// Whether the import statement that is running takes a name from what it gets: `from a import b`,
/// and `import a.b as c`, which takes `b` from `a`.
pub fn takes_a_name(py: Python<'_>) -> PyResult<bool> {
    // SAFETY: attached; the result is borrowed, or null when no Python code runs.
    let frame = unsafe { ffi::PyEval_GetFrame() };
    // SAFETY: a frame object or null.
    let frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, frame.cast()) };
    let Some(frame) = frame else { return Ok(false) };
    let known = instructions(py)?;
    let at: usize = frame.getattr(intern!(py, "f_lasti"))?.extract()?;
    let code = frame.getattr(intern!(py, "f_code"))?.getattr(intern!(py, "co_code"))?;
    let code = code.cast_into::<PyBytes>()?;
    let mut next = code.as_bytes().chunks_exact(2).skip(at / 2 + 1).map(|unit| unit[0]);
    Ok(next.find(|op| *op != known.extended_arg) == Some(known.import_from))
}
