//! What does git ignore under the roots?
//!
//! Build output, generated code, environments: what nobody keeps is no source of anybody's. The
//! rules are those of the `.gitignore` files from the top of the work tree down, and of
//! `.git/info/exclude`; the pattern language is that of the crate `ignore`. Whether a file is tracked
//! all the same is not looked up. A root that is ignored itself was named on purpose: it is live as
//! a whole. Files are read once and kept until [`Ignored::forget`].

use crate::{
    Kind, System,
    sync::{Mutex, lock},
};
use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The name of the files with rules.
pub(crate) const FILE: &str = ".gitignore";

/// What git ignores, as far as anybody asked.
#[derive(Debug, Default)]
pub(crate) struct Ignored {
    /// What was read. A lock because askers fill it; held for a look-up, never while files are read.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// `/srv/current/shop` to the work tree that it lies in; none if in no work tree, or ignored there.
    trees: BTreeMap<PathBuf, Option<Arc<Tree>>>,
    /// `/srv/releases/42/shop` to the rules in it.
    rules: BTreeMap<PathBuf, Arc<Rules>>,
}

/// Where a root lies in a work tree.
#[derive(Debug)]
struct Tree {
    /// `/srv/releases/42/shop`: the root without links, as git names files.
    real: PathBuf,
    /// What `.git/info/exclude` says.
    exclude: Gitignore,
}

/// What one directory says.
#[derive(Debug)]
struct Rules {
    /// Its `.gitignore`; nothing where there is none.
    file: Gitignore,
    /// Is it the top of a work tree, beyond which nothing is said?
    top: bool,
}

impl Ignored {
    /// Does git ignore what lies at `inside` under `root`? The directories above it are taken as not
    /// ignored.
    pub(crate) fn ignores(
        &self,
        system: &dyn System,
        root: &Path,
        inside: &Path,
        is_dir: bool,
    ) -> bool {
        self.tree(system, root).is_some_and(|tree| {
            self.matches(system, &tree.exclude, &tree.real.join(inside), is_dir)
        })
    }

    /// Files have changed that say what is ignored, or what a root is: ask them again.
    pub(crate) fn forget(&self) {
        *lock(&self.known) = Known::default();
    }

    /// The files outside of `root` that say what is ignored in it, there or not.
    pub(crate) fn outside(system: &dyn System, root: &Path) -> Vec<PathBuf> {
        let Some((real, top)) = place(system, root) else { return Vec::new() };
        let above = real.ancestors().skip(1).take_while(|dir| dir.starts_with(&top));
        let mut files: Vec<_> = above.map(|dir| dir.join(FILE)).collect();
        files.push(exclude_file(system, &top));
        files
    }

    fn tree(&self, system: &dyn System, root: &Path) -> Option<Arc<Tree>> {
        if let Some(known) = lock(&self.known).trees.get(root) {
            return known.clone();
        }
        let found = place(system, root).and_then(|(real, top)| {
            let exclude = rules(system, &exclude_file(system, &top), &top);
            let above = |path: &Path| {
                real.parent().is_some_and(|dir| self.decide(system, &exclude, dir, path, true))
            };
            let mut way = real.ancestors().take_while(|dir| **dir != top);
            // `build/**` names what is in a folder and not the folder.
            let ignored = way.any(|dir| self.matches(system, &exclude, dir, true))
                || (real != top && above(&real.join("anything")));
            (!ignored).then(|| Arc::new(Tree { real: real.clone(), exclude }))
        });
        lock(&self.known).trees.insert(root.to_owned(), found.clone());
        found
    }

    fn matches(&self, system: &dyn System, exclude: &Gitignore, path: &Path, is_dir: bool) -> bool {
        path.parent().is_some_and(|dir| self.decide(system, exclude, dir, path, is_dir))
    }

    /// The nearest file with a rule for `path` decides, from the directory `nearest` up.
    fn decide(
        &self,
        system: &dyn System,
        exclude: &Gitignore,
        nearest: &Path,
        path: &Path,
        is_dir: bool,
    ) -> bool {
        for dir in nearest.ancestors() {
            let rules = self.rules(system, dir);
            match rules.file.matched(path, is_dir) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => {}
            }
            if rules.top {
                break;
            }
        }
        path.starts_with(exclude.path()) && exclude.matched(path, is_dir).is_ignore()
    }

    fn rules(&self, system: &dyn System, dir: &Path) -> Arc<Rules> {
        if let Some(known) = lock(&self.known).rules.get(dir) {
            return Arc::clone(known);
        }
        let top = system.stat(&dir.join(".git")).is_ok();
        let read = Arc::new(Rules { file: rules(system, &dir.join(FILE), dir), top });
        lock(&self.known).rules.insert(dir.to_owned(), Arc::clone(&read));
        read
    }
}

/// A root without links, and the top of the work tree that it lies in.
fn place(system: &dyn System, root: &Path) -> Option<(PathBuf, PathBuf)> {
    let real = system.canonical(root).ok()?;
    let top = real.ancestors().find(|dir| system.stat(&dir.join(".git")).is_ok())?.to_owned();
    Some((real, top))
}

/// Where a work tree says what is ignored without telling others.
fn exclude_file(system: &dyn System, top: &Path) -> PathBuf {
    let git = top.join(".git");
    let text = |path: &Path| String::from_utf8(system.read(path).ok()?).ok();
    // In a work tree of its own, or a submodule, `.git` is a file that names the folder.
    let linked = system.stat(&git).is_ok_and(|stat| stat.kind == Kind::File);
    let named = linked.then(|| text(&git)).flatten();
    let folder = match named.as_deref().and_then(|text| text.strip_prefix("gitdir:")) {
        Some(named) => top.join(named.trim()),
        None => git,
    };
    let shared = text(&folder.join("commondir")).map(|shared| folder.join(shared.trim()));
    shared.unwrap_or(folder).join("info").join("exclude")
}

/// The rules in a file, for what lies under `dir`. A pattern that makes no sense is left out, as git does.
fn rules(system: &dyn System, file: &Path, dir: &Path) -> Gitignore {
    let Ok(content) = system.read(file) else { return Gitignore::empty() };
    let mut builder = GitignoreBuilder::new(dir);
    for line in String::from_utf8_lossy(&content).lines() {
        let _ = builder.add_line(Some(file.to_owned()), line);
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}
