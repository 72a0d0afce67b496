//! Which object does foreign code get when it imports a live module?
//!
//! A facade: an instance of a subclass of the module type that stands in `sys.modules` and passes
//! every get, set and delete on to the module of the caller's generation (`state/caller.rs`).
//! `dataclasses`, `typing`, `pickle` and the rest go through `sys.modules[cls.__module__]`, and so
//! find the right generation, in a staged module too.
//!
//! The type is made through the C API, because PyO3 cannot extend the module type.

use std::{cell::UnsafeCell, ffi::CStr, ffi::c_int};

use pyo3::types::{PyDict, PyModule, PyString, PyType};
use pyo3::{exceptions::PyAttributeError, ffi, intern, prelude::*};

use crate::code::bytecode;
use crate::cpython::lazy_object;
use crate::effects::{dependencies, observation};
use crate::loading::{load, load::Loaded, submodules};
use crate::state::{caller, execution_stack, live_module::LiveModule, runtime, scope::Scope};
use crate::sysmodules::facade::{self, DETACHED, LEFT, is_facade, name_of, own_dict};
use crate::{hooks::meta_path, sysmodules::spec::HandedOut};

/// Makes the type of facades, once for the life of the process.
pub fn make_type(py: Python<'_>) -> PyResult<()> {
    let made = facade::TYPE.get_or_try_init(py, || {
        let mut slots = [
            slot(ffi::Py_tp_getattro, get as *mut std::ffi::c_void),
            slot(ffi::Py_tp_setattro, set as *mut std::ffi::c_void),
            slot(ffi::Py_tp_repr, repr as *mut std::ffi::c_void),
            slot(ffi::Py_tp_getset, GETSET.0.get().cast()),
            ffi::PyType_Slot::default(),
        ];
        let mut spec = ffi::PyType_Spec {
            name: c"transfuse._core.Facade".as_ptr(),
            basicsize: 0,
            itemsize: 0,
            flags: ffi::Py_TPFLAGS_DEFAULT as std::ffi::c_uint,
            slots: slots.as_mut_ptr(),
        };
        let bases = py.get_type::<PyModule>();
        // SAFETY: attached; spec and slots live through the call, which copies what it needs.
        let made = unsafe {
            let made = ffi::PyType_FromSpecWithBases(&raw mut spec, bases.as_ptr());
            Bound::from_owned_ptr_or_err(py, made)?
        };
        Ok(made.cast_into::<PyType>()?.unbind())
    });
    made.map(drop)
}

/// Properties that `object.__getattribute__` must find too, for `pydoc` and
/// `inspect.getattr_static`.
static GETSET: GetSet = GetSet(UnsafeCell::new([
    property(c"__doc__"),
    property(c"__dict__"),
    // The end of the list.
    ffi::PyGetSetDef {
        name: std::ptr::null(),
        get: None,
        set: None,
        doc: std::ptr::null(),
        closure: std::ptr::null_mut(),
    },
]));

/// The interpreter keeps a pointer to it and reads it only.
struct GetSet(UnsafeCell<[ffi::PyGetSetDef; 3]>);

// SAFETY: it is never written to.
unsafe impl Sync for GetSet {}

const fn property(name: &'static CStr) -> ffi::PyGetSetDef {
    ffi::PyGetSetDef {
        name: name.as_ptr(),
        get: Some(get_property),
        set: None,
        doc: std::ptr::null(),
        closure: name.as_ptr().cast_mut().cast(),
    }
}

unsafe extern "C" fn get_property(
    slf: *mut ffi::PyObject,
    name: *mut std::ffi::c_void,
) -> *mut ffi::PyObject {
    // SAFETY: the closure is one of the names above.
    let name = unsafe { CStr::from_ptr(name.cast()) };
    guarded(std::ptr::null_mut(), |py| {
        let name = PyString::new(py, &name.to_string_lossy());
        // SAFETY: the interpreter passes a live facade; so is what is passed on.
        Ok(unsafe { get(slf, name.as_ptr()) })
    })
}

fn slot(number: c_int, function: *mut std::ffi::c_void) -> ffi::PyType_Slot {
    ffi::PyType_Slot { slot: number, pfunc: function }
}

/// The module that answers the caller, or none where the caller's generation has no such module.
fn target<'py>(facade: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, LiveModule>>> {
    let py = facade.py();
    let Some(runtime) = runtime::in_force() else {
        // After `uninstall` a facade that is still referenced stands for the module that was
        // current.
        let left = own_dict(facade).get_item(intern!(py, LEFT))?;
        return Ok(left.and_then(|instance| instance.cast_into::<LiveModule>().ok()));
    };
    let scope = caller::scope_of_foreign(py, runtime);
    if let Some(found) = loaded(facade, &scope)? {
        return Ok(Some(found));
    }
    match load::load(&scope, &name_of(facade)?)? {
        Loaded::Live(found) => Ok(Some(found)),
        _ => Ok(None),
    }
}

/// The instance that a generation has loaded of the module that a facade stands for.
fn loaded<'py>(
    facade: &Bound<'py, PyAny>,
    scope: &Scope<'py>,
) -> PyResult<Option<Bound<'py, LiveModule>>> {
    let py = facade.py();
    let own = own_dict(facade);
    if let Some(detached) = own.get_item(intern!(py, DETACHED))?
        && let Ok(detached) = detached.cast::<PyDict>()
        && let Some(instance) = detached.get_item(scope.generation.get().id.0)?
    {
        return Ok(instance.cast_into::<LiveModule>().ok());
    }
    if let Some(name) = own.get_item(intern!(py, "__name__"))?
        && let Ok(name) = name.cast::<PyString>()
        && let Some(found) = scope.get(name)
    {
        return Ok(Some(found));
    }
    Ok(None)
}

/// Whether a statement that declares a lazy import asks. The interpreter looks whether the module is there
/// already, and whether it is being initialized; that must not load it.
fn is_declared_lazily(facade: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = facade.py();
    let Some(runtime) = runtime::in_force() else { return Ok(false) };
    Ok(lazy_object::are_known(py)
        && loaded(facade, &caller::scope_of_foreign(py, runtime))?.is_none()
        && bytecode::is_taking_a_name(py)?)
}

/// Whether a name is this one. It may have no UTF-8 form (a lone surrogate).
fn is(name: &Bound<'_, PyString>, this: &str) -> bool {
    name.to_str().is_ok_and(|name| name == this)
}

fn gone(facade: &Bound<'_, PyAny>) -> PyErr {
    let name = name_of(facade).map_or_else(|_| "?".to_owned(), |name| name.to_string());
    PyAttributeError::new_err(format!("module {name:?} is not part of this generation any more"))
}

unsafe extern "C" fn get(slf: *mut ffi::PyObject, name: *mut ffi::PyObject) -> *mut ffi::PyObject {
    guarded(std::ptr::null_mut(), |py| {
        // SAFETY: the interpreter passes two live objects.
        let (facade, name) =
            unsafe { (Bound::from_borrowed_ptr(py, slf), Bound::from_borrowed_ptr(py, name)) };
        if is(name.cast::<PyString>()?, "__class__") {
            return Ok(facade.get_type().into_any().into_ptr());
        }
        if is(name.cast::<PyString>()?, "__spec__")
            && let Ok(dotted) = name_of(&facade)
            && HandedOut::is_asking_for(&dotted)
        {
            return Ok(meta_path::find_again(py, &dotted)?.into_ptr());
        }
        if is(name.cast::<PyString>()?, "__spec__") && is_declared_lazily(&facade)? {
            return Ok(py.None().into_ptr());
        }
        match target(&facade)? {
            Some(found) => {
                let name = name.cast::<PyString>()?;
                // A name with a lone surrogate is no name that code uses.
                if let Ok(text) = name.to_str() {
                    used(py, &found, text)?;
                }
                let value = match found.get().module.bind(py).getattr(name) {
                    Err(error) => later(py, &found, name, error)?,
                    Ok(value) => value,
                };
                if !execution_stack::is_executing() {
                    dependencies::taken_by_function(py, &found, name, &value);
                }
                Ok(facade::of_value(value)?.into_ptr())
            }
            None => {
                // A deleted module has only its name and the like.
                let own = own_dict(&facade);
                if is(name.cast::<PyString>()?, "__dict__") {
                    return Ok(own.into_ptr());
                }
                if let Some(left) = own.get_item(&name)? {
                    return Ok(left.into_ptr());
                }
                // SAFETY: as above; null means an exception is set.
                let own = unsafe { ffi::PyObject_GenericGetAttr(slf, name.as_ptr()) };
                if own.is_null() {
                    let _ = PyErr::take(py);
                    return Err(gone(&facade));
                }
                Ok(own)
            }
        }
    })
}

/// Code of a module that is being executed may use the attributes of another one.
#[inline]
fn used(py: Python<'_>, found: &Bound<'_, LiveModule>, attribute: &str) -> PyResult<()> {
    if execution_stack::is_executing()
        && let Some(runtime) = runtime::in_force()
    {
        observation::through_facade(py, runtime, found, attribute)?;
    }
    Ok(())
}

/// A missing attribute: the module may get it, if another thread is loading the module for this
/// generation. Code that has held the facade for long must not see a partially initialized module.
///
/// Existing attributes do not wait, nor do special names, which code looks for in all of
/// `sys.modules`: the loading thread may be waiting for the caller.
fn later<'py>(
    py: Python<'py>,
    found: &Bound<'py, LiveModule>,
    name: &Bound<'py, PyString>,
    error: PyErr,
) -> PyResult<Bound<'py, PyAny>> {
    let instance = found.get();
    if instance.is_ready()
        || name.to_str().is_ok_and(|name| name.starts_with("__"))
        || !error.is_instance_of::<PyAttributeError>(py)
    {
        return Err(error);
    }
    let Some(runtime) = runtime::in_force() else { return Err(error) };
    let scope = caller::scope_of_foreign(py, runtime);
    match load::load(&scope, &instance.name)? {
        Loaded::Live(whole) => whole.get().module.bind(py).getattr(name),
        _ => Err(error),
    }
}

unsafe extern "C" fn set(
    slf: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> c_int {
    guarded(-1, |py| {
        // SAFETY: the interpreter passes live objects; a null value means delete.
        let (facade, name, value) = unsafe {
            (
                Bound::from_borrowed_ptr(py, slf),
                Bound::from_borrowed_ptr(py, name).cast_into::<PyString>()?,
                Bound::from_borrowed_ptr_or_opt(py, value),
            )
        };
        let found = target(&facade)?.ok_or_else(|| gone(&facade))?;
        let module = found.get().module.bind(py);
        let special = name.to_str().is_ok_and(|name| name.starts_with("__"));
        if !special && value.as_ref().is_none_or(|value| !is_facade(value)) {
            used(py, &found, "")?;
        }
        match value {
            None => module.delattr(name)?,
            // `importlib` binds a submodule on its package: the real module is bound.
            Some(value) if is_facade(&value) => {
                if let Some(child) = target(&value)? {
                    submodules::bind(py, &found, &child)?;
                }
            }
            // `importlib` sets a spec of its own on the module that it believes it has made.
            Some(_) if is(&name, "__spec__") => {}
            // The loader of that spec, or one around it, which must not replace the instance.
            Some(_) if is(&name, "__loader__") => {}
            Some(value) => module.setattr(name, value)?,
        }
        Ok(0)
    })
}

unsafe extern "C" fn repr(slf: *mut ffi::PyObject) -> *mut ffi::PyObject {
    guarded(std::ptr::null_mut(), |py| {
        // SAFETY: the interpreter passes a live object.
        let facade = unsafe { Bound::from_borrowed_ptr(py, slf) };
        let text = match target(&facade)? {
            Some(found) => found.get().module.bind(py).repr()?,
            None => PyString::new(py, &format!("<module '{}' (gone)>", name_of(&facade)?)),
        };
        Ok(text.into_ptr())
    })
}

/// Runs a slot: errors become the interpreter's, panics never cross into C.
fn guarded<R>(failed: R, body: impl FnOnce(Python<'_>) -> PyResult<R>) -> R {
    // SAFETY: slots are called by the interpreter, which is attached.
    let py = unsafe { Python::assume_attached() };
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(py))) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => {
            error.restore(py);
            failed
        }
        Err(_) => {
            pyo3::exceptions::PySystemError::new_err("a facade failed").restore(py);
            failed
        }
    }
}
