//! How is the served state written to disk, at a cost that follows the changes?
//!
//! In two files. `base` has everything, and is seldom written. `delta` has the differences from it,
//! names it by its digest, and is written after each update. Both have the former states, as their
//! differences from `base`, so these cannot be of another moment than the served state. Each file is
//! replaced as a whole, so a reader finds either the former or the new one. A `delta` of another
//! `base` is ignored.

use super::encoding::{self, Bytes, Entry};
use super::{FormerState, LastServed, Withheld};
use crate::sources::{Budget, PackedSource, SourceSnapshot};
use crate::{base::Digest, fs::FileMetadata, fs::FileSystem, roots::is_source};
use std::{collections::BTreeMap, io, path::Path, path::PathBuf};

const BASE: &str = "base";
const DELTA: &str = "delta";
/// A `delta` that is larger than this, in bytes, and than half of its `base`, becomes a new one.
const SMALL: usize = 1 << 16;

/// Writes the served state into a folder of its own.
#[derive(Debug)]
pub struct ServedStore {
    folder: PathBuf,
    /// The most that the contents in `base` may take, in bytes.
    limit: usize,
    /// The content of `base`; none if there is no valid file.
    base: Option<Base>,
    /// The withheld content at the last write, which keeps its time at the next one.
    withheld: BTreeMap<PathBuf, Withheld>,
    /// The digest of the `delta` that was written last, for this `base`.
    written: Option<Digest>,
}

#[derive(Debug)]
struct Base {
    digest: Digest,
    /// Of the file, to see whether it is still there.
    stat: FileMetadata,
    /// `/srv/shop/tax.py` to the digest of its content.
    files: BTreeMap<PathBuf, Digest>,
}

/// The file `base`, as it was read.
struct ReadBase {
    served: LastServed,
    digest: Digest,
}

/// The last served state in the folder; none if it has no valid one.
pub fn read_last_served(system: &dyn FileSystem, folder: &Path) -> Option<LastServed> {
    let base = read_base(system, folder)?;
    Some(with_delta(system, folder, &base).unwrap_or(base.served))
}

fn read_base(system: &dyn FileSystem, folder: &Path) -> Option<ReadBase> {
    let framed = system.read(&folder.join(BASE)).ok()?;
    let (rest, digest) = encoding::unframe(&framed)?;
    let mut bytes = Bytes(rest);
    let mut served = encoding::head(&mut bytes)?;
    let entries = encoding::files(&mut bytes, &Budget::new(usize::MAX))?;
    served.files = encoding::with_entries(&served.files, entries);
    served.former = encoding::former(&mut bytes, &served.files, &Budget::new(usize::MAX))?;
    Some(ReadBase { served, digest })
}

fn with_delta(system: &dyn FileSystem, folder: &Path, base: &ReadBase) -> Option<LastServed> {
    let framed = system.read(&folder.join(DELTA)).ok()?;
    let mut bytes = Bytes(encoding::unframe(&framed)?.0);
    if bytes.digest()? != base.digest {
        return None;
    }
    let mut served = encoding::head(&mut bytes)?;
    let (base, unlimited) = (&base.served.files, Budget::new(usize::MAX));
    served.files = encoding::with_entries(base, encoding::files(&mut bytes, &unlimited)?);
    served.former = encoding::former(&mut bytes, base, &unlimited)?;
    Some(served)
}

impl ServedStore {
    /// Opens the store in `folder`, and reads its files.
    pub fn open(system: &dyn FileSystem, folder: PathBuf, limit: usize) -> ServedStore {
        let mut store =
            ServedStore { folder, limit, base: None, withheld: BTreeMap::new(), written: None };
        let stat = system.metadata(&store.folder.join(BASE));
        if let (Ok(stat), Some(read)) = (stat, read_base(system, &store.folder)) {
            let last = with_delta(system, &store.folder, &read);
            store.withheld = last.map_or(read.served.withheld, |last| last.withheld);
            let files = read.served.files.iter();
            let files = files.map(|(path, source)| (path.to_owned(), source.digest())).collect();
            store.base = Some(Base { digest: read.digest, stat, files });
        }
        store
    }

    /// Writes the served state. Content that was withheld before keeps its time.
    ///
    /// After an error the disk has the state of the former write.
    pub fn write(&mut self, system: &dyn FileSystem, mut served: LastServed) -> io::Result<()> {
        for (path, withheld) in &mut served.withheld {
            if let Some(before) = self.withheld.get(path)
                && (before.left, before.why) == (withheld.left, withheld.why)
            {
                withheld.since = before.since;
            }
        }
        if !self.write_delta(system, &served)? {
            self.write_base(system, &served)?;
        }
        self.withheld = served.withheld;
        Ok(())
    }

    /// Writes the differences to `base`; false if a new one is due.
    fn write_delta(&mut self, system: &dyn FileSystem, served: &LastServed) -> io::Result<bool> {
        let Some(base) = &self.base else { return Ok(false) };
        if system.metadata(&self.folder.join(BASE)).ok().as_ref() != Some(&base.stat) {
            return Ok(false);
        }
        let entries = differences(system, &base.files, &served.files);
        let former = served.former.iter();
        let former = former.map(|state| (state, differences(system, &base.files, &state.files)));
        let former: Vec<_> = former.filter(|(_, entries)| are_whole(entries)).collect();
        let mut rest = Vec::new();
        encoding::put_digest(&mut rest, base.digest);
        encoding::put_head(&mut rest, served);
        encoding::put_files(&mut rest, &entries);
        encoding::put_former(&mut rest, &former);
        let size = usize::try_from(base.stat.len).unwrap_or(usize::MAX);
        if rest.len() > SMALL.max(size / 2) {
            return Ok(false);
        }
        let (framed, digest) = encoding::frame(&rest);
        let path = self.folder.join(DELTA);
        if self.written != Some(digest) || system.metadata(&path).is_err() {
            system.write_private(&path, &framed)?;
            self.written = Some(digest);
        }
        Ok(true)
    }

    fn write_base(&mut self, system: &dyn FileSystem, served: &LastServed) -> io::Result<()> {
        let files = served.files.iter();
        let files = files.map(|(path, source)| (path.to_owned(), source.digest())).collect();
        let mut room = self.limit;
        let entries = within(&mut room, system, served);
        let former = former_within(&mut room, system, &files, served);
        let mut rest = Vec::new();
        encoding::put_head(&mut rest, served);
        encoding::put_files(&mut rest, &entries);
        encoding::put_former(&mut rest, &former);
        let (framed, digest) = encoding::frame(&rest);
        let path = self.folder.join(BASE);
        // If the write fails, either file may be there.
        self.base = None;
        self.written = None;
        system.write_private(&path, &framed)?;
        self.base = Some(Base { digest, stat: system.metadata(&path)?, files });
        Ok(())
    }
}

/// All files, as many of them with their content as there is room for: first those that a new
/// process cannot do without, because their content on disk is withheld.
fn within<'a>(room: &mut usize, system: &dyn FileSystem, served: &'a LastServed) -> Vec<Entry<'a>> {
    let mut kept: BTreeMap<&Path, PackedSource<'a>> = BTreeMap::new();
    let withheld = served.withheld.keys();
    let first = withheld.filter_map(|path| Some((path.as_path(), served.files.get(path)?)));
    for (path, source) in first.chain(served.files.iter()) {
        if kept.contains_key(path) {
            continue;
        }
        let mut packed = encoding::packed(system, path, source);
        match room.checked_sub(size(&packed)) {
            Some(rest) => *room = rest,
            None => packed.packed = None,
        }
        kept.insert(path, packed);
    }
    kept.into_iter().map(|(path, packed)| (path, Some(packed))).collect()
}

/// The former states, the newest ones if there is no room for all. A part of one is of no use.
fn former_within<'a>(
    room: &mut usize,
    system: &dyn FileSystem,
    base: &'a BTreeMap<PathBuf, Digest>,
    served: &'a LastServed,
) -> Vec<(&'a FormerState, Vec<Entry<'a>>)> {
    let mut kept = Vec::new();
    for state in served.former.iter().rev() {
        let entries = differences(system, base, &state.files);
        let needed = entries.iter().filter_map(|(_, packed)| packed.as_ref()).map(size).sum();
        let Some(rest) = room.checked_sub(needed).filter(|_| are_whole(&entries)) else { continue };
        *room = rest;
        kept.push((state, entries));
    }
    kept.reverse();
    kept
}

/// The files in which `files` differs from `base`.
fn differences<'a>(
    system: &dyn FileSystem,
    base: &'a BTreeMap<PathBuf, Digest>,
    files: &'a SourceSnapshot,
) -> Vec<Entry<'a>> {
    let same = |path: &Path, digest| base.get(path) == Some(&digest);
    let news = files.iter().filter(|(path, source)| !same(path, source.digest()));
    let news = news.map(|(path, source)| (path, Some(encoding::packed(system, path, source))));
    let gone = base.keys().filter(|path| files.get(path).is_none());
    news.chain(gone.map(|path| (path.as_path(), None))).collect()
}

/// Is the content of each of these files known, as far as it counts?
fn are_whole(entries: &[Entry<'_>]) -> bool {
    entries.iter().all(|(path, packed)| {
        let is_known = |packed: &PackedSource<'_>| packed.packed.is_some() || packed.len.is_none();
        let counts = is_source(path) || packed.as_ref().is_some_and(|packed| packed.served);
        !counts || packed.as_ref().is_none_or(is_known)
    })
}

fn size(packed: &PackedSource<'_>) -> usize {
    packed.packed.as_ref().map_or(0, |packed| packed.len())
}
