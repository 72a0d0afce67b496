//! Which module keeps the content of a file that another module's execution had it read?
//!
//! `conf.read()` with an `lru_cache` is called by the code of `shop.web` while that runs: `shop.web`
//! depends on the file, but run again it would get the former content from the cache of `conf`. So a
//! live module whose function is on the stack when a file is opened, and whose state differs when the
//! execution's effects are looked at, depends on the file as well.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use pyo3::{intern, prelude::*};
use transfuse_engine::{Edge, EdgeKind, ModuleName, Target};

use crate::cpython::frames;
use crate::state::{caller, live_module::LiveModule, runtime};

thread_local! {
    /// `[(conf, /srv/shop/rates.csv)]`: the live modules through whose functions this thread's
    /// executions opened a file. Emptied at the end of the outermost execution.
    static OPENED: RefCell<Vec<(ModuleName, PathBuf)>> = const { RefCell::new(Vec::new()) };
}

/// The execution of `running` opens a file, or lists a directory.
pub fn opened(py: Python<'_>, running: &Bound<'_, LiveModule>, path: &Path) {
    for frame in frames::stack(py) {
        let Ok(globals) = frame.getattr(intern!(py, "f_globals")) else { return };
        let Some(through) = caller::module_of_globals(py, &globals) else { continue };
        if through.is(running) {
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

/// The state of `owner` differs after an execution: the files that were opened through it are its
/// dependencies.
pub fn state_differs(py: Python<'_>, owner: &Bound<'_, LiveModule>) {
    let name = &owner.get().name;
    let files: Vec<PathBuf> = OPENED.with_borrow(|opened| {
        let through = opened.iter().filter(|(through, _)| through == name);
        through.map(|(_, path)| path.clone()).collect()
    });
    let Some(runtime) = runtime::in_force().filter(|_| !files.is_empty()) else { return };
    let published = runtime.current(py).get().holds(py, owner);
    for path in files {
        if owner.get().reads(&path) && published {
            let edge = Edge { to: Target::File(path), kind: EdgeKind::Data };
            runtime.records.lock().graph.add(name, edge);
        }
    }
}

/// The outermost execution of this thread has ended.
pub fn forget() {
    OPENED.with_borrow_mut(Vec::clear);
}
