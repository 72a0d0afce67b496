//! In which bytes is it kept?
//!
//! A file is a *frame*: a mark, the digest of the rest, and the rest. Anything else in its place (half
//! of one after a power cut, another program's file, a format of another release) is no frame, and
//! is treated as if there were no file. Numbers are little-endian.

use super::{FormerState, LastServed, Why, Withheld};
use crate::{
    base::Digest, fs::FileSystem, sources::Budget, sources::PackedSource, sources::Source,
    sources::SourceSnapshot,
};
use std::{collections::BTreeMap, path::Path, path::PathBuf, sync::Arc};

/// The first bytes of a frame. Another number for another format.
const MARK: &[u8; 8] = b"tfserve2";
const DIGEST: usize = size_of::<u128>();

/// A file and its content; none: it is not there any more.
pub(super) type Entry<'a> = (&'a Path, Option<PackedSource<'a>>);
/// The same as it was read.
pub(super) type ReadEntry = (PathBuf, Option<Arc<Source>>);

/// A frame around `rest`, and the digest of it.
pub(super) fn frame(rest: &[u8]) -> (Vec<u8>, Digest) {
    let digest = Digest::of(rest);
    let mut framed = Vec::with_capacity(MARK.len() + DIGEST + rest.len());
    framed.extend(MARK);
    framed.extend(digest.as_u128().to_le_bytes());
    framed.extend(rest);
    (framed, digest)
}

/// The content of a frame, and its digest.
pub(super) fn unframe(framed: &[u8]) -> Option<(&[u8], Digest)> {
    let mut bytes = Bytes(framed);
    let mark = bytes.take(MARK.len())?;
    let digest = bytes.digest()?;
    (mark == MARK && Digest::of(bytes.0) == digest).then_some((bytes.0, digest))
}

/// Writes all but the files and the former states.
pub(super) fn put_head(into: &mut Vec<u8>, served: &LastServed) {
    put_number(into, served.generation);
    put_number(into, served.at.to_bits());
    into.push(u8::from(served.partial));
    put_before(into, served.before);
    put_number(into, served.same.len() as u64);
    for (older, to) in &served.same {
        put_number(into, *older);
        put_number(into, *to);
    }
    put_number(into, served.withheld.len() as u64);
    for (path, withheld) in &served.withheld {
        put_path(into, path);
        into.push(match withheld.why {
            Why::RolledBack => 0,
            Why::Refused => 1,
        });
        put_number(into, withheld.since.to_bits());
        into.push(u8::from(withheld.left.is_some()));
        put_digest(into, withheld.left.unwrap_or(Digest::from_u128(0)));
    }
}

/// Reads what [`put_head`] wrote.
pub(super) fn head(bytes: &mut Bytes<'_>) -> Option<LastServed> {
    let (generation, at) = (bytes.number()?, f64::from_bits(bytes.number()?));
    let (partial, before) = (bytes.flag()?, bytes.before()?);
    let mut same = Vec::new();
    for _ in 0..bytes.number()? {
        same.push((bytes.number()?, bytes.number()?));
    }
    let mut withheld = BTreeMap::new();
    for _ in 0..bytes.number()? {
        let path = bytes.path()?;
        let why = if bytes.flag()? { Why::Refused } else { Why::RolledBack };
        let since = f64::from_bits(bytes.number()?);
        let is_there = bytes.flag()?;
        let left = Some(bytes.digest()?).filter(|_| is_there);
        withheld.insert(path, Withheld { left, why, since });
    }
    let former = Vec::new();
    let files = SourceSnapshot::default();
    Some(LastServed { generation, at, partial, before, files, withheld, former, same })
}

/// Writes files.
pub(super) fn put_files<'a>(into: &mut Vec<u8>, entries: &[Entry<'a>]) {
    put_number(into, entries.len() as u64);
    for (path, source) in entries {
        put_path(into, path);
        into.push(u8::from(source.is_some()));
        let Some(source) = source else { continue };
        put_digest(into, source.digest);
        into.push(u8::from(source.served));
        into.push(u8::from(source.len.is_some()));
        put_number(into, source.len.unwrap_or(0) as u64);
        into.push(u8::from(source.packed.is_some()));
        put_bytes(into, source.packed.as_deref().unwrap_or_default());
    }
}

/// Reads what [`put_files`] wrote.
pub(super) fn files(bytes: &mut Bytes<'_>, budget: &Budget) -> Option<Vec<ReadEntry>> {
    let mut entries = Vec::new();
    for _ in 0..bytes.number()? {
        let path = bytes.path()?;
        if !bytes.flag()? {
            entries.push((path, None));
            continue;
        }
        let (digest, served, is_there) = (bytes.digest()?, bytes.flag()?, bytes.flag()?);
        let len = usize::try_from(bytes.number()?).ok().filter(|_| is_there);
        let is_packed = bytes.flag()?;
        let packed = Some(bytes.bytes()?).filter(|_| is_packed).map(Into::into);
        let source = PackedSource { digest, len, packed, served };
        entries.push((path, Some(Source::unpack(source, budget))));
    }
    Some(entries)
}

/// Writes former states, each with the files in which it differs from `base`.
pub(super) fn put_former(into: &mut Vec<u8>, former: &[(&FormerState, Vec<Entry<'_>>)]) {
    put_number(into, former.len() as u64);
    for (state, entries) in former {
        put_number(into, state.generation);
        put_number(into, state.at.to_bits());
        put_number(into, state.until.to_bits());
        into.push(u8::from(state.partial));
        put_before(into, state.before);
        put_files(into, entries);
    }
}

/// Reads what [`put_former`] wrote.
pub(super) fn former(
    bytes: &mut Bytes<'_>,
    base: &SourceSnapshot,
    budget: &Budget,
) -> Option<Vec<FormerState>> {
    let mut former = Vec::new();
    for _ in 0..bytes.number()? {
        let (generation, at) = (bytes.number()?, f64::from_bits(bytes.number()?));
        let until = f64::from_bits(bytes.number()?);
        let (partial, before) = (bytes.flag()?, bytes.before()?);
        let files = with_entries(base, files(bytes, budget)?);
        former.push(FormerState { generation, at, until, partial, before, files });
    }
    Some(former)
}

/// `base` with the files that differ.
pub(super) fn with_entries(base: &SourceSnapshot, entries: Vec<ReadEntry>) -> SourceSnapshot {
    entries.into_iter().fold(base.clone(), |files, (path, source)| match source {
        Some(source) => files.with(path, source),
        None => files.without(&path),
    })
}

/// A source with its content, read from `path` if need be.
pub(super) fn packed<'a>(
    system: &dyn FileSystem,
    path: &Path,
    source: &'a Source,
) -> PackedSource<'a> {
    source.pack(|| system.read(path).ok())
}

pub(super) fn put_digest(into: &mut Vec<u8>, digest: Digest) {
    into.extend(digest.as_u128().to_le_bytes());
}

fn put_number(into: &mut Vec<u8>, number: u64) {
    into.extend(number.to_le_bytes());
}

fn put_before(into: &mut Vec<u8>, before: Option<u64>) {
    into.push(u8::from(before.is_some()));
    put_number(into, before.unwrap_or(0));
}

fn put_bytes(into: &mut Vec<u8>, bytes: &[u8]) {
    put_number(into, bytes.len() as u64);
    into.extend(bytes);
}

fn put_path(into: &mut Vec<u8>, path: &Path) {
    put_bytes(into, path.as_os_str().as_encoded_bytes());
}

/// Bytes that are still to be read. Each step returns none where they end too early.
pub(super) struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(size_of::<u64>())?.try_into().ok()?))
    }

    pub(super) fn digest(&mut self) -> Option<Digest> {
        Some(Digest::from_u128(u128::from_le_bytes(self.take(DIGEST)?.try_into().ok()?)))
    }

    fn before(&mut self) -> Option<Option<u64>> {
        let is_there = self.flag()?;
        Some(Some(self.number()?).filter(|_| is_there))
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.take(1)? != [0])
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.number()?).ok()?;
        self.take(count)
    }

    fn path(&mut self) -> Option<PathBuf> {
        path_of(self.bytes()?)
    }
}

#[cfg(unix)]
#[allow(clippy::unnecessary_wraps)]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(std::ffi::OsStr::from_bytes(bytes).into())
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}
