//! Which objects may refer to these? An index of all references, for a search that goes on from what
//! it finds.
//!
//! Each step of such a search would be a pass over the heap, most of which has nothing to do with it.
//! One pass notes instead, for each reference, the place of the object that has it, in a bucket for the
//! address that it leads to. Buckets are shared by several addresses, so a step looks into the objects
//! of its buckets again, and what it finds is as exact as after a pass.

use std::time::Duration;

use pyo3::types::PyList;
use pyo3::{ffi, prelude::*};

use crate::api::referrers::{HeapSearch, Slices};
use crate::cpython::{address_map::Pointer, referents};

/// How many references share a bucket, on average.
const SHARED: usize = 4;

/// The references between the objects of `heap`, as they were at one time. `heap` keeps its objects
/// alive, so addresses are unique.
#[pyclass(frozen, module = "transfuse._core")]
pub struct ReferrerIndex {
    heap: Py<PyList>,
    /// Number of a bucket -> where its places begin. One more than there are buckets.
    begins: Vec<u32>,
    /// Indices in `heap` of the objects that have the references, by bucket.
    places: Vec<u32>,
    /// Whether the whole heap was seen within the time.
    #[pyo3(get)]
    complete: bool,
}

#[pymethods]
impl ReferrerIndex {
    #[new]
    fn new(heap: &Bound<'_, PyList>, seconds: f64) -> PyResult<Self> {
        let py = heap.py();
        let mut slices = Slices::begin(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        // Object by object: the hashes of what it refers to, and where those of the next one begin.
        let (mut hashes, mut ends) = (Vec::<u32>::new(), Vec::<u32>::with_capacity(heap.len()));
        let mut found = Vec::<Pointer>::new();
        for index in 0..heap.len() {
            if !slices.goes_on(py, index)? {
                break;
            }
            // SAFETY: attached; a list. What it returns is borrowed from it.
            let object = unsafe { ffi::PyList_GetItem(heap.as_ptr(), index.cast_signed()) };
            if object.is_null() {
                return Err(PyErr::fetch(py));
            }
            referents::visit(py, object, &mut found);
            hashes.extend(found.drain(..).map(|referent| hash(referent as usize)));
            ends.push(u32::try_from(hashes.len()).unwrap_or(u32::MAX));
        }
        let complete = ends.len() == heap.len() && u32::try_from(hashes.len()).is_ok();
        let (begins, places) = py.detach(|| by_bucket(&hashes, &ends));
        Ok(ReferrerIndex { heap: heap.clone().unbind(), begins, places, complete })
    }

    /// The objects that refer to `targets`, and for each the index of one target; an object that
    /// refers to several is there as often.
    fn referrers<'py>(
        &self,
        targets: &Bound<'py, PyList>,
    ) -> PyResult<(Bound<'py, PyList>, Vec<usize>)> {
        let py = targets.py();
        let heap = self.heap.bind(py);
        let mut candidates = Vec::<u32>::new();
        for target in targets.iter() {
            candidates.extend(self.bucket(hash(target.as_ptr() as usize)));
        }
        candidates.sort_unstable();
        candidates.dedup();
        let mut search = HeapSearch::new(targets);
        let (found, mut of) = (PyList::empty(py), Vec::new());
        let mut slices = Slices::begin(Duration::MAX);
        for (count, place) in candidates.into_iter().enumerate() {
            slices.goes_on(py, count)?;
            let object = heap.get_item(place as usize)?;
            for target in search.hits_of(&object)? {
                found.append(&object)?;
                of.push(target);
            }
        }
        Ok((found, of))
    }
}

impl ReferrerIndex {
    fn bucket(&self, hash: u32) -> &[u32] {
        let bits = (self.begins.len() - 1).trailing_zeros();
        let bucket = number(hash, bits);
        &self.places[self.begins[bucket] as usize..self.begins[bucket + 1] as usize]
    }
}

/// Sorts the objects by the buckets of their references, in linear time.
fn by_bucket(hashes: &[u32], ends: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let buckets = (hashes.len() / SHARED).next_power_of_two();
    let bits = buckets.trailing_zeros();
    let mut begins = vec![0_u32; buckets + 1];
    for hash in hashes {
        begins[number(*hash, bits) + 1] += 1;
    }
    for bucket in 0..buckets {
        begins[bucket + 1] += begins[bucket];
    }
    let (mut next, mut places) = (begins.clone(), vec![0_u32; hashes.len()]);
    let mut begin = 0;
    for (place, end) in (0_u32..).zip(ends) {
        for hash in &hashes[begin..*end as usize] {
            let at = &mut next[number(*hash, bits)];
            places[*at as usize] = place;
            *at += 1;
        }
        begin = *end as usize;
    }
    (begins, places)
}

/// The bucket of a hash, by its highest bits.
fn number(hash: u32, bits: u32) -> usize {
    (u64::from(hash) >> (32 - bits)) as usize
}

/// Fibonacci hashing.
fn hash(address: usize) -> u32 {
    ((address as u64 >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}
