//! Which objects refer to these? One pass over the heap, for `transfuse.leaks()`.
//!
//! The collector's own `gc.get_referrers` compares each reference with each target, and holds the
//! GIL until it is done. This looks each reference up in a table, and sleeps between slices of a
//! few milliseconds, so that requests go on.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use pyo3::{ffi, intern};

use crate::state::runtime;
use crate::update::lingering::lingering;

/// How long the GIL is held at a stretch, and released between two slices.
const SLICE: Duration = Duration::from_millis(2);
const PAUSE: Duration = Duration::from_millis(1);
/// The clock is read once for so many objects.
pub(super) const OBJECTS: usize = 256;
/// Bits of the filter in front of the table. Most references lead to no target.
const FILTER_BITS: u32 = 20;

/// The modules that no generation has any more, and that are still in memory.
#[pyfunction]
pub fn former_modules(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let former = lingering(py, runtime::required()?);
    PyList::new(py, former.iter().map(|instance| &instance.get().module))
}

/// All objects that the collector lists. The list itself is hidden from it: other searches for
/// referrers, such as those of the policy `patch`, would find it at each object.
#[pyfunction]
pub fn heap(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let listed = py.import(intern!(py, "gc"))?.call_method0(intern!(py, "get_objects"))?;
    // SAFETY: attached, and the list is one that the collector tracks.
    unsafe { ffi::PyObject_GC_UnTrack(listed.as_ptr().cast()) };
    let listed = listed.cast_into::<PyList>()?;
    let none = PyTuple::empty(py);
    for index in 0..listed.len() {
        // SAFETY: attached, within the list, which no other code has.
        if unsafe { may_be_unfinished(ffi::PyList_GET_ITEM(listed.as_ptr(), index as isize)) } {
            listed.set_item(index, &none)?;
        }
    }
    Ok(listed)
}

/// Whether an object of the list may be a tuple that another thread is just making of an iterator, by
/// `tuple(...)`. It grows in steps, and must have no other owner then: a reference of ours would raise a
/// `SystemError` there. Such a tuple has a free place, or is full at the end of a step.
///
/// # Safety
/// Attached; a live object that the list owns.
unsafe fn may_be_unfinished(object: *mut ffi::PyObject) -> bool {
    // SAFETY: as the caller says.
    unsafe {
        // With that of the list.
        if ffi::PyTuple_CheckExact(object) == 0 || ffi::Py_REFCNT(object) != 2 {
            return false;
        }
        let length = ffi::PyTuple_GET_SIZE(object);
        let mut step = 10;
        while step < length {
            step += 10;
            step += step >> 2;
        }
        step == length || (0..length).any(|at| ffi::PyTuple_GET_ITEM(object, at).is_null())
    }
}

/// Empties such a list. At once that would hold the GIL for as long as the list took to make.
#[pyfunction]
pub fn let_go(heap: &Bound<'_, PyList>) -> PyResult<()> {
    let mut slices = Slices::begin(Duration::MAX);
    while !heap.is_empty() {
        let length = heap.len();
        heap.del_slice(length.saturating_sub(OBJECTS), length)?;
        slices.goes_on(heap.py(), 0)?;
    }
    Ok(())
}

/// The objects of `heap` that refer to `targets`, as `(the object, index of the target)`, and whether
/// the whole heap was seen within `seconds`. `heap` keeps its objects alive, so addresses are unique.
#[pyfunction]
pub fn referrers<'py>(
    heap: &Bound<'py, PyList>,
    targets: &Bound<'py, PyList>,
    seconds: f64,
) -> PyResult<(Bound<'py, PyList>, bool)> {
    let py = heap.py();
    let mut slices = Slices::begin(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let mut search = HeapSearch::new(targets);
    let found = PyList::empty(py);
    for index in 0..heap.len() {
        if !slices.goes_on(py, index)? {
            return Ok((found, false));
        }
        let object = heap.get_item(index)?;
        for target in search.hits_of(&object)? {
            found.append((&object, target))?;
        }
    }
    Ok((found, true))
}

/// Slices of work under the GIL, up to a time limit.
pub(super) struct Slices {
    end: Duration,
    whole: Instant,
    slice: Instant,
}

impl Slices {
    pub fn begin(end: Duration) -> Self {
        let now = Instant::now();
        Slices { end, whole: now, slice: now }
    }

    /// To be called before each object. False: the time is over.
    pub fn goes_on(&mut self, py: Python<'_>, count: usize) -> PyResult<bool> {
        if count.is_multiple_of(OBJECTS) && self.slice.elapsed() > SLICE {
            py.check_signals()?;
            // Waits for nothing but lets others have the GIL: a thread that asks for it again at once
            // may get it before those that wait.
            py.detach(|| std::thread::sleep(PAUSE));
            self.slice = Instant::now();
            return Ok(self.whole.elapsed() < self.end);
        }
        Ok(true)
    }
}

/// The targets, and those of them that the visited object refers to.
pub(super) struct HeapSearch {
    /// A bit for the hash of each target's address.
    filter: Vec<u64>,
    /// Address of a target -> its index.
    targets: HashMap<usize, usize>,
    /// Indices of the targets that the object refers to. Emptied for each object.
    hits: Vec<usize>,
}

impl HeapSearch {
    pub fn new(targets: &Bound<'_, PyList>) -> HeapSearch {
        let mut made = HeapSearch {
            filter: vec![0; 1 << (FILTER_BITS - 6)],
            targets: HashMap::with_capacity(targets.len()),
            hits: Vec::new(),
        };
        for (index, target) in targets.iter().enumerate() {
            let address = target.as_ptr() as usize;
            let (word, bit) = place(address);
            made.filter[word] |= bit;
            made.targets.insert(address, index);
        }
        made
    }

    /// The indices of the targets that an object refers to.
    pub fn hits_of(&mut self, object: &Bound<'_, PyAny>) -> PyResult<std::vec::Drain<'_, usize>> {
        self.visit_referents(object)?;
        Ok(self.hits.drain(..))
    }

    fn visit(&mut self, address: usize) {
        let (word, bit) = place(address);
        if self.filter[word] & bit != 0
            && let Some(index) = self.targets.get(&address)
        {
            self.hits.push(*index);
        }
    }

    /// What `gc.get_referents` does, without a list.
    #[cfg(not(Py_GIL_DISABLED))]
    fn visit_referents(&mut self, object: &Bound<'_, PyAny>) -> PyResult<()> {
        use std::ffi::{c_int, c_void};

        extern "C" fn visit(referent: *mut ffi::PyObject, search: *mut c_void) -> c_int {
            // SAFETY: `search` is what is passed below, and nothing else uses it meanwhile.
            unsafe { &mut *search.cast::<HeapSearch>() }.visit(referent as usize);
            0
        }
        // SAFETY: attached, and the object is alive. A traverse function runs no Python code.
        unsafe {
            if ffi::PyObject_IS_GC(object.as_ptr()) != 0
                && let Some(traverse) = (*ffi::Py_TYPE(object.as_ptr())).tp_traverse
            {
                traverse(object.as_ptr(), visit, std::ptr::from_mut(self).cast());
            }
        }
        Ok(())
    }

    /// Without the GIL an object may only be traversed while all threads stand still, which the
    /// function of the collector sees to.
    #[cfg(Py_GIL_DISABLED)]
    fn visit_referents(&mut self, object: &Bound<'_, PyAny>) -> PyResult<()> {
        let gc = object.py().import(intern!(object.py(), "gc"))?;
        let referents = gc.call_method1(intern!(object.py(), "get_referents"), (object,))?;
        for referent in referents.cast_into::<PyList>()?.iter() {
            self.visit(referent.as_ptr() as usize);
        }
        Ok(())
    }
}

/// The word and the bit of the filter for an address (Fibonacci hashing).
fn place(address: usize) -> (usize, u64) {
    let hash = (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - FILTER_BITS);
    ((hash >> 6) as usize, 1 << (hash & 63))
}
