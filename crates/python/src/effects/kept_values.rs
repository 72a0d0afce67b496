//! Where may a function have kept a plain value that it imported?
//!
//! A number or a text belongs to no module, so no walk finds it (`effects/retention.rs`). The
//! remaining evidence is the code of the function that imported: an import that was executed
//! counts, unless the code shows that nothing plain of it outlives the call
//! (`transfuse/source/kept_values.py`).

use pyo3::types::{PyBytes, PyCFunction, PyDict};
use pyo3::{intern, prelude::*};
use transfuse_engine::ModuleName;

use crate::code::pyc;
use crate::cpython::log::complain;
use crate::state::{generation::Generation, live_module::LiveModule, runtime, runtime::Runtime};

/// The values that functions of a module may have kept of another one.
#[derive(Clone, Debug, Default)]
pub struct KeptValues {
    /// The modules whose state may hold it, `shop.cache`.
    pub modules: Vec<String>,
    /// The globals of the importing module that may hold it; empty text if any may.
    pub globals: Vec<String>,
    /// The functions and properties of the importing module that return it, `rate`.
    pub returned: Vec<String>,
    /// The globals of the importing module that lead to foreign places which hold it, `builtins`. No run
    /// of a module makes these anew.
    pub beyond: Vec<String>,
}

/// The values that functions of `holder` may have kept of a module, which need not exist: of the return
/// values of its functions `returning`, if there are any, else of everything in it.
pub fn kept(
    holder: &Bound<'_, LiveModule>,
    (name, of): (&ModuleName, Option<&Bound<'_, LiveModule>>),
    returning: &[String],
    live: &Bound<'_, PyDict>,
) -> KeptValues {
    let py = holder.py();
    let asked = || -> PyResult<KeptValues> {
        let analysis = py.import(intern!(py, "transfuse.source.kept_values"))?;
        let values = of.map_or_else(|| PyDict::new(py), |of| of.get().namespace(py));
        let arguments = (source(holder)?, (name.as_str(), values), returning.to_vec(), live);
        let found = analysis.call_method1(intern!(py, "kept"), arguments)?;
        let (modules, globals, returned, beyond) = found.extract()?;
        Ok(KeptValues { modules, globals, returned, beyond })
    };
    asked().unwrap_or_else(|error| {
        let _ = complain(py, "it is unknown what a function has kept of an import", error);
        KeptValues {
            modules: vec![holder.get().name.as_str().to_owned()],
            globals: vec![String::new()],
            ..KeptValues::default()
        }
    })
}

/// The modules that may keep what the expression gives that a frame of `module` is in.
pub fn keepers_of_read(
    runtime: &Runtime,
    module: &Bound<'_, LiveModule>,
    frame: &Bound<'_, PyAny>,
) -> Vec<ModuleName> {
    let py = module.py();
    let asked = || -> PyResult<Vec<String>> {
        let analysis = py.import(intern!(py, "transfuse.source.kept_reads"))?;
        let live = namespaces(py, runtime.current(py).get())?;
        analysis.call_method1(intern!(py, "keepers"), (frame, source(module)?, live))?.extract()
    };
    let names = asked().unwrap_or_else(|error| {
        let _ = complain(py, "it is unknown what a function keeps of a file", error);
        Vec::new()
    });
    names.iter().filter_map(|name| ModuleName::new(name).ok()).collect()
}

/// The fields of the analysis's `Source`.
type SourceFields<'py> = (
    Bound<'py, PyCFunction>,
    Option<u128>,
    String,
    bool,
    Bound<'py, PyDict>,
    Bound<'py, PyCFunction>,
    Bound<'py, PyCFunction>,
    Bound<'py, PyCFunction>,
);

/// Returns functions for the text, the code, the results on disk and the modules that import statements
/// have named: they are not needed if the results for its digest are cached.
fn source<'py>(module: &Bound<'py, LiveModule>) -> PyResult<SourceFields<'py>> {
    let (py, of, held) = (module.py(), module.get(), module.clone().unbind());
    let text = PyCFunction::new_closure(py, None, None, move |arguments, _| {
        // Without its text, nothing shows that a function keeps anything.
        let text = held.get().text().unwrap_or_default();
        PyBytes::new(arguments.py(), &text).unbind()
    })?;
    let held = module.clone().unbind();
    let code = PyCFunction::new_closure(py, None, None, move |arguments, _| {
        let (py, of) = (arguments.py(), held.get());
        let (Some(file), Ok(text)) = (&of.file, of.text()) else { return Ok(None) };
        pyc::precompiled(py, file, &text).map(|code| code.map(Bound::unbind))
    })?;
    let held = module.clone().unbind();
    let kept = PyCFunction::new_closure(py, None, None, move |arguments, _| {
        let py = arguments.py();
        let Some(file) = &held.get().file else { return Ok(None) };
        if arguments.is_empty() {
            let found = pyc::read_beside(py, file)?;
            return Ok(found.map(|content| PyBytes::new(py, &content).unbind()));
        }
        let content = arguments.get_item(0)?.cast_into::<PyBytes>()?;
        pyc::write_beside(py, file, content.as_bytes()).map(|()| None)
    })?;
    let digest = of.source().map(|source| source.digest().as_u128());
    let held = module.clone().unbind();
    let named = PyCFunction::new_closure(py, None, None, move |_, _| {
        let records = runtime::in_force()?.records.lock();
        let named = records.statements.get(&held.get().name)?.named()?;
        Some(named.map(|name| name.as_str().to_owned()).collect::<Vec<_>>())
    })?;
    let name = of.name.as_str().to_owned();
    Ok((text, digest, name, of.package, of.namespace(py), code, kept, named))
}

/// The namespaces of all modules of a generation, by their names.
pub fn namespaces<'py>(py: Python<'py>, generation: &Generation) -> PyResult<Bound<'py, PyDict>> {
    let kind = py.import(intern!(py, "transfuse.source.live_namespaces"))?;
    let all = kind.getattr(intern!(py, "LiveNamespaces"))?.call0()?.cast_into::<PyDict>()?;
    for module in generation.all(py) {
        all.set_item(module.get().name.as_str(), module.get().namespace(py))?;
    }
    Ok(all)
}
