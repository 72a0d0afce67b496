//! The content of a file, kept as long as a generation refers to it.
//!
//! A generation loads modules from the content that it knows, which may be gone from the disk, and
//! tracebacks of old code show the source it was compiled from (P13). So content is kept,
//! compressed, until the last snapshot that refers to it is dropped. A [`Budget`] bounds the sum:
//! over the limit, a source keeps only its digest, and reading its text fails.

use crate::base::Digest;
use crate::fs::{FileKind, FileSystem};
use std::borrow::Cow;
use std::path::Path;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The content of a file at one moment.
#[derive(Debug)]
pub struct Source {
    digest: Digest,
    /// Its length before compression, in bytes: `1204`; none if there is no file.
    len: Option<usize>,
    /// The content, lz4; none if the budget was spent, or the content is that of a data file.
    packed: Option<Box<[u8]>>,
    /// Where the packed bytes are counted, until the source is dropped.
    budget: Budget,
    /// The part of it that counts. A comparison passes this on to the next content of the same file.
    concern: Concern,
    /// Whether its content is wanted, and not only whether it has changed.
    has_text: bool,
}

/// A source as it is written to disk.
pub(crate) struct PackedSource<'a> {
    /// Of its content.
    pub digest: Digest,
    /// Its length before compression, in bytes; none if there is no file.
    pub len: Option<usize>,
    /// The content, lz4; none if only the digest is known.
    pub packed: Option<Cow<'a, [u8]>>,
    /// Whether code reads it by generation.
    pub served: bool,
}

/// The part of a file that counts for the code that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Concern {
    /// The content.
    Content,
    /// The content, which code reads by generation, as it does templates.
    Served,
    /// Whether it exists, and its kind.
    Existence,
}

impl Source {
    /// Stores `content`, compressed, if `budget` has room for it.
    pub fn new(content: impl AsRef<[u8]>, budget: &Budget) -> Arc<Source> {
        Arc::new(Source::packed(content.as_ref(), budget, Concern::Content))
    }

    /// Stores the content of a file that code reads by generation; none: the file does not exist.
    pub fn served(content: Option<&[u8]>, budget: &Budget) -> Arc<Source> {
        Arc::new(match content {
            Some(content) => Source::packed(content, budget, Concern::Served),
            None => Source::unpacked(None, Concern::Served),
        })
    }

    /// Stores only the digest of `content`: for data files, of which only changes matter.
    pub fn digest_only(content: impl AsRef<[u8]>) -> Arc<Source> {
        Arc::new(Source::unpacked(Some(content.as_ref()), Concern::Content))
    }

    /// Records that a file did not exist: a data file that a module tried to read.
    pub fn absent() -> Arc<Source> {
        Arc::new(Source::unpacked(None, Concern::Content))
    }

    /// Records only whether a path exists, and its kind: for code that asks and does not open it.
    pub fn existence(kind: Option<FileKind>) -> Arc<Source> {
        let content = kind.map(|kind| format!("transfuse: exists as {kind:?}"));
        Arc::new(Source::unpacked(content.as_deref().map(str::as_bytes), Concern::Existence))
    }

    fn packed(content: &[u8], budget: &Budget, concern: Concern) -> Source {
        let packed = lz4_flex::block::compress(content).into_boxed_slice();
        let packed = budget.reserve(packed.len()).then_some(packed);
        let (digest, len) = (Digest::of(content), Some(content.len()));
        Source { digest, len, packed, budget: budget.clone(), concern, has_text: true }
    }

    fn unpacked(content: Option<&[u8]>, concern: Concern) -> Source {
        let digest = Digest::of(content.unwrap_or(b"transfuse: no file"));
        let len = content.map(<[u8]>::len);
        Source { digest, len, packed: None, budget: Budget::new(0), concern, has_text: false }
    }

    /// The source with its content, which `read` reads if it could not be kept and should be.
    pub(crate) fn pack(&self, read: impl FnOnce() -> Option<Vec<u8>>) -> PackedSource<'_> {
        let is_kept = self.packed.is_some() || self.len.is_none() || !self.has_text;
        let same = |content: &Vec<u8>| Digest::of(content) == self.digest;
        let packed = match &self.packed {
            Some(packed) => Some(Cow::Borrowed(&**packed)),
            None if is_kept => None,
            None => read().filter(same).map(|content| lz4_flex::block::compress(&content).into()),
        };
        PackedSource { digest: self.digest, len: self.len, packed, served: self.is_served() }
    }

    /// The source that was written to disk.
    pub(crate) fn unpack(source: PackedSource<'_>, budget: &Budget) -> Arc<Source> {
        let PackedSource { digest, len, packed, served } = source;
        let packed = packed.map(|packed| packed.into_owned().into_boxed_slice());
        let packed = packed.filter(|packed| budget.reserve(packed.len()));
        let has_text = packed.is_some();
        let concern = if served { Concern::Served } else { Concern::Content };
        Arc::new(Source { digest, len, packed, budget: budget.clone(), concern, has_text })
    }

    /// Does code read it by generation?
    pub fn is_served(&self) -> bool {
        self.concern == Concern::Served
    }

    /// Does only its existence count?
    pub fn is_existence(&self) -> bool {
        self.concern == Concern::Existence
    }

    /// Does it record that the file did not exist?
    pub fn is_absent(&self) -> bool {
        self.len.is_none()
    }

    /// The digest of the content.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The content, unless it could not be kept.
    pub fn text(&self) -> Option<Vec<u8>> {
        lz4_flex::block::decompress(self.packed.as_deref()?, self.len?).ok()
    }

    /// The content, read from `path` where it could not be kept and the file has not changed.
    pub fn text_or_read(&self, system: &dyn FileSystem, path: &Path) -> Option<Vec<u8>> {
        let read = || system.read(path).ok().filter(|bytes| Digest::of(bytes) == self.digest);
        self.text().or_else(read)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.budget.release(self.packed.as_ref().map_or(0, |packed| packed.len()));
    }
}

/// How many bytes all sources together may hold. Cloning it shares the count.
#[derive(Clone, Debug)]
pub struct Budget(Arc<BudgetCount>);

#[derive(Debug)]
struct BudgetCount {
    /// Packed bytes held now. Sources add on creation and subtract on drop; a lone number, so no
    /// lock.
    bytes: AtomicUsize,
    /// The most that may be held: `268_435_456`. Set once.
    limit: usize,
}

impl Budget {
    /// A budget of `limit` bytes, all of them free.
    pub fn new(limit: usize) -> Budget {
        Budget(Arc::new(BudgetCount { bytes: AtomicUsize::new(0), limit }))
    }

    /// The bytes held now.
    pub fn held(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    fn reserve(&self, bytes: usize) -> bool {
        let fits = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= self.0.limit);
        self.0.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn release(&self, bytes: usize) {
        self.0.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
