//! Files that git ignores are not live, and with `include` only included source is.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};
use transfuse_engine::{
    Budget, ChangeKind, DirtyPaths, InMemoryFs, Refreshed, Roots, SourceSnapshot, refresh, scan,
};

/// A work tree in memory, and the snapshot of its live files.
struct Tree {
    memory: InMemoryFs,
    roots: Roots,
    snapshot: SourceSnapshot,
}

fn tree(roots: &[&str], files: &[(&str, &str)]) -> Tree {
    let memory = InMemoryFs::new();
    for (path, content) in files {
        memory.write(path, content);
    }
    let roots: Vec<PathBuf> = roots.iter().map(PathBuf::from).collect();
    for root in &roots {
        memory.mkdir(root);
    }
    let roots = Roots::new(&memory, &roots, &[]).unwrap().without_ignored();
    let snapshot = scan(&memory, &roots, &Budget::new(usize::MAX)).snapshot;
    Tree { memory, roots, snapshot }
}

impl Tree {
    fn live(&self) -> Vec<&str> {
        self.snapshot.iter().map(|(path, _)| path.to_str().unwrap()).collect()
    }

    fn look(&mut self, batch: &DirtyPaths) -> Vec<(String, ChangeKind)> {
        let Refreshed { snapshot, changes, .. } =
            refresh(&self.memory, &self.roots, &Budget::new(usize::MAX), &self.snapshot, batch);
        self.snapshot = snapshot;
        changes.into_iter().map(|c| (c.path.to_string_lossy().into_owned(), c.kind)).collect()
    }
}

const HEAD: (&str, &str) = ("/app/.git/HEAD", "ref: refs/heads/main");

#[test]
fn the_nearest_rule_decides() {
    let tree = tree(
        &["/app"],
        &[
            HEAD,
            ("/app/.gitignore", "# made\nbuild/\n*_pb2.py\n/local.py\nlegacy/*\n!legacy/kept.py\n"),
            ("/app/.git/info/exclude", "mine.py\n"),
            ("/app/shop/.gitignore", "!good_pb2.py\nnew.py\n"),
            ("/app/build/lib/a.py", ""),
            ("/app/shop/bad_pb2.py", ""),
            ("/app/shop/good_pb2.py", ""),
            ("/app/shop/local.py", ""),
            ("/app/shop/mine.py", ""),
            ("/app/shop/new.py", ""),
            ("/app/local.py", ""),
            ("/app/new.py", ""),
            ("/app/legacy/old.py", ""),
            ("/app/legacy/kept.py", ""),
        ],
    );
    let live =
        ["/app/legacy/kept.py", "/app/new.py", "/app/shop/good_pb2.py", "/app/shop/local.py"];
    assert_eq!(live.to_vec(), tree.live());
}

#[test]
fn without_a_work_tree_there_are_no_rules() {
    let tree = tree(&["/app"], &[("/app/.gitignore", "*.py"), ("/app/a.py", "")]);
    assert_eq!(vec!["/app/a.py"], tree.live());
}

#[test]
fn rules_above_a_root_hold_in_it() {
    let files =
        [HEAD, ("/app/.gitignore", "gen.py\n"), ("/app/src/gen.py", ""), ("/app/src/a.py", "")];
    let tree = tree(&["/app/src"], &files);
    assert_eq!(vec!["/app/src/a.py"], tree.live());
    let outside = tree.roots.ignore_files_outside(&tree.memory);
    assert_eq!([PathBuf::from("/app/.gitignore"), "/app/.git/info/exclude".into()], outside[..]);
}

#[test]
fn a_root_that_is_ignored_itself_is_live_as_a_whole() {
    for rule in ["build/\n", "build/**\n", "*.py\nbuild\n"] {
        let files = [HEAD, ("/app/.gitignore", rule), ("/app/build/lib/shop/a.py", "")];
        for root in ["/app/build", "/app/build/lib"] {
            assert_eq!(vec!["/app/build/lib/shop/a.py"], tree(&["/app", root], &files).live());
        }
    }
}

#[test]
fn a_repository_inside_another_has_its_own_rules() {
    let files = [
        HEAD,
        ("/app/.gitignore", "*.py\n"),
        ("/app/sub/.git", "gitdir: /app/.git/modules/sub\n"),
        ("/app/.git/modules/sub/info/exclude", "mine.py\n"),
        ("/app/sub/a.py", ""),
        ("/app/sub/mine.py", ""),
    ];
    assert_eq!(vec!["/app/sub/a.py"], tree(&["/app/sub"], &files).live());
}

#[test]
fn a_work_tree_beside_its_repository_shares_its_exclude_file() {
    let files = [
        ("/repo/.git/info/exclude", "mine.py\n"),
        ("/repo/.git/worktrees/app/commondir", "../..\n"),
        ("/app/.git", "gitdir: /repo/.git/worktrees/app\n"),
        ("/app/a.py", ""),
        ("/app/mine.py", ""),
    ];
    let tree = tree(&["/app"], &files);
    let outside = tree.roots.ignore_files_outside(&tree.memory);
    assert_eq!(
        Some(Path::new("info/exclude")),
        outside[0].strip_prefix("/repo/.git/worktrees/app/../..").ok()
    );
}

#[test]
fn a_root_behind_a_link_goes_by_the_rules_of_where_it_is() {
    let memory = InMemoryFs::new();
    for (path, text) in [
        ("/srv/7/.git/HEAD", ""),
        ("/srv/7/.gitignore", "gen.py"),
        ("/srv/7/gen.py", ""),
        ("/srv/7/a.py", ""),
    ] {
        memory.write(path, text);
    }
    memory.symlink("/srv/current", "7");
    let roots = Roots::new(&memory, &["/srv/current".into()], &[]).unwrap().without_ignored();
    let snapshot = scan(&memory, &roots, &Budget::new(usize::MAX)).snapshot;
    assert_eq!(
        vec![Path::new("/srv/current/a.py")],
        snapshot.iter().map(|(path, _)| path).collect::<Vec<_>>()
    );
}

#[test]
fn a_file_that_is_ignored_is_not_looked_at() {
    let mut tree =
        tree(&["/app"], &[HEAD, ("/app/.gitignore", "gen.py\nout/\n"), ("/app/a.py", "")]);
    tree.memory.write("/app/gen.py", "");
    tree.memory.write("/app/out/b.py", "");
    let paths = ["/app/gen.py", "/app/out", "/app/out/b.py"].map(PathBuf::from);
    assert!(tree.look(&DirtyPaths::Listed(BTreeSet::from(paths))).is_empty());
    assert!(tree.look(&DirtyPaths::Rescan).is_empty());
}

#[test]
fn other_rules_make_other_files_live() {
    let mut tree = tree(
        &["/app"],
        &[HEAD, ("/app/.gitignore", "gen.py\n"), ("/app/a.py", ""), ("/app/gen.py", "")],
    );
    tree.memory.write("/app/.gitignore", "a.py\n");
    let changes = tree.look(&DirtyPaths::Rescan);
    assert_eq!(
        vec![
            ("/app/a.py".to_owned(), ChangeKind::Deleted),
            ("/app/gen.py".to_owned(), ChangeKind::Created)
        ],
        changes
    );
}

#[test]
fn only_included_source_is_live() {
    let memory = InMemoryFs::new();
    memory.mkdir("/app");
    let include = ["shop/**".to_owned(), "tools/*.py".to_owned(), "one".to_owned()];
    let roots = Roots::new(&memory, &["/app".into()], &["shop/old".into()])
        .unwrap()
        .including(&include)
        .unwrap();
    let live = |path: &str| roots.root_of(Path::new(path)).is_some();
    for path in [
        "/app/shop/a.py",
        "/app/shop/b/c.py",
        "/app/tools/x.py",
        "/app/one/d.py",
        "/app/any",
        "/app/rates.csv",
    ] {
        assert!(live(path), "{path}");
    }
    for path in ["/app/a.py", "/app/shop.py", "/app/shop/old/a.py", "/app/tools/deep/x.py"] {
        assert!(!live(path), "{path}");
    }
    let error =
        Roots::new(&memory, &["/app".into()], &[]).unwrap().including(&["{a".into()]).unwrap_err();
    assert!(error.to_string().contains("{a"), "{error}");
}

/// The names of these that are live with this line in `.gitignore`.
fn live_with<'a>(line: &str, names: &[&'a str]) -> Vec<&'a str> {
    let paths: Vec<String> = names.iter().map(|name| format!("/app/{name}")).collect();
    let mut files = vec![HEAD, ("/app/.gitignore", line)];
    files.extend(paths.iter().map(|path| (path.as_str(), "")));
    let tree = tree(&["/app"], &files);
    let live = tree.live();
    names.iter().filter(|name| live.contains(&format!("/app/{name}").as_str())).copied().collect()
}

#[test]
fn braces_are_letters() {
    assert_eq!(vec!["a.py", "b.py"], live_with("{a,b}.py", &["a.py", "b.py", "{a,b}.py"]));
    assert_eq!(vec!["a.py"], live_with("\\{x\\}.py", &["a.py", "{x}.py"]));
}

#[test]
fn classes_of_letters() {
    for (line, ignored) in [
        ("v[0-9].py", vec!["v1.py"]),
        ("v[[:digit:]].py", vec!["v1.py"]),
        ("v[![:digit:]].py", vec!["va.py", "v-.py", "v].py", "v{.py"]),
        ("v[^0-9a].py", vec!["v-.py", "v].py", "v{.py"]),
        ("v[[:alpha:]-].py", vec!["va.py", "v-.py"]),
        ("v[]a].py", vec!["va.py", "v].py"]),
        ("v[{]*.py", vec!["v{.py"]),
        ("v\\].py", vec!["v].py"]),
    ] {
        let names = ["v1.py", "va.py", "v-.py", "v].py", "v{.py"];
        let live: Vec<_> = names.into_iter().filter(|name| !ignored.contains(name)).collect();
        assert_eq!(live, live_with(line, &names), "{line}");
    }
}
