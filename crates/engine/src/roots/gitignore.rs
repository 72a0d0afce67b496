//! What does git ignore under the roots?
//!
//! Build output, generated code and environments are not part of the project's source. The rules
//! are those of the `.gitignore` files from the top of the work tree down, and of
//! `.git/info/exclude`; the crate `ignore` defines the pattern language. Whether an ignored file is
//! tracked is not checked. A root that is ignored itself was named on purpose, so all of it is
//! live. Files are read once and cached until [`GitIgnore::forget`].

use crate::concurrency::sync::Mutex;
use crate::fs::{FileKind, FileSystem};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::path::{Path, PathBuf};
use std::{collections::BTreeMap, sync::Arc};

/// The name of the files with ignore rules.
pub(crate) const FILE_NAME: &str = ".gitignore";

#[derive(Debug, Default)]
pub(crate) struct GitIgnore {
    /// A lock because queries fill the cache; held for a look-up, never while files are read.
    cache: Mutex<IgnoreCache>,
}

#[derive(Debug, Default)]
struct IgnoreCache {
    /// `/srv/current/shop` to its work tree; none if it is in no work tree, or ignored there.
    trees: BTreeMap<PathBuf, Option<Arc<WorkTree>>>,
    /// `/srv/releases/42/shop` to the rules in it.
    rules: BTreeMap<PathBuf, Arc<DirRules>>,
}

/// The place of a root in its work tree.
#[derive(Debug)]
struct WorkTree {
    /// `/srv/releases/42/shop`: the root without links, as git names files.
    real: PathBuf,
    /// The rules in `.git/info/exclude`.
    exclude: Gitignore,
}

#[derive(Debug)]
struct DirRules {
    /// Its `.gitignore`; empty if there is none.
    file: Gitignore,
    /// Is it the top of a work tree, where the search for rules ends?
    top: bool,
}

impl GitIgnore {
    /// Does git ignore `inside`, a path relative to `root`? The caller has checked the directories
    /// above it.
    pub(crate) fn ignores(
        &self,
        system: &dyn FileSystem,
        root: &Path,
        inside: &Path,
        is_dir: bool,
    ) -> bool {
        self.tree(system, root).is_some_and(|tree| {
            self.matches(system, &tree.exclude, &tree.real.join(inside), is_dir)
        })
    }

    /// Drops the cache, after a change of an ignore file or of a link to a root.
    pub(crate) fn forget(&self) {
        *self.cache.lock() = IgnoreCache::default();
    }

    /// The files outside `root` that have rules for it, existing or not.
    pub(crate) fn outside(system: &dyn FileSystem, root: &Path) -> Vec<PathBuf> {
        let Some((real, top)) = work_tree_of(system, root) else { return Vec::new() };
        let above = real.ancestors().skip(1).take_while(|dir| dir.starts_with(&top));
        let mut files: Vec<_> = above.map(|dir| dir.join(FILE_NAME)).collect();
        files.push(exclude_file(system, &top));
        files
    }

    fn tree(&self, system: &dyn FileSystem, root: &Path) -> Option<Arc<WorkTree>> {
        if let Some(known) = self.cache.lock().trees.get(root) {
            return known.clone();
        }
        let found = work_tree_of(system, root).and_then(|(real, top)| {
            let exclude = rules(system, &exclude_file(system, &top), &top);
            let above = |path: &Path| {
                real.parent().is_some_and(|dir| self.decide(system, &exclude, dir, path, true))
            };
            let mut dirs = real.ancestors().take_while(|dir| **dir != top);
            // The pattern `build/**` matches the content of a folder, but not the folder.
            let ignored = dirs.any(|dir| self.matches(system, &exclude, dir, true))
                || (real != top && above(&real.join("anything")));
            (!ignored).then(|| Arc::new(WorkTree { real: real.clone(), exclude }))
        });
        self.cache.lock().trees.insert(root.to_owned(), found.clone());
        found
    }

    fn matches(
        &self,
        system: &dyn FileSystem,
        exclude: &Gitignore,
        path: &Path,
        is_dir: bool,
    ) -> bool {
        path.parent().is_some_and(|dir| self.decide(system, exclude, dir, path, is_dir))
    }

    /// The nearest file with a rule for `path` decides, from the directory `nearest` up.
    fn decide(
        &self,
        system: &dyn FileSystem,
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

    fn rules(&self, system: &dyn FileSystem, dir: &Path) -> Arc<DirRules> {
        if let Some(known) = self.cache.lock().rules.get(dir) {
            return Arc::clone(known);
        }
        let top = system.metadata(&dir.join(".git")).is_ok();
        let read = Arc::new(DirRules { file: rules(system, &dir.join(FILE_NAME), dir), top });
        self.cache.lock().rules.insert(dir.to_owned(), Arc::clone(&read));
        read
    }
}

/// A root without links, and the top of its work tree.
fn work_tree_of(system: &dyn FileSystem, root: &Path) -> Option<(PathBuf, PathBuf)> {
    let real = system.canonicalize(root).ok()?;
    let top = real.ancestors().find(|dir| system.metadata(&dir.join(".git")).is_ok())?.to_owned();
    Some((real, top))
}

/// The work tree's private exclude file, which is not committed.
fn exclude_file(system: &dyn FileSystem, top: &Path) -> PathBuf {
    let git = top.join(".git");
    let text = |path: &Path| String::from_utf8(system.read(path).ok()?).ok();
    // In a linked work tree, or a submodule, `.git` is a file that names the folder.
    let linked = system.metadata(&git).is_ok_and(|found| found.kind == FileKind::File);
    let named = linked.then(|| text(&git)).flatten();
    let folder = match named.as_deref().and_then(|text| text.strip_prefix("gitdir:")) {
        Some(named) => top.join(named.trim()),
        None => git,
    };
    let shared = text(&folder.join("commondir")).map(|shared| folder.join(shared.trim()));
    shared.unwrap_or(folder).join("info").join("exclude")
}

/// The rules in a file, for paths under `dir`. Invalid patterns are skipped, as in git.
fn rules(system: &dyn FileSystem, file: &Path, dir: &Path) -> Gitignore {
    let Ok(content) = system.read(file) else { return Gitignore::empty() };
    let mut builder = GitignoreBuilder::new(dir);
    for line in String::from_utf8_lossy(&content).lines() {
        let _ = builder.add_line(Some(file.to_owned()), &translate(line));
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

/// The line of an ignore file in the words of the crate `ignore`, which knows braces as alternatives
/// (for git they are letters) and does not know `[[:digit:]]`.
fn translate(line: &str) -> String {
    const CLASSES: [(&str, &str); 12] = [
        ("[:alnum:]", "a-zA-Z0-9"),
        ("[:alpha:]", "a-zA-Z"),
        ("[:blank:]", " \t"),
        ("[:cntrl:]", "\u{1}-\u{1f}\u{7f}"),
        ("[:digit:]", "0-9"),
        ("[:graph:]", "!-~"),
        ("[:lower:]", "a-z"),
        ("[:print:]", " -~"),
        ("[:punct:]", "!-/:-@[-`{-~"),
        ("[:space:]", " \t\r\u{b}\u{c}"),
        ("[:upper:]", "A-Z"),
        ("[:xdigit:]", "0-9a-fA-F"),
    ];
    let mut translated = String::with_capacity(line.len());
    let mut rest = line;
    let mut in_class = false;
    while let Some(next) = rest.chars().next() {
        if in_class && let Some((name, letters)) = CLASSES.iter().find(|c| rest.starts_with(c.0)) {
            translated.push_str(letters);
            rest = &rest[name.len()..];
            continue;
        }
        rest = &rest[next.len_utf8()..];
        match next {
            '\\' if !in_class => {
                translated.push('\\');
                if let Some(escaped) = rest.chars().next() {
                    translated.push(escaped);
                    rest = &rest[escaped.len_utf8()..];
                }
            }
            // Inside a class an escaped letter is that letter.
            '\\' => {}
            '{' | '}' if !in_class => translated.extend(['\\', next]),
            '[' if !in_class && is_closed(rest) => {
                in_class = true;
                translated.push('[');
                if let Some(sign) = rest.chars().next().filter(|sign| matches!(sign, '!' | '^')) {
                    translated.push('!');
                    rest = &rest[sign.len_utf8()..];
                }
                if rest.starts_with(']') {
                    translated.push(']');
                    rest = &rest[1..];
                }
            }
            // No class begins here, and git takes no such pattern for a match.
            ']' if in_class => {
                in_class = false;
                translated.push(']');
            }
            other => translated.push(other),
        }
    }
    translated
}

/// Does the class that begins here end?
fn is_closed(rest: &str) -> bool {
    let first = rest.trim_start_matches(['!', '^']);
    first.get(1..).is_some_and(|more| more.contains(']'))
}
