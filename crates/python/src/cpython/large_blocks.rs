//! Where does our own memory lie? Large blocks in mappings of their own.
//!
//! The C library gives small blocks of memory back only if nothing that was allocated later is in
//! use, and takes large ones from the same place once a large block has been freed. So the lists and
//! tables that the start and an update need for some milliseconds would remain the program's
//! memory, and its own large blocks would lie between them from then on. A mapping leaves as a
//! whole.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::ptr::null_mut;

/// The allocator of the core.
struct LargeBlocks;

#[global_allocator]
static ALLOCATOR: LargeBlocks = LargeBlocks;

/// From so many bytes on, a block is a mapping. With glibc it is the initial limit.
const LARGE: usize = 128 << 10;
/// Mappings begin at a multiple of this on all systems.
const PAGE: usize = 4096;

fn is_mapped(size: usize, align: usize) -> bool {
    size >= LARGE && align <= PAGE
}

/// A new mapping, filled with zeros; null if there is no memory.
fn map(size: usize) -> *mut u8 {
    let (access, kind) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: an anonymous mapping at an address of the system's choice touches no other memory.
    let block = unsafe { libc::mmap(null_mut(), size, access, kind, -1, 0) };
    if block == libc::MAP_FAILED { null_mut() } else { block.cast() }
}

/// A mapping with its content, of another size; null if there is no memory: it stays as it is.
///
/// # Safety
/// `block` is a mapping of `old` bytes.
#[cfg(target_os = "linux")]
unsafe fn remap(block: *mut u8, old: usize, new: usize) -> *mut u8 {
    // SAFETY: the caller's; nothing else knows the address.
    let block = unsafe { libc::mremap(block.cast::<c_void>(), old, new, libc::MREMAP_MAYMOVE) };
    if block == libc::MAP_FAILED { null_mut() } else { block.cast() }
}

// SAFETY: a block is of the system's allocator or a mapping, as its size and alignment say, which
// are the same in all calls for it; `realloc` moves it where its new size says otherwise.
unsafe impl GlobalAlloc for LargeBlocks {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match is_mapped(layout.size(), layout.align()) {
            true => map(layout.size()),
            // SAFETY: the caller's.
            false => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match is_mapped(layout.size(), layout.align()) {
            true => map(layout.size()),
            // SAFETY: the caller's.
            false => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_mapped(layout.size(), layout.align()) {
            // SAFETY: it was mapped with this size.
            unsafe { libc::munmap(block.cast::<c_void>(), layout.size()) };
        } else {
            // SAFETY: the caller's.
            unsafe { System.dealloc(block, layout) }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (before, now) =
            (is_mapped(layout.size(), layout.align()), is_mapped(size, layout.align()));
        #[cfg(target_os = "linux")]
        if before && now {
            // SAFETY: it was mapped with this size.
            return unsafe { remap(block, layout.size(), size) };
        }
        // SAFETY: the caller's; the new size fits the alignment, as `realloc` asks of its callers.
        unsafe {
            if !before && !now {
                return System.realloc(block, layout, size);
            }
            let other = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !other.is_null() {
                block.copy_to_nonoverlapping(other, layout.size().min(size));
                self.dealloc(block, layout);
            }
            other
        }
    }
}
