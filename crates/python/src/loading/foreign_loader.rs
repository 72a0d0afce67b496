//! Which finders and loaders of other code take part in loading a live module?
//!
//! Instrumentation (ddtrace, newrelic, wrapt, typeguard) puts a finder before the standard one. Its
//! spec has a loader that wraps ours, or one that reads source and compiles it in its own way. The
//! module is live all the same: each execution asks the finder again and lets its loader execute,
//! in the namespace that we made. A loader that does neither keeps its module to itself.

use std::cell::RefCell;

use pyo3::types::{PyBytes, PyCFunction, PyCode, PyDict, PyTuple};
use pyo3::{exceptions::PyOSError, intern, prelude::*};
use transfuse_engine::{EdgeKind, ModuleName, Target};

use crate::loading::post_import_hooks;
use crate::state::{
    caller, live_module::LiveModule, module_source::SourceFile, runtime::Runtime, scope::Scope,
};
use crate::sysmodules::spec::{Finder, HandedOut};

/// The spec of a finder that is asked before ours.
pub struct Claim<'py> {
    spec: Bound<'py, PyAny>,
    /// Whether the finder asked for our own loader and can therefore have wrapped it.
    asked_ours: bool,
}

/// The claim of a finder of other code on a name along a search path, if there is one.
pub fn claim<'py>(
    scope: &Scope<'py>,
    name: &ModuleName,
    path: &Bound<'py, PyAny>,
) -> PyResult<Option<Claim<'py>>> {
    let py = scope.py;
    let sys = py.import(intern!(py, "sys"))?;
    let machinery = py.import(intern!(py, "importlib.machinery"))?;
    let standard = [
        machinery.getattr(intern!(py, "PathFinder"))?,
        machinery.getattr(intern!(py, "BuiltinImporter"))?,
        machinery.getattr(intern!(py, "FrozenImporter"))?,
    ];
    let place = if name.parent().is_none() { py.None().into_bound(py) } else { path.clone() };
    for finder in sys.getattr(intern!(py, "meta_path"))?.try_iter()? {
        let finder = finder?;
        if finder.is_instance_of::<Finder>() {
            break;
        }
        if standard.iter().any(|standard| standard.is(&finder)) {
            continue;
        }
        let Ok(find) = finder.getattr(intern!(py, "find_spec")) else { continue };
        if is_superseded(scope, &find) {
            continue;
        }
        post_import_hooks::put_back(scope, &finder, name)?;
        let handed_out = HandedOut::begin(name);
        let spec = find.call1((name.as_str(), &place, py.None()))?;
        if !spec.is_none() {
            return Ok(Some(Claim { spec, asked_ours: handed_out.is_for(name) }));
        }
    }
    // Python starts with two: archives and folders.
    if sys.getattr(intern!(py, "path_hooks"))?.len()? <= 2 {
        return Ok(None);
    }
    let spec = standard[0].call_method1(intern!(py, "find_spec"), (name.as_str(), path))?;
    if spec.is_none() {
        return Ok(None);
    }
    let loader = spec.getattr(intern!(py, "loader"))?;
    let plain = machinery.getattr(intern!(py, "SourceFileLoader"))?;
    let hooked = is_source_loader(&loader)? && !loader.get_type().is(&plain);
    Ok(hooked.then_some(Claim { spec, asked_ours: false }))
}

impl Claim<'_> {
    /// Whether the module of a source file is live all the same: then its loader will execute it.
    pub fn leaves_live(
        self,
        runtime: &Runtime,
        name: &ModuleName,
        origin: &mut SourceFile,
    ) -> PyResult<bool> {
        let py = self.spec.py();
        let loader = self.spec.getattr(intern!(py, "loader"))?;
        let place: Option<String> = self.spec.getattr(intern!(py, "origin"))?.extract()?;
        let same = place.is_some_and(|place| {
            std::path::Path::new(&place) == origin.path || place == origin.file
        });
        if !same {
            return Ok(false);
        }
        let executes = loader.hasattr(intern!(py, "exec_module"))?;
        let compiles = is_source_loader(&loader)?;
        if compiles {
            runtime.records.lock().compiled_by_others.insert(origin.path.clone());
        }
        if executes && (self.asked_ours || compiles) {
            origin.spec = Some(self.spec.unbind());
            return Ok(true);
        }
        let kind = loader.get_type().fully_qualified_name()?.to_string();
        let mut records = runtime.records.lock();
        records.foreign_loaders.insert(origin.path.clone(), (name.clone(), kind));
        Ok(false)
    }
}

/// Whether a finder is code of a live module that the generation has in another version: until that
/// is published, both are in `sys.meta_path`.
fn is_superseded(scope: &Scope<'_>, find: &Bound<'_, PyAny>) -> bool {
    let py = scope.py;
    let function = find.getattr(intern!(py, "__func__")).unwrap_or_else(|_| find.clone());
    let Ok(globals) = function.getattr(intern!(py, "__globals__")) else { return false };
    let Some(owner) = caller::module_of_globals(py, &globals) else { return false };
    let current = scope.find(owner.get().name.as_str());
    current.is_some_and(|current| !current.is(&owner))
}

/// The live module that defines the loader of `spec`: code that it executes depends on that module.
fn defined_by(scope: &Scope<'_>, loader: &Bound<'_, PyAny>) -> Option<ModuleName> {
    let module = loader.get_type().getattr(intern!(scope.py, "__module__")).ok()?;
    let name = ModuleName::new(module.extract::<&str>().ok()?).ok()?;
    scope.find(name.as_str()).map(|_| name)
}

/// The code that a module will have if the loader of `spec` compiles it in its own way; none if it does not.
pub fn own_code<'py>(
    instance: &Bound<'py, LiveModule>,
    spec: &Bound<'py, PyAny>,
    text: &[u8],
    file: &str,
) -> PyResult<Option<Bound<'py, PyCode>>> {
    let py = spec.py();
    let loader = spec.getattr(intern!(py, "loader"))?;
    if !is_source_loader(&loader)? {
        return Ok(None);
    }
    read_generation(instance, &loader, text)?;
    let source = loader.call_method1(intern!(py, "get_data"), (file,))?;
    let code = loader.call_method1(intern!(py, "source_to_code"), (source, file))?;
    Ok(Some(code.cast_into::<PyCode>()?))
}

/// Whether a loader reads source by `get_data` and compiles it, as the standard one does.
fn is_source_loader(loader: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = loader.py();
    let bootstrap = py.import(intern!(py, "importlib._bootstrap_external"))?;
    // Ours only say that they are.
    loader.get_type().is_subclass(&bootstrap.getattr(intern!(py, "SourceLoader"))?)
}

thread_local! {
    /// The modules whose execution this thread has left to loaders of other code, the innermost
    /// last, each with the code that ours would run. Only the thread itself reads and writes it.
    static LEFT: RefCell<Vec<(Py<LiveModule>, Py<PyCode>)>> = const { RefCell::new(Vec::new()) };
}

/// Has the loader of `spec` execute a live module's code.
pub fn execute(
    scope: &Scope<'_>,
    instance: &Bound<'_, LiveModule>,
    spec: &Bound<'_, PyAny>,
    code: &Bound<'_, PyCode>,
    text: &[u8],
) -> PyResult<()> {
    let py = spec.py();
    let loader = spec.getattr(intern!(py, "loader"))?;
    if is_source_loader(&loader)? {
        read_generation(instance, &loader, text)?;
    }
    if let Some(definer) = defined_by(scope, &loader) {
        instance.get().add_edge(Target::Module(definer), EdgeKind::ModuleLevel);
    }
    LEFT.with_borrow_mut(|left| left.push((instance.clone().unbind(), code.clone().unbind())));
    let ran = loader.call_method1(intern!(py, "exec_module"), (instance.get().module.bind(py),));
    let ended = LEFT.with_borrow_mut(Vec::pop);
    drop(ended);
    // A wrapper may have put the loader there that it wraps; ours is the instance.
    instance.get().namespace(py).set_item(intern!(py, "__loader__"), instance)?;
    ran.map(drop)
}

/// The instance of a module that a loader of other code is executing, and the code to run in it.
pub fn being_executed<'py>(
    module: &Bound<'py, PyAny>,
) -> Option<(Bound<'py, LiveModule>, Bound<'py, PyCode>)> {
    let py = module.py();
    LEFT.with_borrow(|left| {
        let is_it = |(instance, _): &&(Py<LiveModule>, Py<PyCode>)| {
            instance.get().module.as_ptr() == module.as_ptr()
        };
        let (instance, code) = left.iter().rev().find(is_it)?;
        Some((instance.bind(py).clone(), code.bind(py).clone()))
    })
}

/// Has a source loader read the content of the instance's generation, and no compiled file: those
/// are told apart by times.
fn read_generation(
    instance: &Bound<'_, LiveModule>,
    loader: &Bound<'_, PyAny>,
    text: &[u8],
) -> PyResult<()> {
    let py = loader.py();
    let Some(file) = instance.get().file.clone() else { return Ok(()) };
    let path_stats = |_: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        Err::<(), _>(PyOSError::new_err("the source of a generation has no time"))
    };
    loader.setattr("path_stats", PyCFunction::new_closure(py, None, None, path_stats)?)?;
    if decodes(loader)? && is_on_disk(loader, &file, text) {
        return Ok(());
    }
    let text = PyBytes::new(py, text).unbind();
    let standard = loader.getattr(intern!(py, "get_data"))?.unbind();
    let get_data = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let py = args.py();
        match args.get_item(0)?.extract::<String>() {
            Ok(path) if path == file => Ok::<_, PyErr>(text.clone_ref(py).into_any()),
            _ => standard.call1(py, args),
        }
    };
    loader.setattr("get_data", PyCFunction::new_closure(py, None, None, get_data)?)
}

/// Whether a loader makes source of the content of files in a way of its own.
fn decodes(loader: &Bound<'_, PyAny>) -> PyResult<bool> {
    let name = intern!(loader.py(), "get_data");
    let bootstrap = loader.py().import(intern!(loader.py(), "importlib._bootstrap_external"))?;
    let standard = bootstrap.getattr(intern!(loader.py(), "FileLoader"))?.getattr(name)?;
    Ok(!loader.get_type().getattr(name)?.is(&standard))
}

/// Whether the file has the content of the generation. Where it has not, such a loader gets that as it is.
fn is_on_disk(loader: &Bound<'_, PyAny>, file: &str, text: &[u8]) -> bool {
    let py = loader.py();
    let read = || {
        let bootstrap = py.import(intern!(py, "importlib._bootstrap_external"))?;
        let standard = bootstrap.getattr(intern!(py, "FileLoader"))?;
        standard.call_method1(intern!(py, "get_data"), (loader, file))?.extract::<Vec<u8>>()
    };
    read().is_ok_and(|there| there == text)
}
