//! Which files are live, and what is each called?
//!
//! Decided by where a file lies and by names alone; only a virtual environment, and what git
//! ignores, have to be looked for on disk. What is *in* a root at some moment is the business of `scan` and `view`. Where roots
//! are nested, the deepest one names the file, and only its exclusions count.

use crate::{
    EngineError, Kind, ModuleName, System,
    ignored::{self, Ignored},
    system::is_absent,
};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::{
    path::{Component, Path, PathBuf},
    sync::Arc,
};

/// Directories that are never live, whatever the settings say.
const FOREIGN: [&str; 4] = ["__pycache__", "node_modules", "site-packages", "dist-packages"];

/// The directories whose Python source is live.
#[derive(Clone, Debug)]
pub struct Roots {
    /// `/srv/current/shop`, absolute, without repeats, in the order given. Links are not resolved:
    /// where one leads elsewhere tomorrow, the root is still this one. Set once.
    dirs: Vec<PathBuf>,
    /// The same roots, deepest first: the order in which a path looks for its root.
    by_depth: Vec<PathBuf>,
    /// `legacy/**`: what the user excluded, matched against a path relative to its root.
    exclude: GlobSet,
    /// `shop/**`: if there are any, only source that matches one is live.
    include: GlobSet,
    /// What git ignores; none if that is live all the same. Shared by all clones.
    ignored: Option<Arc<Ignored>>,
}

/// Is this a name of Python source?
pub fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "py")
}

impl Roots {
    /// The roots at `paths`, without what matches a glob in `exclude`.
    pub fn new(
        system: &dyn System,
        paths: &[PathBuf],
        exclude: &[String],
    ) -> Result<Roots, EngineError> {
        let mut dirs: Vec<PathBuf> = Vec::new();
        let mut reals: Vec<PathBuf> = Vec::new();
        for path in paths {
            let real = canonical_dir(system, path)?;
            if !reals.contains(&real) {
                dirs.push(lexical(path).unwrap_or_else(|| real.clone()));
                reals.push(real);
            }
        }
        let mut by_depth = dirs.clone();
        by_depth.sort_by_key(|dir| std::cmp::Reverse(dir.components().count()));
        let (exclude, include) = (globs(exclude)?, GlobSet::empty());
        Ok(Roots { dirs, by_depth, exclude, include, ignored: None })
    }

    /// The same, but of the source only what matches a glob in `include`, if there is any.
    pub fn including(self, include: &[String]) -> Result<Roots, EngineError> {
        Ok(Roots { include: globs(include)?, ..self })
    }

    /// The same without what git ignores.
    #[must_use]
    pub fn without_ignored(self) -> Roots {
        Roots { ignored: Some(Arc::default()), ..self }
    }

    /// The roots: absolute, in the order given.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// The name that a path has here: under a root as the root is spelled, whichever links led to it.
    /// None where it has nothing to do with a root: it lies neither under one nor above one.
    pub fn spelled(&self, system: &dyn System, path: &Path) -> Option<PathBuf> {
        let touches = |path: &Path, root: &Path| path.starts_with(root) || root.starts_with(path);
        if let Some(path) = lexical(path)
            && self.by_depth.iter().any(|root| touches(&path, root))
        {
            return Some(path);
        }
        let real = system.canonical(path).ok()?;
        self.by_depth.iter().find_map(|root| {
            let real_root = system.canonical(root).ok()?;
            match real.strip_prefix(&real_root) {
                Ok(inside) if inside.as_os_str().is_empty() => Some(root.clone()),
                Ok(inside) => Some(root.join(inside)),
                Err(_) => {
                    let above = real_root.strip_prefix(&real).ok()?;
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

    /// Does git ignore `path`? Looks at its own name; the directories above it are taken as admitted.
    /// Of files only source is asked about: a data file that a module has read is what it is.
    pub fn ignores(&self, system: &dyn System, path: &Path, is_dir: bool) -> bool {
        let Some(ignored) = self.ignored.as_ref().filter(|_| is_dir || is_source(path)) else {
            return false;
        };
        self.root_of(path).is_some_and(|root| {
            let inside = path.strip_prefix(root).unwrap_or(path);
            ignored.ignores(system, root, inside, is_dir)
        })
    }

    /// Is this a file that says what git ignores?
    pub fn has_rules(&self, path: &Path) -> bool {
        self.ignored.is_some() && path.file_name().is_some_and(|name| name == ignored::FILE)
    }

    /// The files outside of the roots that say what is ignored in them, there or not, without links.
    pub fn rules_outside(&self, system: &dyn System) -> Vec<PathBuf> {
        let dirs = self.ignored.iter().flat_map(|_| &self.dirs);
        dirs.flat_map(|root| Ignored::outside(system, root)).collect()
    }

    /// What git ignores may be something else now.
    pub fn forget_rules(&self) {
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

    /// May the directory at `path` hold live source? Looks at its own name and content; those above
    /// it are taken as admitted.
    pub fn admits_dir(&self, system: &dyn System, path: &Path) -> bool {
        if self.is_root(path) {
            return true;
        }
        self.root_of(path).is_some()
            && system.stat(&path.join("pyvenv.cfg")).is_err()
            && !self.ignores(system, path, true)
    }

    /// Are `path` and each directory between it and its root admitted?
    pub fn admits_way_to(&self, system: &dyn System, path: &Path) -> bool {
        let Some(root) = self.root_of(path) else { return false };
        let above = path.ancestors().skip(1).take_while(|dir| *dir != root);
        above.filter(|dir| dir.starts_with(root)).all(|dir| self.admits_dir(system, dir))
    }

    /// Is this path, relative to its root, included: itself or by a directory above it?
    fn includes(&self, inside: &Path) -> bool {
        self.include.is_empty()
            || inside
                .ancestors()
                .filter(|part| !part.as_os_str().is_empty())
                .any(|part| self.include.is_match(part))
    }

    /// Is this path, relative to its root, excluded: itself or by a directory above it?
    fn excludes(&self, inside: &Path) -> bool {
        let foreign = inside.components().any(|part| match part {
            Component::Normal(part) => {
                part.as_encoded_bytes().starts_with(b".")
                    || FOREIGN.iter().any(|name| part == *name)
            }
            _ => true,
        });
        foreign
            || (!self.exclude.is_empty()
                && inside
                    .ancestors()
                    .filter(|part| !part.as_os_str().is_empty())
                    .any(|part| self.exclude.is_match(part)))
    }
}

/// A path made absolute without a look at the disk; none where that takes one (`..`).
fn lexical(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    (!absolute.components().any(|part| part == Component::ParentDir)).then_some(absolute)
}

fn canonical_dir(system: &dyn System, path: &Path) -> Result<PathBuf, EngineError> {
    let path = path.to_owned();
    let found = system.canonical(&path).and_then(|dir| Ok((system.stat(&dir)?.kind, dir)));
    match found {
        Ok((Kind::Dir, dir)) => Ok(dir),
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
