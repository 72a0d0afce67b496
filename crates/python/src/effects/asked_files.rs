//! Which files did module-level code ask about, without opening them?
//!
//! `Path.exists`, `os.path.isfile` and the like end in `os.stat` or `os.access`, which raise no audit
//! event (`cpython/call_observer.rs`). The module depends on whether the path exists, and on its kind.
//! If live code asks for the size or the times (`Path.stat`, `os.path.getsize`), the content counts,
//! because a file with the same content gives the same answers as far as they matter. Questions of
//! the import system and of code that shows source do not count.

use std::sync::Once;

use pyo3::{intern, prelude::*};
use transfuse_engine::{FileKind, FileSystem, Source, is_source};

use crate::cpython::{call_observer, frames};
use crate::effects::data_files::{self, ABSENT};
use crate::state::{caller, execution_stack, runtime};

/// Where the system's functions are, and those of them that tell whether a path exists.
const MODULES: [&str; 2] = ["posix", "nt"];
const FUNCTIONS: [&str; 6] =
    ["stat", "access", "_path_exists", "_path_isfile", "_path_isdir", "_path_isdevdrive"];

/// The position of `stat`, whose result also has the size and the times.
const STAT: usize = 0;

/// The files of modules that ask for others.
const ASKS_FOR_OTHERS: [&str; 5] =
    ["genericpath.py", "posixpath.py", "ntpath.py", "/pathlib", "/os.py"];

/// The functions of these that tell the size or a time.
const TELLS_MORE: [&str; 5] = ["stat", "getsize", "getmtime", "getctime", "getatime"];

/// Begins to listen, once for the life of the process.
pub fn listen(py: Python<'_>) -> PyResult<()> {
    static ONCE: Once = Once::new();
    let mut done = Ok(());
    ONCE.call_once(|| {
        let system = MODULES.iter().find_map(|name| py.import(*name).ok());
        let functions: Vec<_> = system
            .iter()
            .flat_map(|system| FUNCTIONS.iter().filter_map(|name| system.getattr(*name).ok()))
            .collect();
        done = call_observer::observe(&functions, asked);
    });
    done
}

/// Code has asked about a path.
fn asked(function: usize, path: &Bound<'_, PyAny>) {
    let is_executing = execution_stack::is_executing();
    let may_load = function == STAT && data_files::is_named_as_source(path);
    if !is_executing && !may_load {
        return;
    }
    let py = path.py();
    let raised = PyErr::take(py);
    if is_executing {
        record(function, path);
    } else if is_to_load(py)
        && let Some(runtime) = runtime::in_force()
    {
        data_files::record_reading_by_function(runtime, path);
    }
    if let Some(error) = raised {
        error.restore(py);
    }
}

fn record(function: usize, asked: &Bound<'_, PyAny>) {
    let py = asked.py();
    let Some(runtime) = runtime::in_force() else { return };
    if frames::top(py).is_none_or(|frame| data_files::is_search(&frame).unwrap_or(true)) {
        if function == STAT && is_to_load(py) {
            data_files::record_source(runtime, asked);
        }
        return;
    }
    let Some(path) = data_files::data_path(runtime, asked) else { return };
    let Some(instance) = execution_stack::innermost(py) else { return };
    let asking = Asking::of(py);
    if is_source(&path) {
        // The snapshot has its content, or will notice it as a new file.
        if asking.is_live {
            instance.get().reads(&path);
        }
        return;
    }
    if function == STAT && asking.is_live && asking.wants_more {
        return data_files::record_reading(runtime, &instance, &path);
    }
    let kind = match runtime.system.metadata(&path) {
        // Programs make their sockets and pipes anew, so these do not count.
        Ok(stat) if stat.kind == FileKind::Other => return,
        Ok(stat) => Some(stat.kind),
        Err(error) if ABSENT.contains(&error.kind()) => None,
        Err(_) => return,
    };
    data_files::depend(runtime, &instance, &path, &Source::existence(kind));
}

/// Whether `importlib` asks for the time of source that a loader of its own is about to run, as in
/// `spec.loader.exec_module(module)`. Where the precompiled file is valid the source is not opened.
fn is_to_load(py: Python<'_>) -> bool {
    // By the name first: nearly all questions are those of an import for where a module is.
    let calls = |frame: Bound<'_, PyAny>, attribute, meant: fn(&str) -> bool| {
        let found = frames::code(&frame).and_then(|code| code.getattr(attribute).ok());
        found.is_some_and(|found| found.extract::<&str>().is_ok_and(meant))
    };
    let mut stack = frames::stack(py);
    let (Some(asks), Some(by)) = (stack.next(), stack.next()) else { return false };
    calls(by, intern!(py, "co_name"), |name| name == "path_stats")
        && calls(asks, intern!(py, "co_filename"), |file| file.starts_with("<frozen importlib"))
}

/// The code that asks, by way of `os.path` and `pathlib` or by itself.
struct Asking {
    is_live: bool,
    /// Whether it may ask for more than whether the path exists.
    wants_more: bool,
}

impl Asking {
    fn of(py: Python<'_>) -> Asking {
        let mut asking = Asking { is_live: false, wants_more: true };
        for frame in frames::stack(py) {
            let Ok((file, name)) = place(&frame) else { break };
            let file = file.replace('\\', "/");
            if ASKS_FOR_OTHERS.iter().any(|part| file.contains(part)) || file.starts_with("<frozen")
            {
                asking.wants_more &= TELLS_MORE.contains(&name.as_str());
                continue;
            }
            let globals = frame.getattr(intern!(py, "f_globals"));
            asking.is_live =
                globals.is_ok_and(|globals| caller::module_of_globals(py, &globals).is_some());
            break;
        }
        asking
    }
}

/// The file and the name of the function that a frame runs.
fn place(frame: &Bound<'_, PyAny>) -> PyResult<(String, String)> {
    let py = frame.py();
    let code = frame.getattr(intern!(py, "f_code"))?;
    let file = code.getattr(intern!(py, "co_filename"))?.extract()?;
    Ok((file, code.getattr(intern!(py, "co_name"))?.extract()?))
}
