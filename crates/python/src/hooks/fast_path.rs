//! How does an import statement that has nothing to do cost next to nothing?
//!
//! This stands as `builtins.__import__`, as a bare C function. Imports that are loaded and recorded
//! are answered from a few dicts, without argument parsing and without a call in between. All
//! others go to `hooks/import_statement.rs`, which has the rules.

use std::ffi::CStr;
use std::path::Path;

use pyo3::types::{PyBool, PyDict, PyString};
use pyo3::{Borrowed, ffi, intern, prelude::*, sync::PyOnceLock};

use crate::cpython::at_end::Inside;
use crate::state::runtime::{self, Runtime};
use crate::state::{caller, execution_stack, pending_submodules};
use crate::{hooks::import_statement, state::live_module::LiveModule, sysmodules::entry};

const NAME: &CStr = c"__import__";
const DOC: &CStr =
    c"Import a module, as Python's own __import__ does; live ones of the right generation.";

/// The function that stands as `builtins.__import__` while Transfuse is installed.
pub fn import(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static DEFINITION: PyOnceLock<Definition> = PyOnceLock::new();
    let definition = DEFINITION.get_or_init(py, || {
        Definition(Box::into_raw(Box::new(ffi::PyMethodDef {
            ml_name: NAME.as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: statement },
            ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
            ml_doc: DOC.as_ptr(),
        })))
    });
    // SAFETY: attached; the definition is never freed; null means an exception is set.
    unsafe {
        let made = ffi::PyCFunction_NewEx(definition.0, std::ptr::null_mut(), std::ptr::null_mut());
        Bound::from_owned_ptr_or_err(py, made)
    }
}

/// Made once and never freed: functions point at it.
struct Definition(*mut ffi::PyMethodDef);

// SAFETY: the interpreter only reads it.
unsafe impl Send for Definition {}
// SAFETY: as above.
unsafe impl Sync for Definition {}

unsafe extern "C" fn statement(
    _: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this attached, with `count` arguments and those in `names`.
    unsafe {
        let py = Python::assume_attached();
        if count == 5
            && names.is_null()
            && let Some(answer) = cached_import(py, &*args.cast::<[*mut ffi::PyObject; 5]>())
        {
            return answer;
        }
        let _inside = Inside::enter();
        let answer = if count == 5 && names.is_null() {
            full_import(py, &*args.cast::<[*mut ffi::PyObject; 5]>())
        } else {
            import_statement::function(py).and_then(|rules| {
                let count = count.cast_unsigned();
                let answer = ffi::PyObject_Vectorcall(rules.as_ptr(), args, count, names);
                Bound::from_owned_ptr_or_err(py, answer)
            })
        };
        match answer {
            Ok(answer) => answer.into_ptr(),
            Err(error) => {
                error.restore(py);
                std::ptr::null_mut()
            }
        }
    }
}

/// The full import, without another level of calls: imports nest deeply.
///
/// # Safety
///
/// Attached, and the arguments of an import statement.
unsafe fn full_import<'py>(
    py: Python<'py>,
    args: &[*mut ffi::PyObject; 5],
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: live objects, by the caller's word.
    let [name, globals, locals, taken, level] =
        args.map(|arg| unsafe { Bound::from_borrowed_ptr(py, arg) });
    // PyO3 does not know that this thread is attached: objects dropped here would wait for the next
    // call that it knows of.
    Python::attach(|_| {
        let (globals, locals, taken) = (Some(&globals), Some(&locals), Some(&taken));
        import_statement::import(py, name.cast()?, globals, locals, taken, level.extract()?)
    })
}

/// The answer, if there is nothing to load and nothing to record.
///
/// # Safety
///
/// Attached, and the arguments of an import statement: name, globals, locals, names taken, level.
#[inline]
unsafe fn cached_import(
    py: Python<'_>,
    [name, globals, locals, taken, level]: &[*mut ffi::PyObject; 5],
) -> Option<*mut ffi::PyObject> {
    // SAFETY: live objects, by the caller's word.
    unsafe {
        let runtime = runtime::in_force()?;
        let name = Borrowed::from_ptr(py, *name);
        let name = name.cast_exact::<PyString>().ok()?;
        let globals = Borrowed::from_ptr(py, *globals);
        if import_statement::is_nobodys(&globals) {
            return None;
        }
        let caller = caller::module_of_globals(py, &globals);
        // C code imports something (`pickle.loads`), or a function of foreign code: a live function may
        // keep it that does not import itself.
        let by_c = ffi::PyList_CheckExact(*taken) != 0 && ffi::PyList_Size(*taken) == 0;
        let for_others = by_c || caller.is_none() && *locals == ffi::Py_None();
        let level = ffi::PyLong_AsLong(*level);
        if level == 0
            && let Some(caller) = &caller
            && caller.get().is_ready()
            && !for_others
            && let Some(plain) = caller.get().deferred.bind(py).get_item(name).ok()?
        {
            if execution_stack::is_executing() || pending_submodules::any() {
                return None; // it is also the import of the module that is being executed
            }
            return live(py, runtime, caller, &name, &plain, *taken);
        }
        let foreign = match &caller {
            Some(caller) => level == 0 && caller.get().is_ready(),
            None if level == 0
                && !is_run_by_hand(runtime, &globals)
                && let Some(shown) = shown(py, runtime, &name) =>
            {
                if execution_stack::is_executing() || pending_submodules::any() {
                    return None; // as above
                }
                if for_others && caller::nearest(py).is_some() {
                    return None;
                }
                return facade(py, runtime, &name, &shown, *taken);
            }
            None => level >= 0,
        };
        if !foreign
            || !runtime.plain_import
            || (level == 0 && !runtime.has_foreign(py, &name).ok()?)
        {
            return None;
        }
        let level = i32::try_from(level).ok()?;
        let (name, globals) = (name.as_ptr(), globals.as_ptr());
        Some(ffi::PyImport_ImportModuleLevelObject(name, globals, *locals, *taken, level))
    }
}

/// Whether the globals are those of code that live code runs by itself, as text (`exec`), by `runpy` or
/// by a loader for its file: the function that runs it may keep what it imports.
fn is_run_by_hand(runtime: &Runtime, globals: &Bound<'_, PyAny>) -> bool {
    let py = globals.py();
    let Ok(globals) = globals.cast_exact::<PyDict>() else { return true };
    let get = |name| globals.get_item(name).ok().flatten();
    if get(intern!(py, "__spec__")).is_none_or(|spec| spec.is_none()) {
        return true;
    }
    let file = get(intern!(py, "__file__"));
    let file = file.as_ref().and_then(|file| file.cast_exact::<PyString>().ok()?.to_str().ok());
    file.is_some_and(|file| runtime.roots.is_beneath(Path::new(file)))
}

/// Whether no name is taken: `None` in a statement, an empty tuple in many a call.
///
/// # Safety
///
/// Attached, and `taken` is a live object.
#[inline]
unsafe fn takes_nothing(taken: *mut ffi::PyObject) -> bool {
    // SAFETY: by the caller's word a live object; a tuple has a size.
    unsafe {
        taken == ffi::Py_None()
            || ffi::PyTuple_CheckExact(taken) != 0 && ffi::PyTuple_GET_SIZE(taken) == 0
    }
}

/// A live module that the caller has imported before, if it is still loaded in its generation.
///
/// # Safety
///
/// `taken` is a live object.
#[inline]
unsafe fn live<'py>(
    py: Python<'py>,
    runtime: &'static Runtime,
    caller: &Bound<'py, LiveModule>,
    name: &Bound<'py, PyString>,
    plain: &Bound<'py, PyAny>,
    taken: *mut ffi::PyObject,
) -> Option<*mut ffi::PyObject> {
    let scope = caller::scope_of_live(py, runtime, caller);
    let found = scope.get(name)?;
    let instance = found.get();
    // SAFETY: by the caller's word a live object.
    let whole = unsafe { takes_nothing(taken) };
    // `import a.b` answers with `a`, and a package may have to load what is taken from it.
    let answers_itself = if whole { plain.is(PyBool::new(py, true)) } else { !instance.package };
    let expected = instance.is_ready() && entry::is_as_seen(py, runtime, name, &found);
    (expected && answers_itself && !instance.is_replaced())
        .then(|| instance.module.clone_ref(py).into_ptr())
}

/// The facade that stands in `sys.modules` for a name.
#[inline]
fn shown<'py>(
    py: Python<'py>,
    runtime: &'static Runtime,
    name: &Bound<'py, PyString>,
) -> Option<Bound<'py, PyAny>> {
    let facade = runtime.facades.bind(py).get_item(name).ok()??;
    let there = runtime.sys_modules.bind(py).get_item(name).ok()??;
    there.is(&facade).then_some(facade)
}

/// A live module for foreign code, if it is loaded in the generation that answers that.
///
/// # Safety
///
/// `taken` is a live object.
#[inline]
unsafe fn facade<'py>(
    py: Python<'py>,
    runtime: &'static Runtime,
    name: &Bound<'py, PyString>,
    shown: &Bound<'py, PyAny>,
    taken: *mut ffi::PyObject,
) -> Option<*mut ffi::PyObject> {
    let scope = caller::scope_of_foreign(py, runtime);
    let found = scope.get(name)?;
    // SAFETY: by the caller's word a live object.
    let whole = unsafe { takes_nothing(taken) };
    let answers_itself =
        if whole { !name.to_str().ok()?.contains('.') } else { !found.get().package };
    (found.get().is_ready() && answers_itself && !found.get().is_replaced())
        .then(|| shown.clone().into_ptr())
}
