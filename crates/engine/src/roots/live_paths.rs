//! Which files are live, and what are their module names?
//!
//! The path and the name decide; only virtual environments and ignored files require a look at the
//! disk. The content of a root is the subject of `scan` and `snapshot`. If roots are nested, the
//! deepest one names the file, and only its exclusions count.

use super::gitignore::{self, GitIgnore};
use crate::base::{EngineError, ModuleName};
use crate::fs::{FileKind, FileSystem, is_absent};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Directories that are never live, whatever the settings say.
const FOREIGN: [&str; 4] = ["__pycache__", "node_modules", "site-packages", "dist-packages"];

/// Directories of version control, which are written with each command. Their files can be read, but
/// a listing of them says nothing about the program.
const VERSION_CONTROL: [&str; 3] = [".git", ".hg", ".svn"];

/// The directories whose Python source is live.
#[derive(Clone, Debug)]
pub struct Roots {
    /// `/srv/current/shop`, absolute, without repeats, in the order given. Links are not resolved,
    /// because a deploy may switch them while the root keeps its path. Set once.
    dirs: Vec<PathBuf>,
    /// The same roots, deepest first: the order in which a path's root is searched.
    by_depth: Vec<PathBuf>,
    /// `legacy/**`: the user's patterns, matched against a path relative to its root.
    exclude: GlobSet,
    /// `shop/**`: if there are any, only source that matches one is live.
    include: GlobSet,
    /// The ignore rules of git; none if ignored files are live. Shared by all clones.
    ignored: Option<Arc<GitIgnore>>,
    /// `/srv/shop`: the directory of the project, if it is known. Data files in it count, outside of
    /// the roots too: `conf/prices.yaml` beside `src`. Set once.
    project: Option<PathBuf>,
}

/// Is this the name of a Python source file?
pub fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "py")
}

impl Roots {
    /// The roots at `paths`, without paths that match a glob in `exclude`.
    pub fn new(
        system: &dyn FileSystem,
        paths: &[PathBuf],
        exclude: &[String],
    ) -> Result<Roots, EngineError> {
        let mut dirs: Vec<PathBuf> = Vec::new();
        let mut reals: Vec<PathBuf> = Vec::new();
        for path in paths {
            let real = canonical_dir(system, path)?;
            if !reals.contains(&real) {
                dirs.push(lexical(system, path).unwrap_or_else(|| real.clone()));
                reals.push(real);
            }
        }
        let mut by_depth = dirs.clone();
        by_depth.sort_by_key(|dir| std::cmp::Reverse(dir.components().count()));
        let (exclude, include) = (globs(exclude)?, GlobSet::empty());
        Ok(Roots { dirs, by_depth, exclude, include, ignored: None, project: None })
    }

    /// The same roots, but only with source that matches a glob in `include`, if there is any.
    pub fn including(self, include: &[String]) -> Result<Roots, EngineError> {
        Ok(Roots { include: globs(include)?, ..self })
    }

    /// The same roots without files that git ignores.
    #[must_use]
    pub fn without_ignored(self) -> Roots {
        Roots { ignored: Some(Arc::default()), ..self }
    }

    /// The same roots, with the data files in the directory `project`.
    #[must_use]
    pub fn with_project(self, system: &dyn FileSystem, project: &Path) -> Roots {
        Roots { project: lexical(system, project), ..self }
    }

    /// The directory of the project, if it is known.
    pub fn project(&self) -> Option<&Path> {
        self.project.as_deref()
    }

    /// The roots: absolute, in the order given.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// The same path, spelled with the root as it was given, whichever links lead to it. None if
    /// the path is neither under a root nor above one.
    pub fn path_under_root(&self, system: &dyn FileSystem, path: &Path) -> Option<PathBuf> {
        self.spelled_under_root(system, path).or_else(|| {
            // Resolving it costs a system call for each part of it. Imports ask for each entry of the
            // search path, and one that does not exist is asked for again each time.
            system.metadata(path).ok()?;
            self.under_root(system, &system.canonicalize(path).ok()?)
        })
    }

    /// The absolute path, if it is written so that it touches a root.
    fn spelled_under_root(&self, system: &dyn FileSystem, path: &Path) -> Option<PathBuf> {
        let touches = |path: &Path, root: &Path| path.starts_with(root) || root.starts_with(path);
        lexical(system, path).filter(|path| self.by_depth.iter().any(|root| touches(path, root)))
    }

    /// A path without links, spelled with the root as it was given, if it touches one.
    fn under_root(&self, system: &dyn FileSystem, real: &Path) -> Option<PathBuf> {
        self.by_depth.iter().find_map(|root| {
            let real_root = system.canonicalize(root).ok()?;
            match real.strip_prefix(&real_root) {
                Ok(inside) if inside.as_os_str().is_empty() => Some(root.clone()),
                Ok(inside) => Some(root.join(inside)),
                Err(_) => {
                    let above = real_root.strip_prefix(real).ok()?;
                    let spelled = root.ancestors().nth(above.components().count())?;
                    root.ends_with(above).then(|| spelled.to_owned())
                }
            }
        })
    }

    /// Is `path` itself a root?
    pub fn is_root(&self, path: &Path) -> bool {
        self.dirs.iter().any(|dir| dir == path)
    }

    /// The root that `path` (a file or a directory) belongs to; none if it is foreign or excluded.
    pub fn root_of(&self, path: &Path) -> Option<&Path> {
        let root = self.by_depth.iter().find(|root| path.starts_with(root))?;
        let inside = path.strip_prefix(root).ok()?;
        if self.excludes(inside) || is_source(path) && !self.includes(inside) {
            return None;
        }
        Some(root)
    }

    /// Does git ignore `path`? Checks its own name; the caller has checked the directories above
    /// it. Only directories and source can be ignored: a data file that a module has read always
    /// counts.
    pub fn ignores(&self, system: &dyn FileSystem, path: &Path, is_dir: bool) -> bool {
        let Some(ignored) = self.ignored.as_ref().filter(|_| is_dir || is_source(path)) else {
            return false;
        };
        self.root_of(path).is_some_and(|root| {
            let inside = path.strip_prefix(root).unwrap_or(path);
            ignored.ignores(system, root, inside, is_dir)
        })
    }

    /// Is this a file with ignore rules?
    pub fn is_ignore_file(&self, path: &Path) -> bool {
        self.ignored.is_some() && path.file_name().is_some_and(|name| name == gitignore::FILE_NAME)
    }

    /// The files outside the roots that have ignore rules for them, existing or not, without links.
    pub fn ignore_files_outside(&self, system: &dyn FileSystem) -> Vec<PathBuf> {
        let dirs = self.ignored.iter().flat_map(|_| &self.dirs);
        dirs.flat_map(|root| GitIgnore::outside(system, root)).collect()
    }

    /// Reads the ignore rules again when they are next needed.
    pub fn forget_ignore_rules(&self) {
        if let Some(ignored) = &self.ignored {
            ignored.forget();
        }
    }

    /// The name of the module in the file at `path`: `shop.web` for `shop/web/__init__.py`.
    pub fn name_of(&self, path: &Path) -> Option<ModuleName> {
        if !is_source(path) {
            return None;
        }
        let inside = path.strip_prefix(self.root_of(path)?).ok()?.with_extension("");
        let mut parts = Vec::new();
        for part in inside.components() {
            parts.push(part.as_os_str().to_str().filter(|part| !part.contains('.'))?);
        }
        if parts.last() == Some(&"__init__") {
            parts.pop();
        }
        ModuleName::new(&parts.join(".")).ok()
    }

    /// May the directory at `path` hold live source? Checks its own name and content; the caller
    /// has checked the directories above it.
    pub fn admits_dir(&self, system: &dyn FileSystem, path: &Path) -> bool {
        if self.is_root(path) {
            return true;
        }
        self.root_of(path).is_some()
            && system.metadata(&path.join("pyvenv.cfg")).is_err()
            && !self.ignores(system, path, true)
    }

    /// Are `path` and each directory between it and its root admitted?
    pub fn is_live_path(&self, system: &dyn FileSystem, path: &Path) -> bool {
        let Some(root) = self.root_of(path) else { return false };
        let above = path.ancestors().skip(1).take_while(|dir| *dir != root);
        above.filter(|dir| dir.starts_with(root)).all(|dir| self.admits_dir(system, dir))
    }

    /// The absolute path of data that is under a root or in the project, spelled with the root as it
    /// was given. The file does not have to exist.
    pub fn data_path(&self, system: &dyn FileSystem, path: &Path) -> Option<PathBuf> {
        let spelled = self.spelled_under_root(system, path).or_else(|| {
            let path = system.absolute(path).ok()?;
            let resolved = || self.under_root(system, &system.canonicalize(&path).ok()?);
            let Some(name) = path.file_name() else { return resolved() };
            // The directory first: resolving a path costs a system call for each part of it, most
            // files that are read while modules load are foreign, and few are links. A path that
            // does not exist cannot be resolved as a whole either.
            let beside = system.canonicalize(path.parent()?).ok()?.join(name);
            let is_link = || matches!(system.read_link(&path), Ok(Some(_)));
            self.under_root(system, &beside)
                .or_else(|| if is_link() { resolved() } else { None })
                .or_else(|| Some(lexical(system, &path).unwrap_or(beside)))
        });
        spelled.filter(|path| self.follows(system, path))
    }

    /// Can `path` be data that a module depends on: a file that it read, a directory that it listed?
    /// The name of data may be any name, `.env` or `.d/x`, and git may ignore it.
    pub fn follows(&self, system: &dyn FileSystem, path: &Path) -> bool {
        let root = self
            .by_depth
            .iter()
            .find(|root| path.starts_with(root))
            .or(self.project.as_ref().filter(|project| path.starts_with(project)));
        let Some(root) = root else { return false };
        if is_source(path) {
            return self.is_live_path(system, path) && !self.ignores(system, path, false);
        }
        let inside = path.strip_prefix(root).unwrap_or(path);
        let mut above = path.ancestors().skip(1).take_while(|dir| dir.starts_with(root));
        !is_in(inside, &FOREIGN)
            && !matches_any(&self.exclude, inside)
            && !above.any(|dir| dir != root && system.metadata(&dir.join("pyvenv.cfg")).is_ok())
    }

    /// Does an absolute path lie under a root or in the project, as it is spelled?
    pub fn is_beneath(&self, path: &Path) -> bool {
        self.dirs.iter().chain(&self.project).any(|dir| path.starts_with(dir))
    }

    /// Can a module depend on which entries the directory at `path` has?
    pub fn follows_listing(&self, system: &dyn FileSystem, path: &Path) -> bool {
        self.follows(system, path) && !is_in(path, &VERSION_CONTROL)
    }

    /// Does a walk from the root come to this file or directory, so that it is watched and compared?
    pub fn is_walked(&self, system: &dyn FileSystem, path: &Path) -> bool {
        let is_dir = || system.metadata(path).is_ok_and(|found| found.kind == FileKind::Dir);
        self.is_live_path(system, path) && (!is_dir() || self.admits_dir(system, path))
    }

    /// Is this path, relative to its root, included, itself or by a directory above it?
    fn includes(&self, inside: &Path) -> bool {
        self.include.is_empty() || matches_any(&self.include, inside)
    }

    /// Is this path, relative to its root, excluded, itself or by a directory above it?
    fn excludes(&self, inside: &Path) -> bool {
        let foreign = inside.components().any(|part| match part {
            Component::Normal(part) => {
                part.as_encoded_bytes().starts_with(b".")
                    || FOREIGN.iter().any(|name| part == *name)
            }
            _ => true,
        });
        foreign || matches_any(&self.exclude, inside)
    }
}

/// Is one of the parts of `path` one of these names?
fn is_in(path: &Path, names: &[&str]) -> bool {
    path.components().any(|part| names.iter().any(|name| part.as_os_str() == *name))
}

/// Does a glob match this path, or a directory above it?
fn matches_any(globs: &GlobSet, inside: &Path) -> bool {
    let mut parts = inside.ancestors().filter(|part| !part.as_os_str().is_empty());
    !globs.is_empty() && parts.any(|part| globs.is_match(part))
}

/// The absolute path, without a look at the disk; none if `..` would require one.
fn lexical(system: &dyn FileSystem, path: &Path) -> Option<PathBuf> {
    let absolute = system.absolute(path).ok()?;
    (!absolute.components().any(|part| part == Component::ParentDir)).then_some(absolute)
}

fn canonical_dir(system: &dyn FileSystem, path: &Path) -> Result<PathBuf, EngineError> {
    let path = path.to_owned();
    let found = system.canonicalize(&path).and_then(|dir| Ok((system.metadata(&dir)?.kind, dir)));
    match found {
        Ok((FileKind::Dir, dir)) => Ok(dir),
        Ok(_) => Err(EngineError::RootNotADirectory { path }),
        Err(error) if is_absent(&error) => Err(EngineError::RootMissing { path }),
        Err(source) => Err(EngineError::RootUnreadable { path, source }),
    }
}

fn globs(patterns: &[String]) -> Result<GlobSet, EngineError> {
    let mut globs = GlobSetBuilder::new();
    for pattern in patterns {
        let bad = |source| EngineError::BadPattern { pattern: pattern.clone(), source };
        let trimmed = pattern.trim_end_matches('/');
        globs.add(GlobBuilder::new(trimmed).literal_separator(true).build().map_err(bad)?);
    }
    globs.build().map_err(|source| EngineError::BadPattern { pattern: patterns.join(", "), source })
}
