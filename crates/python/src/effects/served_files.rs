//! What does a file contain in the generation of the code that reads it?
//!
//! Templates are read while requests run, long after the module that renders them. A file that is
//! read through here becomes part of the view of each generation in use, with its content. So a
//! change of it makes a generation, in which no module has to run, and former generations go on
//! reading what they have. Files outside of roots and project are none of ours.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transfuse_engine::{FileKind, FileSystem, OneLook, Roots, Source, is_source};

use crate::effects::{data_files, kept_content};
use crate::state::command::Command;
use crate::state::{execution_stack, generation::Generation, runtime::Runtime, scope::Scope};

/// Larger files are not kept: they are read from disk.
const LIMIT: u64 = 16 << 20;
/// A folder is kept as a whole up to this number of files.
const MANY: usize = 4_000;
/// And only files up to this size.
const LARGE: u64 = 1 << 20;

/// The file as the generation knows it, and its path there. None if it is none of ours.
///
/// The module that is being executed depends on it, and so does one whose function keeps what it read.
pub fn find(scope: &Scope<'_>, path: &Path) -> Option<(PathBuf, Arc<Source>)> {
    let found = known(scope, path).or_else(|| {
        let path = scope.runtime.roots.data_path(&*scope.runtime.system, path)?;
        let source = match known(scope, &path) {
            Some((_, source)) => source,
            None => admit(scope, &path)?,
        };
        Some((path, source))
    });
    if let Some((path, source)) = &found {
        match execution_stack::innermost(scope.py) {
            Some(running) => data_files::depend(scope.runtime, &running, path, source),
            None => kept_content::read_by_function(scope.py, path),
        }
    }
    found
}

/// The file, if the generation knows its content.
fn known(scope: &Scope<'_>, path: &Path) -> Option<(PathBuf, Arc<Source>)> {
    let view = scope.generation.get().view();
    let source = view.get(path).filter(|source| source.is_served() || is_source(path))?;
    Some((path.to_owned(), source.clone()))
}

/// Makes a file that is read for the first time part of all generations in use.
fn admit(scope: &Scope<'_>, path: &Path) -> Option<Arc<Source>> {
    let Scope { py, runtime, .. } = *scope;
    let source = if is_source(path) { None } else { py.detach(|| read(runtime, path, LIMIT)) }?;
    for generation in runtime.alive(py) {
        keep(generation.get(), path, &source);
    }
    if !runtime.roots.is_walked(&*runtime.system, path) {
        runtime.command(Command::Follow(path.to_owned()));
    }
    // A file that a module has read as data before may have changed since.
    scope.generation.get().view().get(path).cloned()
}

/// Puts a file into a view that does not have it, or has only the digest of the same content.
fn keep(generation: &Generation, path: &Path, source: &Arc<Source>) {
    generation.admit(|view| match view.get(path) {
        Some(there) if there.is_existence() => view.with(path, source.clone()),
        Some(there) if there.is_served() || there.digest() != source.digest() => view.clone(),
        _ => view.with(path, source.clone()),
    });
}

/// A file's content, or that it does not exist. None if it cannot be kept.
fn read(runtime: &Runtime, path: &Path, limit: u64) -> Option<Arc<Source>> {
    match content(&*runtime.system, path, limit) {
        Ok(content) => Some(Source::served(Some(&content?), &runtime.budget)),
        Err(error) if data_files::ABSENT.contains(&error.kind()) => {
            Some(Source::served(None, &runtime.budget))
        }
        Err(_) => None,
    }
}

/// A file's content, if it is of a kind and size that is kept; an error if it has no metadata.
fn content(system: &dyn FileSystem, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let stat = system.metadata(path)?;
    let kept = stat.kind == FileKind::File && stat.len <= limit;
    Ok(if kept { system.read(path).ok() } else { None })
}

/// Keeps the text files in a folder before one of them is read, so that a request on old code that
/// reads one for the first time after a deploy finds the content of its own generation. Nothing is
/// kept of a folder with source, or with roots in it, because programs write other files there.
pub fn keep_folder(scope: &Scope<'_>, dir: &Path) {
    let Scope { py, runtime, .. } = *scope;
    let (system, roots) = (&OneLook::at(&*runtime.system), &runtime.roots);
    let Some(dir) = roots.data_path(system, dir) else { return };
    let holds_root = roots.dirs().iter().map(PathBuf::as_path).chain(roots.project());
    if holds_root.into_iter().any(|root| root.starts_with(&dir)) {
        return;
    }
    let found = py.detach(|| {
        let paths = files_in(system, roots, &dir)?;
        let kept = paths.into_iter().filter_map(|path| {
            let content = content(system, &path, LARGE).ok().flatten()?;
            // Before it is compressed.
            let is_text = !content.contains(&0);
            is_text.then(|| (path, Source::served(Some(&content), &runtime.budget)))
        });
        Some(kept.collect::<Vec<_>>())
    });
    let generations = runtime.alive(py);
    for (path, source) in found.into_iter().flatten() {
        generations.iter().for_each(|generation| keep(generation.get(), &path, &source));
        if !roots.is_walked(system, &path) {
            runtime.command(Command::Follow(path));
        }
    }
}

/// The files in a folder and below. None if there are too many, or if one is source.
fn files_in(system: &dyn FileSystem, roots: &Roots, dir: &Path) -> Option<Vec<PathBuf>> {
    let (mut files, mut dirs, mut seen) = (Vec::new(), vec![dir.to_owned()], 0);
    while let Some(dir) = dirs.pop() {
        for path in system.read_dir(&dir).unwrap_or_default() {
            seen += 1;
            if seen > MANY || is_source(&path) {
                return None;
            }
            match system.metadata(&path).map(|stat| stat.kind) {
                Ok(FileKind::Dir) => dirs.push(path),
                Ok(FileKind::File) if roots.follows(system, &path) => files.push(path),
                _ => {}
            }
        }
    }
    Some(files)
}
