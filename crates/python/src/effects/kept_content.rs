//! Which module keeps the content of a file that another module's execution had it read?
//!
//! `conf.read()` with an `lru_cache` is called by the code of `shop.web` while that runs: `shop.web`
//! depends on the file, but run again it would get the former content from the cache of `conf`. So a
//! live module whose function is on the stack when a file is opened, and whose state differs when the
//! execution's effects are looked at, depends on the file as well, and so does one whose function has
//! an `lru_cache` around it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pyo3::{intern, prelude::*, types::PyType};
use transfuse_engine::{Edge, EdgeKind, GenerationId, ModuleName, Target};

use crate::cpython::{frames, snapshot::items, static_lookup};
use crate::effects::{container::cache_type, kept_values};
use crate::state::{caller, live_module::LiveModule, runtime};

thread_local! {
    /// `[(conf, /srv/shop/rates.csv)]`: the live modules through whose functions this thread's
    /// executions opened a file. Emptied at the end of the outermost execution.
    static OPENED: RefCell<Vec<(ModuleName, PathBuf)>> = const { RefCell::new(Vec::new()) };
}

/// Stands for all instructions of code that is foreign.
const FOREIGN: i32 = -1;

/// How many instructions a thread remembers.
const REMEMBERED: usize = 2_000;

thread_local! {
    /// A request opens many files from the same places, at the end of a long stack.
    static WITHOUT_KEEPERS: Cell<WithoutKeepers> = const { Cell::new(WithoutKeepers::new()) };
}

thread_local! {
    /// Whether this thread looks for keepers: the first search imports the code that searches, which
    /// opens files itself.
    static SEARCHING: Cell<bool> = const { Cell::new(false) };
}

/// Instructions at which nothing keeps what is read, as of one generation.
#[derive(Default)]
struct WithoutKeepers {
    generation: Option<GenerationId>,
    /// The address of the code and the offset -> the code, which is kept so that no other gets its
    /// address: `(0x7f6c_1020, 14) -> <code object get>`.
    places: Option<HashMap<(usize, i32), Py<PyAny>>>,
}

impl WithoutKeepers {
    const fn new() -> Self {
        WithoutKeepers { generation: None, places: None }
    }

    fn begin(&mut self, current: GenerationId) {
        let places = self.places.get_or_insert_default();
        if self.generation != Some(current) || places.len() > REMEMBERED {
            places.clear();
            self.generation = Some(current);
        }
    }

    fn has(&self, code: &Bound<'_, PyAny>, at: i32) -> bool {
        let place = (code.as_ptr() as usize, at);
        self.places.as_ref().is_some_and(|places| places.contains_key(&place))
    }

    fn add(&mut self, code: Bound<'_, PyAny>, at: i32) {
        let place = (code.as_ptr() as usize, at);
        self.places.get_or_insert_default().insert(place, code.unbind());
    }
}

/// The execution of `running` opens a file, or lists a directory.
pub fn opened(py: Python<'_>, running: &Bound<'_, LiveModule>, path: &Path) {
    for frame in frames::stack(py) {
        let Ok(globals) = frame.getattr(intern!(py, "f_globals")) else { return };
        let Some(through) = caller::module_of_globals(py, &globals) else { continue };
        if through.is(running) {
            continue;
        }
        if is_cached(py, &through, &frame).unwrap_or(false) {
            depend(py, &through, path);
            continue;
        }
        let entry = (through.get().name.clone(), path.to_owned());
        OPENED.with_borrow_mut(|opened| {
            if !opened.contains(&entry) {
                opened.push(entry);
            }
        });
    }
}

/// A function that was called after its module was imported reads a file by generation: with an
/// `lru_cache` around it, its module keeps the content.
pub fn read_by_function(py: Python<'_>, path: &Path) {
    for module in keepers(py) {
        depend(py, &module, path);
    }
}

/// The live modules that keep what comes of a file which is being opened: those whose functions this
/// thread runs with an `lru_cache` around them, or that store what the running expression gives. Each
/// instruction of a function is looked at once.
pub fn keepers(py: Python<'_>) -> Vec<Bound<'_, LiveModule>> {
    let Some(runtime) = runtime::in_force() else { return Vec::new() };
    if SEARCHING.replace(true) {
        return Vec::new();
    }
    let mut found: Vec<Bound<'_, LiveModule>> = Vec::new();
    let mut without = WITHOUT_KEEPERS.take();
    without.begin(runtime.current(py).get().id);
    for frame in frames::stack(py) {
        let Some(code) = frames::code(&frame) else { break };
        if without.has(&code, FOREIGN) {
            continue;
        }
        let Ok(globals) = frame.getattr(intern!(py, "f_globals")) else { break };
        let Some(module) = caller::module_of_globals(py, &globals) else {
            without.add(code, FOREIGN);
            continue;
        };
        let Some(at) = frames::instruction(&frame) else { break };
        if without.has(&code, at) {
            continue;
        }
        let place = (code.as_ptr() as usize, at);
        let known = module.get().keepers.by_place.lock().get(&place).cloned();
        let keepers = known.unwrap_or_else(|| {
            let keepers = match is_cached(py, &module, &frame) {
                Ok(true) => vec![module.get().name.clone()],
                _ => kept_values::keepers_of_read(runtime, &module, &frame),
            };
            module.get().keepers.by_place.lock().insert(place, keepers.clone());
            keepers
        });
        if keepers.is_empty() {
            without.add(code, at);
        }
        for name in keepers {
            let own = (name == module.get().name).then(|| module.clone());
            if let Some(keeper) = own.or_else(|| runtime.current(py).get().find(py, name.as_str()))
                && !found.iter().any(|one| one.is(&keeper))
            {
                found.push(keeper);
            }
        }
    }
    WITHOUT_KEEPERS.set(without);
    SEARCHING.set(false);
    found
}

/// The state of `owner` differs after an execution: the files that were opened through it are its
/// dependencies.
pub fn state_differs(py: Python<'_>, owner: &Bound<'_, LiveModule>) {
    let name = &owner.get().name;
    let files: Vec<PathBuf> = OPENED.with_borrow(|opened| {
        let through = opened.iter().filter(|(through, _)| through == name);
        through.map(|(_, path)| path.clone()).collect()
    });
    for path in files {
        depend(py, owner, &path);
    }
}

/// `owner` keeps the content of a file.
pub fn depend(py: Python<'_>, owner: &Bound<'_, LiveModule>, path: &Path) {
    let Some(runtime) = runtime::in_force() else { return };
    if owner.get().reads(path) && runtime.current(py).get().holds(py, owner) {
        let edge = Edge { to: Target::File(path.to_owned()), kind: EdgeKind::Data };
        runtime.records.lock().graph.add(&owner.get().name, edge);
    }
}

/// Does a module, or one of its classes, have an `lru_cache` of the function that a frame runs?
fn is_cached(
    py: Python<'_>,
    module: &Bound<'_, LiveModule>,
    frame: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    let code = frame.getattr(intern!(py, "f_code"))?;
    let kind = cache_type(py)?;
    let is_of_code = |value: &Bound<'_, PyAny>| {
        value.get_type().is(kind)
            && value
                .getattr(intern!(py, "__wrapped__"))
                .and_then(|function| function.getattr(intern!(py, "__code__")))
                .is_ok_and(|other| other.is(&code))
    };
    for (_, value) in items(&module.get().namespace(py)) {
        if is_of_code(&value) {
            return Ok(true);
        }
        if let Ok(class) = value.cast::<PyType>()
            && let Some(attributes) = static_lookup::of_class(class)
            && attributes.values().iter().any(|attribute| {
                let inside = attribute.getattr(intern!(py, "__func__")).ok();
                is_of_code(&attribute) || inside.is_some_and(|inside| is_of_code(&inside))
            })
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The outermost execution of this thread has ended.
pub fn forget() {
    OPENED.with_borrow_mut(Vec::clear);
}
