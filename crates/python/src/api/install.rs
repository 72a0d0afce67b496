//! How is Transfuse installed into a process, and removed?
//!
//! `install` builds the runtime from the first scan, hooks the functions that all imports go through,
//! and starts the updating thread; `uninstall` undoes that. What the hooks do is in `hooks`.

use std::{path::PathBuf, sync::Arc};

use pyo3::{intern, prelude::*, types::PyDict, types::PyList};
use transfuse_engine::{Budget, FileSystem, OsFileSystem, Restart, RestartCode, Roots, scan};

use crate::api::{fork, last_served, last_served::Last};
use crate::cpython::{exceptions, snapshot::items, thread::is_in_main_interpreter};
use crate::effects::{asked_files, audit};
use crate::hooks::{facade_type, fast_path, import_module, lazy_import, reload};
use crate::state::{
    command::SourceOverrides, live_module::LiveModule, request::refuse_inside, runtime,
    runtime::Runtime, settings::Pattern, settings::Settings,
};
use crate::sysmodules::{facade, spec::Finder};
use crate::updater::{thread::at_exit, thread::start_updating, thread::stop_updating};

/// Makes the roots live. Returns the last served state and the choice for each file, if `last` is given.
#[pyfunction]
#[pyo3(signature = (
    *, roots, include, exclude, gitignore, watch, poll, policy, modules, keep, keep_deleted, store, resident, time_limit,
    report, stages, project, reconsider, contents, aside, waiting, first, last
))]
#[allow(clippy::too_many_arguments)]
pub fn install(
    py: Python<'_>,
    roots: Vec<PathBuf>,
    include: Vec<String>,
    exclude: Vec<String>,
    gitignore: bool,
    watch: bool,
    poll: Option<f64>,
    policy: &str,
    modules: Vec<Pattern>,
    keep: usize,
    keep_deleted: bool,
    store: usize,
    resident: usize,
    time_limit: f64,
    report: Py<PyAny>,
    stages: Py<PyAny>,
    project: Vec<PathBuf>,
    reconsider: Py<PyAny>,
    contents: SourceOverrides,
    aside: Vec<PathBuf>,
    waiting: Vec<Waiting>,
    first: u64,
    last: Last,
) -> PyResult<Option<Py<PyDict>>> {
    refuse_sub_interpreter()?;
    if runtime::in_force().is_some() {
        return Err(exceptions::misuse("transfuse is installed already; call uninstall() first"));
    }
    let settings =
        Settings::new(policy, modules, keep, keep_deleted, watch, poll, resident, time_limit)?;
    let system = Arc::new(OsFileSystem);
    let roots = live_roots(&system, &roots, [&include, &exclude], gitignore, &project)?;
    let budget = Budget::new(store.saturating_mul(1 << 20));
    let seen = py.detach(|| scan(&*system, &roots, &budget));
    let began = (&*system as &dyn FileSystem, &roots, &budget);
    let first = (first, keep);
    let mut began =
        last_served::beginning(py, began, &seen.snapshot, contents, aside, first, last)?;
    began.given.waiting = waiting.into_iter().filter_map(restart).collect();
    let made = Runtime::new(
        py,
        system,
        roots,
        budget,
        settings,
        began.view.clone(),
        report,
        stages,
        project,
        reconsider,
        began.first,
        std::mem::take(&mut began.given),
    )?;
    let runtime: &'static Runtime = Box::leak(Box::new(made));
    runtime.unreadable.lock().are(seen.unreadable);
    began.recall(py, runtime)?;
    begin(py, runtime, seen.dirs)?;
    Ok(began.told)
}

/// A change that waits for a restart in the other workers, and its file:
/// `("conf", "never-policy", "conf changed and ...", "/srv/conf.py")`.
type Waiting = (String, String, String, Option<PathBuf>);

fn restart((name, code, what, path): Waiting) -> Option<Restart> {
    Some(Restart { name, code: RestartCode::parse(&code)?, what, path })
}

/// Puts a runtime in force.
fn begin(py: Python<'_>, runtime: &'static Runtime, dirs: Vec<PathBuf>) -> PyResult<()> {
    facade_type::make_type(py)?;
    audit::listen()?;
    asked_files::listen(py)?;
    runtime::put_in_force(Some(runtime));
    let core = py.import(intern!(py, "transfuse._core"))?;
    swap_builtins(
        py,
        &fast_path::import(py)?,
        &pyo3::wrap_pyfunction!(import_module::gcd_import, &core)?.into_any(),
        &pyo3::wrap_pyfunction!(reload::reload, &core)?.into_any(),
    )?;
    lazy_import::install(py)?;
    insert_finder(py)?;
    fork::listen(py)?;
    at_exit(py)?;
    start_updating(py, runtime, dirs)
}

/// The roots with the rules of the settings, and the folder of the project.
fn live_roots(
    system: &OsFileSystem,
    paths: &[PathBuf],
    [include, exclude]: [&[String]; 2],
    gitignore: bool,
    project: &[PathBuf],
) -> PyResult<Roots> {
    let roots = Roots::new(system, paths, exclude)
        .and_then(|roots| roots.including(include))
        .map_err(|e| exceptions::from_engine(&e))?;
    let roots = if gitignore { roots.without_ignored() } else { roots };
    Ok(match project.first().and_then(|file| file.parent()) {
        Some(folder) => roots.with_project(system, folder),
        None => roots,
    })
}

/// The C interface for taking the GIL (PEP 311) knows one interpreter only: our threads would wait for
/// the main one for ever.
fn refuse_sub_interpreter() -> PyResult<()> {
    if is_in_main_interpreter() {
        return Ok(());
    }
    Err(exceptions::misuse(
        "this is a sub-interpreter, and transfuse works in the main one only; in Apache, say \
         WSGIApplicationGroup %{GLOBAL}",
    ))
}

/// Replaces the functions that all imports go through.
fn swap_builtins(
    py: Python<'_>,
    import: &Bound<'_, PyAny>,
    gcd_import: &Bound<'_, PyAny>,
    reload: &Bound<'_, PyAny>,
) -> PyResult<()> {
    py.import(intern!(py, "builtins"))?.setattr(intern!(py, "__import__"), import)?;
    py.import(intern!(py, "importlib"))?.setattr(intern!(py, "reload"), reload)?;
    py.import(intern!(py, "importlib._bootstrap"))?.setattr(intern!(py, "_gcd_import"), gcd_import)
}

fn meta_path(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    Ok(py.import(intern!(py, "sys"))?.getattr(intern!(py, "meta_path"))?.cast_into::<PyList>()?)
}

/// Puts our finder before the first standard one: finders of other code that are asked before that
/// are asked before ours, whether they came before Transfuse or after it.
fn insert_finder(py: Python<'_>) -> PyResult<()> {
    let finders = meta_path(py)?;
    let machinery = py.import(intern!(py, "importlib.machinery"))?;
    let standard = ["BuiltinImporter", "FrozenImporter", "PathFinder"];
    let is_standard = |finder: &Bound<'_, PyAny>| {
        standard.iter().any(|kind| machinery.getattr(*kind).is_ok_and(|kind| kind.is(finder)))
    };
    let place = finders.iter().position(|finder| is_standard(&finder)).unwrap_or(0);
    finders.insert(place, Py::new(py, Finder)?)
}

/// Removes Transfuse from the process. Live modules stay as ordinary modules.
#[pyfunction]
pub fn uninstall(py: Python<'_>) -> PyResult<()> {
    let Some(runtime) = runtime::in_force() else { return Ok(()) };
    refuse_inside(runtime, "uninstall")?;
    stop_updating(py)?;
    let current = runtime.current(py);
    let modules = runtime.sys_modules.bind(py);
    for (name, shown) in items(runtime.facades.bind(py)) {
        if let Some(instance) = current.get().instances.bind(py).get_item(&name)? {
            facade::own_dict(&shown).set_item(facade::LEFT, instance)?;
        }
        if !modules.get_item(&name)?.is_some_and(|there| there.is(&shown)) {
            continue;
        }
        match current.get().instances.bind(py).get_item(&name)? {
            Some(instance) => {
                let instance = instance.cast_into::<LiveModule>()?;
                modules.set_item(&name, instance.get().value(py))?;
            }
            None => modules.del_item(&name)?,
        }
    }
    swap_builtins(
        py,
        runtime.original_import.bind(py),
        runtime.original_gcd_import.bind(py),
        runtime.original_reload.bind(py),
    )?;
    lazy_import::uninstall(py)?;
    let finders = meta_path(py)?;
    for index in (0..finders.len()).rev() {
        if finders.get_item(index)?.is_instance_of::<Finder>() {
            finders.del_item(index)?;
        }
    }
    runtime::put_in_force(None);
    runtime.let_go(py)
}

/// Is Transfuse installed?
#[pyfunction]
pub fn installed() -> bool {
    runtime::in_force().is_some()
}
