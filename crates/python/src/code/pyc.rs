//! How does source become code, compiled at most once for one content?
//!
//! Precompiled code is looked for in `__pycache__`, as checked hash-based `.pyc` (PEP 552): the
//! header carries a hash of the source, so content decides what is valid, never time, and CPython
//! itself accepts the file too. Where there is none for this content the source is compiled and the
//! file is written, whole or not at all; a folder that cannot be written to costs a compile at the
//! next start and nothing else.

use std::path::{Path, PathBuf};

use pyo3::exceptions::PyNotImplementedError;
use pyo3::{ffi, intern, prelude::*, sync::PyOnceLock, types::PyBytes, types::PyCode};
use transfuse_engine::{FileSystem, OsFileSystem};

/// A PEP 552 header: magic number, flags, 8 bytes of source hash.
const HEADER: usize = 16;
/// Flags of a hash-based file that is checked against its source.
const CHECKED_HASH: u32 = 0b11;
const HASH_BASED: u32 = 0b01;

/// The parts of the interpreter that this file uses, looked up once.
struct Interpreter {
    magic: [u8; 4],
    magic_number: u32,
    source_hash: Py<PyAny>,
    fix_filename: Py<PyAny>,
    cache_from_source: Py<PyAny>,
    compile: Py<PyAny>,
}

static INTERPRETER: PyOnceLock<Interpreter> = PyOnceLock::new();

fn interpreter(py: Python<'_>) -> PyResult<&Interpreter> {
    INTERPRETER.get_or_try_init(py, || {
        let util = py.import("importlib.util")?;
        let imp = py.import("_imp")?;
        let magic: [u8; 4] = util.getattr("MAGIC_NUMBER")?.extract()?;
        Ok(Interpreter {
            magic,
            magic_number: u32::from_le_bytes(magic),
            source_hash: imp.getattr("source_hash")?.unbind(),
            fix_filename: imp.getattr("_fix_co_filename")?.unbind(),
            cache_from_source: util.getattr("cache_from_source")?.unbind(),
            compile: py.import("transfuse.source.compiler")?.getattr("compile_source")?.unbind(),
        })
    })
}

/// Where precompiled code for a source file stands; none where the interpreter has no cache tag.
pub fn cache_path(py: Python<'_>, file: &str) -> PyResult<Option<String>> {
    match interpreter(py)?.cache_from_source.bind(py).call1((file,)) {
        Ok(path) => path.extract().map(Some),
        Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => Ok(None),
        // It is Python code that runs there: Ctrl-C may come in it.
        Err(error) => Err(error),
    }
}

/// The precompiled code of a source; none if there is none for this content.
pub fn precompiled<'py>(
    py: Python<'py>,
    file: &str,
    text: &[u8],
) -> PyResult<Option<Bound<'py, PyCode>>> {
    let interpreter = interpreter(py)?;
    let Some(cache) = cache_path(py, file)? else { return Ok(None) };
    let hash = hash(py, interpreter, &PyBytes::new(py, text))?;
    Ok(read(py, interpreter, &cache, hash.as_bytes(), file))
}

/// Reads the file that `write_beside` wrote next to the precompiled code of a source. The content is not checked.
pub fn read_beside(py: Python<'_>, file: &str) -> PyResult<Option<Vec<u8>>> {
    Ok(beside(py, file)?.and_then(|path| OsFileSystem.read(&path).ok()))
}

/// Writes something beside the precompiled code of a source, unless no code may be written.
pub fn write_beside(py: Python<'_>, file: &str, content: &[u8]) -> PyResult<()> {
    if let Some(path) = beside(py, file)?
        && may_write(py)?
    {
        // As with the code: the next process finds nothing.
        let _ = OsFileSystem.write_atomically(&path, content);
    }
    Ok(())
}

/// `__pycache__/shop.cpython-311.kept`
fn beside(py: Python<'_>, file: &str) -> PyResult<Option<PathBuf>> {
    Ok(cache_path(py, file)?.map(|cache| Path::new(&cache).with_extension("kept")))
}

fn may_write(py: Python<'_>) -> PyResult<bool> {
    Ok(!py.import("sys")?.getattr(intern!(py, "dont_write_bytecode"))?.is_truthy()?)
}

fn hash<'py>(
    py: Python<'py>,
    interpreter: &Interpreter,
    text: &Bound<'py, PyBytes>,
) -> PyResult<Bound<'py, PyBytes>> {
    let hash = interpreter.source_hash.bind(py).call1((interpreter.magic_number, text))?;
    Ok(hash.cast_into::<PyBytes>()?)
}

/// The code of a source, from the precompiled file if that is for this content.
pub fn code<'py>(py: Python<'py>, file: &str, text: &[u8]) -> PyResult<Bound<'py, PyCode>> {
    let interpreter = interpreter(py)?;
    let text = PyBytes::new(py, text);
    let hash = hash(py, interpreter, &text)?;
    let cache = cache_path(py, file)?;
    if let Some(cache) = &cache
        && let Some(found) = read(py, interpreter, cache, hash.as_bytes(), file)
    {
        return Ok(found);
    }
    let code = interpreter.compile.bind(py).call1((text, file))?.cast_into::<PyCode>()?;
    if let Some(cache) = cache
        && may_write(py)?
    {
        // Failing to write is no reason to fail: the next start compiles again.
        let _ = write(py, interpreter, Path::new(&cache), hash.as_bytes(), &code);
    }
    Ok(code)
}

fn read<'py>(
    py: Python<'py>,
    interpreter: &Interpreter,
    cache: &str,
    hash: &[u8],
    file: &str,
) -> Option<Bound<'py, PyCode>> {
    let data = OsFileSystem.read(Path::new(cache)).ok()?;
    let flags = u32::from_le_bytes(data.get(4..8)?.try_into().ok()?);
    if data.get(..4)? != interpreter.magic
        || flags & HASH_BASED == 0
        || data.get(8..HEADER)? != hash
    {
        return None;
    }
    // SAFETY: attached; the slice lives through the call; null means an exception is set.
    let loaded = unsafe {
        let body = &data[HEADER..];
        let read =
            ffi::PyMarshal_ReadObjectFromString(body.as_ptr().cast(), body.len().cast_signed());
        Bound::from_owned_ptr_or_err(py, read)
    };
    // A damaged file counts as absent.
    let code = loaded.ok()?.cast_into::<PyCode>().ok()?;
    let compiled_as = code.getattr(intern!(py, "co_filename")).ok()?;
    if compiled_as.extract::<&str>().ok()? != file {
        interpreter.fix_filename.bind(py).call1((&code, file)).ok()?;
    }
    Some(code)
}

fn write(
    py: Python<'_>,
    interpreter: &Interpreter,
    cache: &Path,
    hash: &[u8],
    code: &Bound<'_, PyCode>,
) -> PyResult<()> {
    // As `marshal.version` has it: since Python 3.14 a slice may be a constant, which 4 cannot write.
    let version = if cfg!(Py_3_14) { 5 } else { 4 };
    // SAFETY: attached; null means an exception is set.
    let body = unsafe {
        let made = ffi::PyMarshal_WriteObjectToString(code.as_ptr(), version);
        Bound::from_owned_ptr_or_err(py, made)?.cast_into::<PyBytes>()?
    };
    let mut content = interpreter.magic.to_vec();
    content.extend(CHECKED_HASH.to_le_bytes());
    content.extend(hash);
    content.extend(body.as_bytes());
    Ok(OsFileSystem.write_atomically(cache, &content)?)
}
