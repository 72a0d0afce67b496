//! Which files did a module read while it was being imported?
//!
//! The audit hook sees every `open`. A file under a root, or in the project, that module-level code
//! opens for reading is a dependency like a module: its content (or that it does not exist) becomes
//! part of the generation's view, and a change of it runs the module again. So is a directory that it
//! lists: the names in it count. A file that the module writes is no dependency.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, atomic::Ordering};

use pyo3::{intern, prelude::*, types::PyBytes, types::PyString, types::PyTuple};
use transfuse_engine::{EdgeKind, FileKind, FileSystem, Source, is_source, listing};

use crate::cpython::{frames, thread::thread};
use crate::effects::{kept_content, written_files, written_files::data_of_function};
use crate::state::command::Command;
use crate::state::{caller, execution_stack, live_module::LiveModule, runtime::Runtime};

/// Larger files are not followed: hashing them would hold up the import.
const LIMIT: u64 = 16 << 20;

/// If cached functions of a module read more files than this, these are no settings of the module
/// but files of its users.
const CACHED_FILES: usize = 100;

/// The errors of the system for a file that does not exist.
pub const ABSENT: [ErrorKind; 2] = [ErrorKind::NotFound, ErrorKind::NotADirectory];

/// `open(path, mode, flags)` is about to happen. Nothing here may raise.
pub fn record_open(runtime: &'static Runtime, args: &Bound<'_, PyTuple>) {
    let Some(path) = argument(runtime, args, 0) else { return };
    let Some(instance) = execution_stack::innermost(args.py()) else { return };
    if writes(args) {
        return record_write(runtime, &instance, &path);
    }
    record_reading(runtime, &instance, &path);
}

/// `instance` depends on the content of a file.
pub fn record_reading(runtime: &Runtime, instance: &Bound<'_, LiveModule>, path: &Path) {
    if let Some(source) = content(runtime, path) {
        depend(runtime, instance, path, &source);
    }
}

/// A function that was called after its module was imported opens a file. If something keeps what comes
/// of the content, as `get_settings` of a web application does, that depends on the file.
pub fn record_open_by_function(runtime: &'static Runtime, args: &Bound<'_, PyTuple>) {
    let py = args.py();
    let Some(path) = args.get_item(0).ok().and_then(|path| data_of_function(runtime, &path)) else {
        return;
    };
    if writes(args) {
        return written_files::record(py, runtime, path);
    }
    match reader(py) {
        Reader::Import if is_source(&path) => {}
        Reader::Other => record_kept(py, runtime, path),
        // The lines stay in `linecache`, which forgets them when the file has changed.
        Reader::Lines { live: true } => {
            if !is_source(&path) && runtime.roots.follows(&*runtime.system, &path) {
                follow_lines(py, runtime, &path);
            }
            record_kept(py, runtime, path);
        }
        Reader::Lines { .. } if is_source(&path) => {}
        Reader::Import | Reader::Lines { .. } => record_kept(py, runtime, path),
    }
}

/// `importlib` is about to run the source at a path for a function that was called after its module was
/// imported.
pub fn record_reading_by_function(runtime: &'static Runtime, path: &Bound<'_, PyAny>) {
    if let Some(found) = data_of_function(runtime, path) {
        record_kept(path.py(), runtime, found);
    }
}

/// Code is about to run the source of a live module by itself.
pub fn record_source_to_run(py: Python<'_>, runtime: &'static Runtime, path: &Path) {
    match execution_stack::innermost(py) {
        Some(running) => record_reading(runtime, &running, path),
        None => record_kept(py, runtime, path.to_owned()),
    }
}

/// Makes the modules that keep a value computed from a file depend on it.
fn record_kept(py: Python<'_>, runtime: &'static Runtime, path: PathBuf) {
    for owner in kept_content::keepers(py) {
        if !owner.get().has_read(&path)
            && count_read(owner.get()) < CACHED_FILES
            && !written_files::is_written(&runtime.records.lock(), &path)
            && runtime.roots.follows(&*runtime.system, &path)
            && let Some(source) = content(runtime, &path)
        {
            let name = owner.get().name.clone();
            runtime.records.lock().read_by_functions.entry(path.clone()).or_default().insert(name);
            kept_content::depend(py, &owner, &path);
            admit(runtime, &owner, &path, &source);
        }
    }
}

/// Whether an argument is text that names source.
pub fn is_named_as_source(path: &Bound<'_, PyAny>) -> bool {
    let Ok(text) = path.cast_exact::<PyString>() else { return false };
    text.to_str().is_ok_and(|text| is_source(Path::new(text)))
}

/// The code that opens a file.
enum Reader {
    Import,
    /// `linecache`, for live code or for tracebacks, warnings and the like.
    Lines {
        live: bool,
    },
    Other,
}

fn reader(py: Python<'_>) -> Reader {
    let mut by_line = false;
    for frame in frames::stack(py) {
        let file = frames::code(&frame).and_then(|code| code.getattr("co_filename").ok());
        let Some(file) = file.and_then(|file| file.extract::<String>().ok()) else { break };
        if file.starts_with("<frozen importlib") {
            return Reader::Import;
        }
        // The interpreter has some modules within itself: from 3.15 on `<frozen linecache>`.
        let frozen = file.strip_prefix("<frozen ").and_then(|name| name.strip_suffix('>'));
        let name = || file.rsplit(['/', '\\']).next()?.strip_suffix(".py");
        match frozen.or_else(name) {
            Some("tokenize") => {}
            Some("linecache" | "old_source") => by_line = true,
            _ if by_line => return Reader::Lines { live: caller::of_frame(&frame).is_some() },
            _ => break,
        }
    }
    Reader::Other
}

/// Records that `instance` depends on data, and follows that from now on.
fn admit(runtime: &Runtime, instance: &Bound<'_, LiveModule>, path: &Path, source: &Arc<Source>) {
    let known = !instance.get().reads(path);
    // A file whose existence it asked for before it reads it counts by its content from now on.
    if known && (source.is_existence() || !instance.get().has_read(path)) {
        return;
    }
    follow(instance.py(), runtime, path, source);
}

/// A change of the file makes an update from now on, also if no module depends on it.
fn follow_lines(py: Python<'_>, runtime: &Runtime, path: &Path) {
    if runtime.system.metadata(path).is_ok_and(|stat| stat.len <= LIMIT)
        && let Ok(content) = runtime.system.read(path)
    {
        follow(py, runtime, path, &Source::served(Some(&content), &runtime.budget));
    }
}

/// A change of the file makes an update from now on.
fn follow(py: Python<'_>, runtime: &Runtime, path: &Path, source: &Arc<Source>) {
    for generation in runtime.alive(py) {
        generation.get().admit_new(path, source);
    }
    if !runtime.roots.is_walked(&*runtime.system, path) {
        runtime.command(Command::Follow(path.to_owned()));
    }
}

/// `instance` reads a file whose content the generation has handed out.
pub fn depend(
    runtime: &Runtime,
    instance: &Bound<'_, LiveModule>,
    path: &Path,
    source: &Arc<Source>,
) {
    admit(runtime, instance, path, source);
    kept_content::opened(instance.py(), instance, path);
}

fn count_read(module: &LiveModule) -> usize {
    module.edges().iter().filter(|edge| edge.kind == EdgeKind::Data).count()
}

/// `importlib` is about to run source for the module that is being executed.
pub fn record_source(runtime: &Runtime, path: &Bound<'_, PyAny>) {
    if let Some(found) = data_path(runtime, path)
        && let Some(instance) = execution_stack::innermost(path.py())
    {
        record_reading(runtime, &instance, &found);
    }
}

/// `os.listdir(path)` or `os.scandir(path)` is about to happen.
pub fn record_listing(runtime: &'static Runtime, args: &Bound<'_, PyTuple>) {
    let py = args.py();
    let system = &*runtime.system;
    // The searches for modules and for installed packages list the folders of `sys.path`.
    let searches = frames::top(py).is_some_and(|frame| is_search(&frame).unwrap_or(false));
    let listed = if searches { None } else { argument(runtime, args, 0) };
    if let Some(dir) = listed.filter(|dir| runtime.roots.follows_listing(system, dir))
        && let Some(instance) = execution_stack::innermost(py)
    {
        let source = match listing(system, &dir, None) {
            Ok(Some(names)) => names,
            Err(error) if ABSENT.contains(&error.kind()) => Source::absent(),
            _ => return,
        };
        depend(runtime, &instance, &dir, &source);
    }
}

/// Whether a frame is that of an import, of a search for installed packages, or of a reader of source.
pub fn is_search(frame: &Bound<'_, PyAny>) -> PyResult<bool> {
    let Some(code) = frames::code(frame) else { return Ok(false) };
    let file = code.getattr(intern!(frame.py(), "co_filename"))?;
    let file: &str = file.extract()?;
    let ends = ["importlib/metadata/__init__.py", "pkg_resources/__init__.py", "linecache.py"];
    let frozen = ["<frozen importlib", "<frozen linecache"];
    Ok(frozen.iter().any(|start| file.starts_with(start))
        || ends.iter().any(|end| file.ends_with(end)))
}

/// A file in a directory that the module itself has listed is about to be made by it: that is no
/// change of the directory.
pub fn record_own_entry(runtime: &Runtime, instance: &Bound<'_, LiveModule>, path: &Path) {
    let Some(dir) = path.parent().filter(|dir| instance.get().has_read(dir)) else { return };
    if let Ok(Some(names)) = listing(&*runtime.system, dir, Some(path)) {
        for generation in runtime.alive(instance.py()) {
            generation.get().admit(|view| view.with(dir, names.clone()));
        }
    }
}

/// `os.mkdir(path, ...)` is about to happen.
pub fn record_mkdir(runtime: &'static Runtime, args: &Bound<'_, PyTuple>) {
    if let Some(path) = argument(runtime, args, 0)
        && let Some(instance) = execution_stack::innermost(args.py())
    {
        // It may have asked for the directory before, as `os.makedirs` does.
        instance.get().writes(&path, true);
        record_own_entry(runtime, &instance, &path);
    }
}

/// `os.remove(path, ...)` or `os.rmdir(path, ...)` is about to happen.
pub fn record_removal(runtime: &'static Runtime, args: &Bound<'_, PyTuple>) {
    if let Some(path) = argument(runtime, args, 0)
        && let Some(instance) = execution_stack::innermost(args.py())
    {
        record_write(runtime, &instance, &path);
    }
}

thread_local! {
    /// The database of the SQLite connection that this thread is making, `":memory:"`.
    static DATABASE: RefCell<Option<Py<PyAny>>> = const { RefCell::new(None) };
}

/// A connection to SQLite is about to be made.
pub fn record_database(_runtime: &'static Runtime, args: &Bound<'_, PyTuple>) {
    let database = args.get_item(0).ok().map(Bound::unbind);
    drop(DATABASE.replace(database));
}

/// A connection to SQLite is being made; in an update it may be bound to the updating thread.
pub fn record_connection(runtime: &'static Runtime, args: &Bound<'_, PyTuple>) {
    let py = args.py();
    if let (Some(database), Ok(connection)) = (DATABASE.take(), args.get_item(0)) {
        let noted = py
            .import("transfuse.frameworks.databases")
            .and_then(|databases| databases.call_method1("connected", (connection, database)));
        drop(noted);
    }
    let Some(instance) = execution_stack::innermost(py) else { return };
    if runtime.updating_thread.load(Ordering::Acquire) != thread() {
        return;
    }
    let Ok(connection) = args.get_item(0) else { return };
    let noted = py.import("transfuse.updates.import_context").and_then(|contexts| {
        contexts.call_method1("connected", (instance.get().name.as_str(), connection))
    });
    drop(noted);
}

/// `os.rename(from, to, ...)` is about to happen: a file is written as a whole.
pub fn record_rename(runtime: &'static Runtime, args: &Bound<'_, PyTuple>) {
    if let Some(path) = argument(runtime, args, 1)
        && let Some(instance) = execution_stack::innermost(args.py())
    {
        record_write(runtime, &instance, &path);
    }
}

/// A module does not depend on a file that it writes, though it may have read it before.
fn record_write(runtime: &Runtime, instance: &Bound<'_, LiveModule>, path: &Path) {
    instance.get().writes(path, false);
    record_own_entry(runtime, instance, path);
    let read_by_others = {
        let records = runtime.records.lock();
        records.graph.readers(path).any(|reader| *reader != instance.get().name)
    };
    if !read_by_others && !is_source(path) {
        for generation in runtime.alive(instance.py()) {
            generation.get().admit(|view| view.without(path));
        }
    }
}

/// A path under a root or in the project, by the name that it has there; none if it is no such path.
fn argument(runtime: &Runtime, args: &Bound<'_, PyTuple>, index: usize) -> Option<PathBuf> {
    data_path(runtime, &args.get_item(index).ok()?)
}

/// The same for one argument. It may be an object with `__fspath__`.
pub fn data_path(runtime: &Runtime, given: &Bound<'_, PyAny>) -> Option<PathBuf> {
    let path = match given.cast::<PyBytes>() {
        Ok(bytes) => from_bytes(bytes.as_bytes()),
        Err(_) => given.extract::<PathBuf>().ok()?,
    };
    let is_precompiled = |path: &Path| path.extension().is_some_and(|end| end == "pyc");
    // Before anything that asks the system: each import of a foreign module opens one.
    if is_precompiled(&path) {
        return None;
    }
    let spelled = runtime.roots.data_path(&*runtime.system, &path)?;
    (!is_precompiled(&spelled)).then_some(spelled)
}

/// A path that was given as bytes: of any kind where the system takes any, else text.
fn from_bytes(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    use std::ffi::OsStr;
    #[cfg(unix)]
    return PathBuf::from(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes));
    #[cfg(not(unix))]
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

fn writes(args: &Bound<'_, PyTuple>) -> bool {
    let mode = args.get_item(1).and_then(|mode| mode.extract::<String>());
    match mode {
        Ok(mode) => mode.contains(['w', 'a', 'x', '+']),
        // `os.open` has flags only. Flags that are not read-only have one of the two lowest bits.
        Err(_) => {
            args.get_item(2).and_then(|f| f.extract::<i64>()).is_ok_and(|flags| flags & 3 != 0)
        }
    }
}

/// The content of a data file, or that it does not exist; none for a file that is not followed.
fn content(runtime: &Runtime, path: &Path) -> Option<Arc<Source>> {
    let read = runtime.system.metadata(path).and_then(|stat| {
        let followed = stat.kind == FileKind::File && stat.len <= LIMIT;
        followed.then(|| runtime.system.read(path)).transpose()
    });
    match read {
        // Source that is read as data, `exec(open("conf.py").read())`, can still be imported.
        Ok(content) if is_source(path) => content.map(|text| Source::new(text, &runtime.budget)),
        Ok(content) => content.map(Source::digest_only),
        Err(error) if is_source(path) || !ABSENT.contains(&error.kind()) => None,
        Err(_) => Some(Source::absent()),
    }
}
