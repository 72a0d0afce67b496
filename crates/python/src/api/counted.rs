//! How does the status of a request's answer become known?
//!
//! The application answers by an object of the server: `start_response` of WSGI, `send` of ASGI, the
//! protocol of RSGI. It gets another object in its place, which notes the status and passes
//! everything on. Each request passes through here, so it is Rust (P10).

use pyo3::types::{PyDict, PyInt, PyString, PyTuple};
use pyo3::{gc::PyTraverseError, gc::PyVisit, intern, prelude::*};

use crate::state::pin::Pin;

/// How a call tells the status.
#[derive(Clone, Copy)]
pub enum Tells {
    /// `start_response("500 Internal Server Error", …)`
    StatusLine,
    /// `send({"type": "http.response.start", "status": 500})`
    Message,
    /// `protocol.response_str(500, …)`
    Status,
    /// `protocol.accept()`, of a WebSocket
    Accepted,
}

/// Something that the application calls to answer.
#[pyclass(frozen, module = "transfuse._core")]
pub struct CountedCall {
    call: Py<PyAny>,
    pin: Py<Pin>,
    tells: Tells,
}

impl CountedCall {
    pub fn new(call: Py<PyAny>, pin: Py<Pin>, tells: Tells) -> Self {
        CountedCall { call, pin, tells }
    }

    /// Notes the status, if these arguments have one. The server refuses wrong arguments.
    fn note(&self, args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) {
        let py = args.py();
        let first = args.get_item(0).ok();
        let named = |name: &str| kwargs.and_then(|given| given.get_item(name).ok().flatten());
        let failed = match self.tells {
            Tells::StatusLine => first.as_ref().and_then(status_line_fails),
            Tells::Message => first.or_else(|| named("message")).as_ref().and_then(message_fails),
            Tells::Status => first.or_else(|| named("status")).as_ref().and_then(status_fails),
            Tells::Accepted => Some(false),
        };
        let pin = self.pin.bind(py).get();
        match (failed, pin.request()) {
            (Some(true), Some(request)) => request.failed(),
            (Some(false), Some(request)) => request.answered(),
            _ => {}
        }
    }
}

#[pymethods]
impl CountedCall {
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.note(args, kwargs);
        self.call.bind(args.py()).call(args, kwargs)
    }

    /// Attributes are those of the server's own object, which some libraries look at.
    fn __getattr__<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.call.bind(py).getattr(name)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.call)?;
        visit.call(&self.pin)
    }
}

/// The protocol object of RSGI.
#[pyclass(frozen, module = "transfuse._core")]
pub struct CountedProtocol {
    protocol: Py<PyAny>,
    pin: Py<Pin>,
}

#[pymethods]
impl CountedProtocol {
    fn __getattr__<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let found = self.protocol.bind(py).getattr(name)?;
        let tells = match name.to_str()? {
            "accept" => Tells::Accepted,
            name if name.starts_with("response_") => Tells::Status,
            _ => return Ok(found),
        };
        let counted = CountedCall::new(found.unbind(), self.pin.clone_ref(py), tells);
        Ok(Bound::new(py, counted)?.into_any())
    }

    /// Reads the body of the request.
    #[pyo3(signature = (*args))]
    fn __call__<'py>(&self, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        self.protocol.bind(args.py()).call1(args)
    }

    /// The same, in chunks.
    fn __aiter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.protocol.bind(py).call_method0(intern!(py, "__aiter__"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.protocol)?;
        visit.call(&self.pin)
    }
}

/// The `send` of ASGI for the application; the server's own if the pin counts no request.
#[pyfunction]
pub fn counted_send<'py>(
    pin: Bound<'py, Pin>,
    send: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    if pin.get().request().is_none() {
        return Ok(send);
    }
    let py = pin.py();
    let counted = CountedCall::new(send.unbind(), pin.unbind(), Tells::Message);
    Ok(Bound::new(py, counted)?.into_any())
}

/// The same for the protocol of RSGI.
#[pyfunction]
pub fn counted_protocol<'py>(
    pin: Bound<'py, Pin>,
    protocol: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    if pin.get().request().is_none() {
        return Ok(protocol);
    }
    let py = pin.py();
    let counted = CountedProtocol { protocol: protocol.unbind(), pin: pin.unbind() };
    Ok(Bound::new(py, counted)?.into_any())
}

/// `(number, begun, answered, failed)` of each generation that code can still run in, the oldest first.
#[pyfunction]
pub fn request_counts(py: Python<'_>) -> PyResult<Vec<(u64, u64, u64, u64)>> {
    let counts = crate::state::runtime::required()?.alive(py).into_iter().map(|generation| {
        let (begun, answered, failed) = generation.get().requests.read();
        (generation.get().id.0, begun, answered, failed)
    });
    Ok(counts.collect())
}

fn status_line_fails(status: &Bound<'_, PyAny>) -> Option<bool> {
    let text = status.cast::<PyString>().ok()?;
    Some(text.to_string_lossy().as_bytes().first().is_some_and(|first| *first >= b'5'))
}

fn status_fails(status: &Bound<'_, PyAny>) -> Option<bool> {
    Some(status.cast::<PyInt>().ok()?.extract::<i64>().ok()? >= 500)
}

fn message_fails(message: &Bound<'_, PyAny>) -> Option<bool> {
    let py = message.py();
    let message = message.cast::<PyDict>().ok()?;
    let kind = message.get_item(intern!(py, "type")).ok()??;
    match kind.cast::<PyString>().ok()?.to_str().ok()? {
        "http.response.start" | "websocket.http.response.start" => {
            status_fails(&message.get_item(intern!(py, "status")).ok()??)
        }
        "websocket.accept" | "websocket.close" => Some(false),
        _ => None,
    }
}
