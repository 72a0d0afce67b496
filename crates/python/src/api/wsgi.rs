//! How does a WSGI request run in one generation?
//!
//! `transfuse.wsgi` returns a [`WsgiApplication`]. For each request it takes a pin, calls the
//! application of the pinned generation, and returns a body that keeps the pin until it is closed.
//! Each request passes through here, so it is Rust (P10); `transfuse/servers/wsgi.py` has the rest.

use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyIterator, PyList, PyString, PyTuple, PyType};
use pyo3::{exceptions::PyException, gc::PyTraverseError, gc::PyVisit, intern, prelude::*};
use transfuse_engine::sync::Mutex;

use crate::api::counted::{CountedCall, Tells};
use crate::state::{generation::Generation, pin, pin::Pin, runtime};
use crate::sysmodules::entry;

/// A WSGI application that answers from the current generation.
#[pyclass(frozen, module = "transfuse._core")]
pub struct WsgiApplication {
    /// The target's module, `"shop.web"`, and the names below it, `["app"]`.
    module: Py<PyString>,
    names: Vec<Py<PyString>>,
    /// `Target.resolve`: loads, tries default names, and says what is wrong.
    resolve: Py<PyAny>,
    /// Makes another `start_response` of a server's; set when the process hands its connections over.
    wrap_start_response: PyOnceLock<Py<PyAny>>,
}

impl WsgiApplication {
    /// The user's application in the pinned generation; in the plain case without leaving Rust.
    fn application<'py>(
        &self,
        py: Python<'py>,
        generation: &Bound<'py, Generation>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let module = self.module.bind(py);
        if let Some(runtime) = runtime::in_force()
            && let Some(instance) = generation.get().get(py, module)
            && instance.get().is_ready()
            && entry::is_as_seen(py, runtime, module, &instance)
        {
            let mut value = instance.get().value(py);
            for name in &self.names {
                match value.getattr_opt(name.bind(py))? {
                    Some(next) => value = next,
                    None => return self.resolve.bind(py).call0(),
                }
            }
            if !self.names.is_empty() {
                return Ok(value);
            }
        }
        self.resolve.bind(py).call0()
    }
}

#[pymethods]
impl WsgiApplication {
    #[new]
    fn new(module: Py<PyString>, names: Vec<Py<PyString>>, resolve: Py<PyAny>) -> Self {
        WsgiApplication { module, names, resolve, wrap_start_response: PyOnceLock::new() }
    }

    /// Has requests from now on call `wrap(start_response)` in place of the server's `start_response`.
    fn wrap_start_response(&self, py: Python<'_>, wrap: Py<PyAny>) {
        // The first one stays.
        let _ = self.wrap_start_response.set(py, wrap);
    }

    #[pyo3(signature = (environ, start_response, /))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        environ: &Bound<'py, PyDict>,
        start_response: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let wrapped = match self.wrap_start_response.get(py) {
            Some(wrap) => Some(wrap.bind(py).call1((start_response,))?),
            None => None,
        };
        let start_response = wrapped.as_ref().unwrap_or(start_response);
        // A mounted application is a part of the request of the outer one.
        let is_part = pin::pinned(py).is_some();
        let pin = Bound::new(py, Pin::begin(py, Some(label(environ)?))?)?;
        let counted = match is_part {
            true => None,
            false => {
                pin.get().begin_request(py);
                let call = start_response.clone().unbind();
                let counted = CountedCall::new(call, pin.clone().unbind(), Tells::StatusLine);
                Some(Bound::new(py, counted)?.into_any())
            }
        };
        let start_response = counted.as_ref().unwrap_or(start_response);
        Pin::resume(&pin)?;
        let held = pin.get().held(py);
        let answered = match &held {
            Some(generation) => self.application(py, generation),
            None => self.resolve.bind(py).call0(),
        }
        .and_then(|application| application.call1((environ, start_response)))
        .and_then(|body| {
            let is_over = is_whole(&body) || is_servers_own(&body, environ, held.as_ref())?;
            Ok((is_over, body))
        });
        drop(held);
        pin.get().suspend(py)?;
        match answered {
            Ok((false, body)) => {
                let body = PinnedBody {
                    body: Mutex::new(Some(body.unbind())),
                    steps: Mutex::new(None),
                    pin: Mutex::new(Some(pin.unbind())),
                };
                Ok(Bound::new(py, body)?.into_any())
            }
            over => {
                note_failure(pin.get(), &over);
                pin.get().close();
                over.map(|(_, body)| body)
            }
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.resolve)
    }
}

/// Counts the request as failed if the application has raised.
fn note_failure<T>(pin: &Pin, result: &PyResult<T>) {
    if let (Err(_), Some(request)) = (result, pin.request()) {
        request.failed();
    }
}

/// The name of the unit of work: `"GET /orders"`.
fn label(environ: &Bound<'_, PyDict>) -> PyResult<String> {
    let py = environ.py();
    let method = environ.get_item(intern!(py, "REQUEST_METHOD"))?;
    let path = environ.get_item(intern!(py, "PATH_INFO"))?;
    let text = |value: &Option<Bound<'_, PyAny>>| {
        let text = value.as_ref().and_then(|value| value.cast::<PyString>().ok());
        text.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
    };
    Ok(format!("{} {}", text(&method), text(&path)))
}

/// Is the body complete, so that no code of the application is left to run?
fn is_whole(body: &Bound<'_, PyAny>) -> bool {
    body.is_exact_instance_of::<PyList>() || body.is_exact_instance_of::<PyTuple>()
}

/// Is the body the server's own wrapper around a plain file, which it must see to send it by itself?
fn is_servers_own<'py>(
    body: &Bound<'py, PyAny>,
    environ: &Bound<'py, PyDict>,
    generation: Option<&Bound<'py, Generation>>,
) -> PyResult<bool> {
    let py = body.py();
    match environ.get_item(intern!(py, "wsgi.file_wrapper"))? {
        Some(wrapper) if wrapper.is_instance_of::<PyType>() && body.is_instance(&wrapper)? => {}
        _ => return Ok(false),
    }
    // The attribute in the wrappers of wsgiref, gunicorn and mod_wsgi, and in that of waitress.
    for name in [intern!(py, "filelike"), intern!(py, "file")] {
        if let Some(file) = body.getattr_opt(name)? {
            return is_plain_file(&file, generation);
        }
    }
    Ok(true)
}

/// Does reading it run no live code? True for a file of the system or of memory. An object without a
/// file descriptor cannot be sent by the system either, so nothing is lost if we read it.
fn is_plain_file<'py>(
    file: &Bound<'py, PyAny>,
    generation: Option<&Bound<'py, Generation>>,
) -> PyResult<bool> {
    let py = file.py();
    for class in file.get_type().mro() {
        let module = class.getattr(intern!(py, "__module__"))?;
        let live = |name: &str| generation.is_some_and(|g| g.get().find(py, name).is_some());
        if module.extract::<String>().is_ok_and(|name| live(&name)) {
            return Ok(false);
        }
    }
    if file.get_type().is(py.import(intern!(py, "io"))?.getattr(intern!(py, "BytesIO"))?) {
        return Ok(true);
    }
    match file.call_method0(intern!(py, "fileno")) {
        Ok(number) => Ok(number.extract::<i32>().is_ok()),
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A response's body whose steps are taken under the request's pin.
#[pyclass(frozen, module = "transfuse._core")]
struct PinnedBody {
    /// The body that the application returned; none once it was closed, because a server may hold this
    /// object for long, and the body would keep the generation in memory.
    body: Mutex<Option<Py<PyAny>>>,
    /// The body's iterator; none until the first step is taken, and once it was closed.
    steps: Mutex<Option<Py<PyIterator>>>,
    /// None once the body was closed. A lock, because steps may be taken in different threads; held
    /// for field access.
    pin: Mutex<Option<Py<Pin>>>,
}

impl PinnedBody {
    fn step(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let known = self.steps.lock().as_ref().map(|steps| steps.clone_ref(py));
        let mut steps = match known {
            Some(steps) => steps.into_bound(py),
            None => {
                let body = self.body.lock().as_ref().map(|body| body.clone_ref(py));
                let Some(body) = body else { return Ok(None) };
                let made = body.bind(py).try_iter()?;
                let before = self.steps.lock().replace(made.clone().unbind());
                drop(before);
                made
            }
        };
        steps.next().transpose().map(|step| step.map(Bound::unbind))
    }
}

#[pymethods]
impl PinnedBody {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let pin = self.pin.lock().as_ref().map(|pin| pin.clone_ref(py));
        let Some(pin) = pin else { return Ok(None) };
        let pin = pin.bind(py);
        Pin::resume(pin)?;
        let step = self.step(py);
        note_failure(pin.get(), &step);
        pin.get().suspend(py)?;
        step
    }

    /// Closes the body and ends the pin; only the first call does anything.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let Some(pin) = self.pin.lock().take() else { return Ok(()) };
        let pin = pin.bind(py);
        let body = self.body.lock().take();
        let steps = self.steps.lock().take();
        Pin::resume(pin)?;
        let close = |body: &Py<PyAny>| body.bind(py).getattr_opt(intern!(py, "close"));
        let closed = body.as_ref().map_or(Ok(None), close);
        let closed = closed.and_then(|close| close.map_or(Ok(()), |close| close.call0().map(drop)));
        drop((steps, body));
        note_failure(pin.get(), &closed);
        pin.get().suspend(py)?;
        pin.get().close();
        closed
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(body) = self.body.try_lock() {
            visit.call(body.as_ref())?;
        }
        if let Some(steps) = self.steps.try_lock() {
            visit.call(steps.as_ref())?;
        }
        match self.pin.try_lock() {
            Some(pin) => visit.call(pin.as_ref()),
            None => Ok(()),
        }
    }
}
