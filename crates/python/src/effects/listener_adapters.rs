//! When do listeners that live code registers with a foreign framework become the listeners of a
//! generation?
//!
//! A framework with one list of listeners for the process would call those of every generation. So its
//! adapter (`transfuse/frameworks/listeners.py`) is put in place before live code can register the
//! first one: when a live module has imported something foreign, and the framework is loaded.

use std::sync::atomic::Ordering;

use pyo3::{intern, prelude::*};

use crate::cpython::log;
use crate::state::runtime::Runtime;

/// The modules that keep listeners, as the adapter calls them.
const KEEPERS: [&str; 3] = ["atexit", "blinker.base", "sqlalchemy.event.registry"];

/// Module-level code has imported something foreign.
pub fn attend(py: Python<'_>, runtime: &Runtime) {
    for (at, keeper) in KEEPERS.iter().enumerate() {
        let bit = 1 << at;
        if runtime.adapted.load(Ordering::Acquire) & bit != 0
            || !runtime.sys_modules.bind(py).contains(keeper).unwrap_or(false)
            || runtime.adapted.fetch_or(bit, Ordering::AcqRel) & bit != 0
        {
            continue;
        }
        let adapter = py.import(intern!(py, "transfuse.frameworks.listeners"));
        let attended =
            adapter.and_then(|adapter| adapter.call_method1(intern!(py, "attend"), (*keeper,)));
        if let Err(error) = attended {
            let what = format!("listeners of {keeper} are not told apart by generation");
            let _ = log::complain(py, &what, error);
        }
    }
}
