//! Where does a name's source lie, and is it live?
//!
//! The search path is walked as the standard path finder walks it. Entries that touch a root are
//! answered from the generation's view (so that a pinned unit of work finds the files of its own
//! generation); all others are left to the standard finder, whose modules are foreign. Finders that
//! other code has put before ours are asked first, as in `sys.meta_path`.

use std::path::{Path, PathBuf};

use pyo3::{intern, prelude::*, sync::PyOnceLock, types::PyList, types::PyString};
use transfuse_engine::{FileSystem, Located, ModuleName, Source, locate};

use crate::loading::{foreign_loader, new_files};
use crate::state::{
    generation::Generation, module_source::SourceFile, runtime::Runtime, scope::Scope,
};

pub enum Resolution {
    /// A regular package or a module under a root.
    Source(SourceFile),
    /// A namespace package: its portions, and whether some lie outside the roots (then it is not
    /// ours).
    Namespace {
        /// `["/srv/a/plugins", "/srv/b/plugins"]`.
        portions: Vec<String>,
        /// Whether it is the standard machinery's to make.
        foreign: bool,
    },
    /// Not ours: to be imported as if Transfuse were not there.
    Foreign,
    /// Nothing of that name.
    Missing,
    /// There is such a file by now, but not in this generation: it must not be found.
    Hidden,
}

/// The result for one path entry.
enum EntryLookup {
    At(Located),
    Hidden,
}

/// Suffixes of extension modules, `.cpython-311-x86_64-linux-gnu.so`.
static SUFFIXES: PyOnceLock<Vec<String>> = PyOnceLock::new();

fn suffixes(py: Python<'_>) -> PyResult<&Vec<String>> {
    SUFFIXES.get_or_try_init(py, || {
        py.import("importlib.machinery")?.getattr("EXTENSION_SUFFIXES")?.extract()
    })
}

/// A name without a dot, along `sys.path`. Other code's finders are not asked (`kept_origin.rs`
/// asks them).
pub fn top_level(scope: &Scope<'_>, name: &ModuleName) -> PyResult<Resolution> {
    let py = scope.py;
    let path = py.import(intern!(py, "sys"))?.getattr(intern!(py, "path"))?;
    let Ok(path) = path.cast_into::<PyList>() else { return Ok(Resolution::Foreign) };
    // Most names are foreign: find that out before anything that costs.
    let mut ours = false;
    let mut hidden = false;
    for entry in path.iter() {
        if let Ok(entry) = entry.extract::<&str>()
            && let Some(dir) = scope.runtime.entry(entry)
        {
            match look(scope, &dir, name)? {
                EntryLookup::At(Located::Absent) => {}
                EntryLookup::At(_) => {
                    ours = true;
                    break;
                }
                EntryLookup::Hidden => hidden = true,
            }
        }
    }
    if hidden && !ours {
        // The standard finder would find what this generation does not have.
        return Ok(Resolution::Hidden);
    }
    if !ours || is_built_in(py, name)? {
        return Ok(Resolution::Foreign);
    }
    without_claims(scope, name, path.as_any())
}

/// Looks for a name along a search path (`sys.path`, or a package's `__path__`).
pub fn along(
    scope: &Scope<'_>,
    name: &ModuleName,
    path: &Bound<'_, PyAny>,
) -> PyResult<Resolution> {
    let found = without_claims(scope, name, path)?;
    with_claims(scope, name, path, found)
}

/// The located module, unless the finder of other code claims it.
pub fn with_claims(
    scope: &Scope<'_>,
    name: &ModuleName,
    path: &Bound<'_, PyAny>,
    found: Resolution,
) -> PyResult<Resolution> {
    let Some(claim) = foreign_loader::claim(scope, name, path)? else { return Ok(found) };
    Ok(match found {
        Resolution::Source(mut origin) => {
            match claim.leaves_live(scope.runtime, name, &mut origin)? {
                true => Resolution::Source(origin),
                false => Resolution::Foreign,
            }
        }
        Resolution::Hidden => Resolution::Hidden,
        _ => Resolution::Foreign,
    })
}

fn without_claims(
    scope: &Scope<'_>,
    name: &ModuleName,
    path: &Bound<'_, PyAny>,
) -> PyResult<Resolution> {
    let Scope { py, runtime, .. } = *scope;
    let mut portions = Vec::new();
    let mut foreign = false;
    let mut hidden = false;
    for entry in path.try_iter()? {
        let entry = entry?;
        let Ok(spelled) = entry.extract::<String>() else { continue };
        let Some(dir) = runtime.entry(&spelled) else {
            match standard(py, name, &entry)? {
                Resolution::Missing => continue,
                Resolution::Namespace { portions: more, .. } => {
                    portions.extend(more);
                    foreign = true;
                    continue;
                }
                _ => return Ok(Resolution::Foreign),
            }
        };
        // As the standard finder makes it: a module's file does not depend on the working directory.
        let relative = !Path::new(&spelled).is_absolute();
        let spelled = if relative { dir.to_string_lossy().into_owned() } else { spelled };
        match look(scope, &dir, name)? {
            EntryLookup::At(Located::Absent) => {}
            EntryLookup::At(Located::Namespace(portion)) => {
                portions.push(joined(Path::new(&spelled), portion.file_name()));
            }
            EntryLookup::At(located) => return Ok(found_at(scope, name, &spelled, located)),
            EntryLookup::Hidden => hidden = true,
        }
    }
    Ok(match (portions.is_empty(), hidden) {
        (true, true) => Resolution::Hidden,
        (true, false) => Resolution::Missing,
        (false, _) => Resolution::Namespace { portions, foreign },
    })
}

/// The module or package that ends a search at the path entry `spelled`.
fn found_at(scope: &Scope<'_>, name: &ModuleName, spelled: &str, located: Located) -> Resolution {
    let here = Path::new(spelled);
    match located {
        Located::Package { init, dir } => {
            let folder = joined(here, dir.file_name());
            let file = joined(Path::new(&folder), init.file_name());
            Resolution::Source(SourceFile { file, path: init, package: Some(folder), spec: None })
        }
        Located::Module(path) => {
            let file = joined(here, path.file_name());
            Resolution::Source(SourceFile { file, path, package: None, spec: None })
        }
        Located::Extension(path) => {
            record_extension(scope.py, scope.runtime, name, path);
            Resolution::Foreign
        }
        _ => Resolution::Foreign,
    }
}

/// Whether in this generation, too, the first file of that name along a search path is `file`.
pub fn comes_first(
    scope: &Scope<'_>,
    name: &ModuleName,
    path: &Bound<'_, PyAny>,
    file: &Path,
) -> PyResult<bool> {
    for entry in path.try_iter()? {
        let entry = entry?;
        let Ok(spelled) = entry.extract::<&str>() else { continue };
        let Some(dir) = scope.runtime.entry(spelled) else { continue };
        match look(scope, &dir, name)? {
            EntryLookup::At(Located::Package { init: first, .. } | Located::Module(first)) => {
                return Ok(first == file);
            }
            EntryLookup::At(Located::Extension(_) | Located::NotInSnapshot(_)) => return Ok(false),
            EntryLookup::At(Located::Namespace(_) | Located::Absent) | EntryLookup::Hidden => {}
        }
    }
    Ok(true)
}

/// Whether a search path has an entry under which files can be live.
pub fn touches_root(runtime: &Runtime, path: &Bound<'_, PyAny>) -> PyResult<bool> {
    for entry in path.try_iter()? {
        if entry?.extract::<&str>().is_ok_and(|entry| runtime.entry(entry).is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn joined(folder: &Path, name: Option<&std::ffi::OsStr>) -> String {
    folder.join(name.unwrap_or_default()).to_string_lossy().into_owned()
}

/// One entry that touches a root. A new file that may appear becomes part of the view.
fn look(scope: &Scope<'_>, dir: &Path, name: &ModuleName) -> PyResult<EntryLookup> {
    let Scope { py, runtime, .. } = *scope;
    let suffixes = suffixes(py)?;
    for _ in 0..3 {
        let view = scope.generation.get().view();
        let system: &dyn FileSystem = &*runtime.system;
        let located = py.detach(|| locate(&view, system, dir, name.tail(), suffixes));
        if let Located::Namespace(portion) = &located
            && !view.has_dir(portion)
            && (runtime.set_aside.lock().has_dir(portion)
                || runtime.alive(py).iter().any(|other| has_source(runtime, other.get(), portion)))
        {
            // A folder that has source on disk, but in another generation only.
            return Ok(EntryLookup::Hidden);
        }
        let Located::NotInSnapshot(path) = located else {
            if located == Located::Absent && !new_files::report_absent(scope, dir, name) {
                continue;
            }
            return Ok(EntryLookup::At(located));
        };
        let foreign = !runtime.roots.is_live_path(system, &path);
        if foreign || runtime.roots.ignores(system, &path, false) {
            return Ok(EntryLookup::At(Located::NotInSnapshot(path)));
        }
        // Before it is asked whether all else is as known: a link may be turned in between.
        let read = py.detach(|| runtime.system.read(&path));
        let aside = |bytes: &Vec<u8>| runtime.set_aside.lock().has(&path, bytes);
        if runtime.alive(py).iter().any(|other| other.get().view().get(&path).is_some())
            || read.as_ref().is_ok_and(aside)
            || !new_files::may_admit(scope, dir, name)
        {
            // Created after this generation was made.
            match new_files::report_absent(scope, dir, name) {
                true => return Ok(EntryLookup::Hidden),
                false => continue,
            }
        }
        let bytes = read.map_err(|error| {
            let message = format!("cannot read {}: {error}", path.display());
            crate::cpython::exceptions::import(py, &message, name.as_str())
        })?;
        let source = Source::new(&bytes, &runtime.budget);
        if !new_files::admit(scope.generation.get(), dir, name, &path, &source) {
            return Ok(EntryLookup::Hidden);
        }
    }
    Ok(EntryLookup::At(Located::Absent))
}

/// Whether a generation knows source in a folder that is still there.
fn has_source(runtime: &Runtime, generation: &Generation, folder: &Path) -> bool {
    let view = generation.view();
    let mut known = view.under(folder).filter(|(_, source)| !source.is_absent());
    known.any(|(path, _)| runtime.system.metadata(path).is_ok())
}

/// A compiled module under a root is foreign, and cannot be loaded a second time. Its digest
/// becomes part of the views, so that a change of it is reported.
fn record_extension(py: Python<'_>, runtime: &Runtime, name: &ModuleName, path: PathBuf) {
    let known = runtime.records.lock().extensions.contains_key(&path);
    if known || !runtime.roots.is_live_path(&*runtime.system, &path) {
        return;
    }
    let Ok(content) = py.detach(|| runtime.system.read(&path)) else { return };
    let source = Source::digest_only(content);
    runtime.records.lock().extensions.insert(path.clone(), name.clone());
    for generation in runtime.alive(py) {
        generation.get().admit_new(&path, &source);
    }
}

/// The answer of the standard path finder for one foreign entry.
fn standard(py: Python<'_>, name: &ModuleName, entry: &Bound<'_, PyAny>) -> PyResult<Resolution> {
    let finder =
        py.import(intern!(py, "importlib.machinery"))?.getattr(intern!(py, "PathFinder"))?;
    let spec = finder.call_method1(
        intern!(py, "find_spec"),
        (PyString::new(py, name.as_str()), PyList::new(py, [entry])?),
    )?;
    if spec.is_none() {
        return Ok(Resolution::Missing);
    }
    let portions = spec.getattr(intern!(py, "submodule_search_locations"))?;
    if spec.getattr(intern!(py, "origin"))?.is_none() && !portions.is_none() {
        let portions = portions.try_iter()?.map(|p| p?.extract()).collect::<PyResult<_>>()?;
        return Ok(Resolution::Namespace { portions, foreign: true });
    }
    Ok(Resolution::Foreign)
}

fn is_built_in(py: Python<'_>, name: &ModuleName) -> PyResult<bool> {
    let built_in = py.import(intern!(py, "sys"))?.getattr(intern!(py, "builtin_module_names"))?;
    let imp = py.import(intern!(py, "_imp"))?;
    Ok(built_in.contains(name.as_str())?
        || imp.call_method1(intern!(py, "is_frozen"), (name.as_str(),))?.extract()?)
}
