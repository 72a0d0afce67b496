//! Which state does an object have that its referents do not show?
//!
//! C code keeps some state to itself: the position of an iterator, the content of a buffer, the
//! state of a generator of random numbers. It is read without running code of the
//! program: the exact types that are known here have none.

use std::collections::HashMap;

use pyo3::types::{PyBytes, PyDict, PySlice, PyTuple, PyType};
use pyo3::{ffi, intern, prelude::*, sync::PyOnceLock};
use xxhash_rust::xxh3::Xxh3;

/// How many bytes of a long buffer are looked at, at its beginning and at its end.
const BYTES: isize = 1 << 19;

/// How the state of a type's objects is found out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// It is in the object itself, in fields of C.
    Fields,
    /// In a buffer: `bytearray`, `array.array`.
    Buffer,
    /// Its position and its content: `io.StringIO`, `io.BytesIO`.
    File,
    /// The result of `_random.Random.getstate`.
    Random,
    /// The digest so far: `hashlib`, `hmac`.
    Hash,
    /// Memory that C code writes to as well: a writable `mmap`, objects of `ctypes`.
    Memory,
}

/// Modules of C whose types are known by their names, since nothing imports them for this.
const HASHES: [&[u8]; 9] = [
    b"_hashlib.",
    b"_hmac.",
    b"_md5.",
    b"_sha1.",
    b"_sha2.",
    b"_sha256.",
    b"_sha512.",
    b"_sha3.",
    b"_blake2.",
];

/// The known types: an expression, and the kind of state of the types of its values.
const KNOWN: [(&std::ffi::CStr, Hidden); 4] = [
    (
        c"(iter([]), reversed([]), iter(()), iter(''), iter('\\u20ac'), iter(b''), iter(bytearray()),
           iter(range(0)), iter(range(1 << 70)), iter({}), iter({}.values()), iter({}.items()),
           reversed({}), reversed({}.values()), reversed({}.items()), iter(set()), reversed(()),
           enumerate(()), itertools.count(), itertools.cycle(()), itertools.repeat(0),
           itertools.islice((), 0), itertools.tee(())[0], iter(deque()), reversed(deque()))",
        Hidden::Fields,
    ),
    (c"(bytearray(), array('b'))", Hidden::Buffer),
    (c"(io.StringIO(), io.BytesIO())", Hidden::File),
    (c"(random.Random(), _random.Random())", Hidden::Random),
];

/// The address of a type -> how. The types are the interpreter's, and never freed.
static KINDS: PyOnceLock<(Py<PyTuple>, HashMap<usize, Hidden>)> = PyOnceLock::new();

/// Whether the object has such a state, and how that is found out.
#[inline]
pub fn kind(object: &Bound<'_, PyAny>) -> Option<Hidden> {
    let known = KINDS.get_or_try_init(object.py(), || known(object.py())).ok()?;
    known.1.get(&(object.get_type_ptr() as usize)).copied().or_else(|| by_name(object))
}

/// The kind of the types that are known by their names: those of C begin with the module's.
#[inline]
fn by_name(object: &Bound<'_, PyAny>) -> Option<Hidden> {
    let kind = object.get_type_ptr();
    match name_of(kind) {
        name if name == b"mmap.mmap" => Some(Hidden::Memory),
        name if name.starts_with(b"_") && HASHES.iter().any(|of| name.starts_with(of)) => {
            Some(Hidden::Hash)
        }
        // A class of `ctypes`, or one that a program derives, has a type of that module.
        _ => {
            // SAFETY: each type has a type.
            let meta = unsafe { ffi::Py_TYPE(kind.cast()) };
            name_of(meta).starts_with(b"_ctypes.").then_some(Hidden::Memory)
        }
    }
}

/// The name in a type's struct, `_hashlib.HASH`.
pub fn name_of<'a>(kind: *mut ffi::PyTypeObject) -> &'a [u8] {
    // SAFETY: the type is alive as long as the object that the caller has, and so is its name.
    unsafe { std::ffi::CStr::from_ptr((*kind).tp_name) }.to_bytes()
}

fn known(py: Python<'_>) -> PyResult<(Py<PyTuple>, HashMap<usize, Hidden>)> {
    let names = PyDict::new(py);
    for module in ["itertools", "io", "random", "_random"] {
        names.set_item(module, py.import(module)?)?;
    }
    names.set_item("array", py.import("array")?.getattr("array")?)?;
    names.set_item("deque", py.import("collections")?.getattr("deque")?)?;
    let mut types = Vec::new();
    let mut kinds = HashMap::new();
    for (expression, hidden) in KNOWN {
        for each in py.eval(expression, Some(&names), None)?.try_iter()? {
            let kind: Bound<'_, PyType> = each?.get_type();
            kinds.insert(kind.as_ptr() as usize, hidden);
            types.push(kind);
        }
    }
    Ok((PyTuple::new(py, types)?.unbind(), kinds))
}

/// The hidden state of an object of such a kind, as one number.
pub fn state(py: Python<'_>, object: &Bound<'_, PyAny>, hidden: Hidden) -> PyResult<u64> {
    Ok(match hidden {
        Hidden::Fields => fields(object),
        Hidden::Buffer => {
            let length = object.len()?.cast_signed();
            let mut state = length as u64;
            let from_to = [(0, length.min(BYTES)), ((length - BYTES).max(0), length)];
            for (from, to) in from_to.into_iter().take(1 + usize::from(length > BYTES)) {
                let part = object.get_item(PySlice::new(py, from, to, 1))?;
                let bytes = py.get_type::<PyBytes>().call1((part,))?;
                state = state.rotate_left(7) ^ bytes.hash()? as u64;
            }
            state
        }
        Hidden::File => {
            let at: u64 = object.call_method0(intern!(py, "tell"))?.extract()?;
            let value = object.call_method0(intern!(py, "getvalue"))?;
            at.rotate_left(32) ^ value.hash()? as u64
        }
        Hidden::Random => {
            let kind = py.import(intern!(py, "_random"))?.getattr(intern!(py, "Random"))?;
            kind.call_method1(intern!(py, "getstate"), (object,))?.hash()? as u64
        }
        Hidden::Hash => {
            let digest = object.call_method0(intern!(py, "digest"));
            // Some have a digest of any length.
            let digest = digest.or_else(|_| object.call_method1(intern!(py, "digest"), (64,)))?;
            digest.hash()? as u64
        }
        Hidden::Memory => memory(py, object)?,
    })
}

/// The writable memory of an object.
fn memory(py: Python<'_>, object: &Bound<'_, PyAny>) -> PyResult<u64> {
    let mut limit = usize::MAX;
    if name_of(object.get_type_ptr()) == b"mmap.mmap" {
        // Beyond the end of a file that was truncated there is no memory. Memory without a file has
        // no size.
        let size = object.call_method0(intern!(py, "size"));
        limit = size.and_then(|size| size.extract()).unwrap_or(limit);
    }
    // SAFETY: the buffer is filled by the call, and released before it goes.
    unsafe {
        let mut view: ffi::Py_buffer = std::mem::zeroed();
        if ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut view, ffi::PyBUF_WRITABLE) != 0 {
            return Err(PyErr::fetch(py));
        }
        let length = view.len.unsigned_abs().min(limit);
        let bytes = std::slice::from_raw_parts(view.buf.cast::<u8>(), length);
        let end = length.saturating_sub(BYTES.unsigned_abs());
        let mut state = Xxh3::new();
        state.update(&bytes[..length.min(BYTES.unsigned_abs())]);
        state.update(&bytes[end..]);
        ffi::PyBuffer_Release(&raw mut view);
        Ok(state.digest())
    }
}

/// The fields that the type's struct has after those of every object.
fn fields(object: &Bound<'_, PyAny>) -> u64 {
    const WORD: usize = size_of::<usize>();
    let kind = object.get_type_ptr();
    let mut state = Xxh3::new();
    // SAFETY: an object of exactly this type is as large as the type says; the fields are read as
    // words, to which objects are aligned, and mean nothing but themselves.
    unsafe {
        let size = usize::try_from((*kind).tp_basicsize).unwrap_or(0);
        let start = object.as_ptr().cast::<u8>();
        let mut at = size_of::<ffi::PyObject>();
        while at + WORD <= size {
            let word = start.add(at).cast::<usize>().read_volatile();
            state.update(&word.to_ne_bytes());
            at += WORD;
        }
    }
    state.digest()
}
