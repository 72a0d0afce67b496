//! Which files are live, and their module names.

use std::path::{Path, PathBuf};
use transfuse_engine::{EngineError, InMemoryFs, Roots, is_source};

fn roots(memory: &InMemoryFs, dirs: &[&str], exclude: &[&str]) -> Roots {
    let dirs: Vec<PathBuf> = dirs.iter().map(PathBuf::from).collect();
    let exclude: Vec<String> = exclude.iter().map(|glob| (*glob).to_owned()).collect();
    Roots::new(memory, &dirs, &exclude).unwrap()
}

fn name(roots: &Roots, path: &str) -> Option<String> {
    roots.name_of(Path::new(path)).map(|name| name.to_string())
}

#[test]
fn a_file_is_named_by_its_place_under_the_root() {
    let memory = InMemoryFs::new();
    memory.mkdir("/app");
    let roots = roots(&memory, &["/app"], &[]);
    assert_eq!(Some("shop.conf".to_owned()), name(&roots, "/app/shop/conf.py"));
    assert_eq!(Some("shop.web".to_owned()), name(&roots, "/app/shop/web/__init__.py"));
    for nameless in
        ["/app/__init__.py", "/app/v1.2/conf.py", "/app/shop/a.b.py", "/app/rates.csv", "/usr/x.py"]
    {
        assert_eq!(None, name(&roots, nameless), "{nameless}");
    }
}

#[test]
fn the_deepest_root_names_a_file() {
    let memory = InMemoryFs::new();
    memory.mkdir("/app/src");
    let roots = roots(&memory, &["/app", "/app/src", "/app"], &[]);
    assert_eq!([PathBuf::from("/app"), PathBuf::from("/app/src")], roots.dirs());
    assert_eq!(Some("shop.conf".to_owned()), name(&roots, "/app/src/shop/conf.py"));
    assert_eq!(Some("tests.conf".to_owned()), name(&roots, "/app/tests/conf.py"));
}

#[test]
fn p11_foreign_directories_are_never_live() {
    let memory = InMemoryFs::new();
    memory.write("/app/env/pyvenv.cfg", "");
    memory.mkdir("/app/shop");
    let roots = roots(&memory, &["/app"], &[]);
    let admits = |dir: &str| roots.admits_dir(&memory, Path::new(dir));
    assert!(admits("/app") && admits("/app/shop"));
    for foreign in ["/app/env", "/app/.git", "/app/shop/__pycache__", "/app/node_modules", "/usr"] {
        assert!(!admits(foreign), "{foreign}");
    }
    assert_eq!(None, roots.root_of(Path::new("/app/lib/site-packages/flask/app.py")));
    assert_eq!(None, roots.root_of(Path::new("/app/lib/dist-packages/apt.py")));
}

#[test]
fn a_root_may_have_any_name_itself() {
    let memory = InMemoryFs::new();
    memory.write("/srv/.hidden/site-packages/conf.py", "");
    let roots = roots(&memory, &["/srv/.hidden/site-packages"], &[]);
    assert_eq!(Some("conf".to_owned()), name(&roots, "/srv/.hidden/site-packages/conf.py"));
}

#[test]
fn excluded_paths_are_foreign() {
    let memory = InMemoryFs::new();
    memory.mkdir("/app");
    let roots = roots(&memory, &["/app"], &["build", "**/migrations", "legacy/**", "tools/?.py"]);
    for out in [
        "/app/build/conf.py",
        "/app/shop/migrations/m1.py",
        "/app/migrations/m1.py",
        "/app/legacy/a/b.py",
        "/app/tools/x.py",
    ] {
        assert_eq!(None, roots.root_of(Path::new(out)), "{out}");
    }
    for live in ["/app/shop/build/conf.py", "/app/tools/xy.py", "/app/builder.py"] {
        assert_eq!(Some(Path::new("/app")), roots.root_of(Path::new(live)), "{live}");
    }
}

#[test]
fn a_root_behind_a_link_keeps_its_name_whatever_the_link_leads_to() {
    let memory = InMemoryFs::new();
    memory.mkdir("/srv/releases/7/shop");
    memory.mkdir("/srv/releases/8");
    memory.symlink("/srv/current", "/srv/releases/7");
    let roots = roots(&memory, &["/srv/current/shop"], &[]);
    assert_eq!([PathBuf::from("/srv/current/shop")], roots.dirs());
    let spelled = |path: &str| roots.path_under_root(&memory, Path::new(path));
    assert_eq!(Some("/srv/current/shop".into()), spelled("/srv/releases/7/shop"));
    assert_eq!(Some("/srv/current".into()), spelled("/srv/releases/7"));
    assert_eq!(Some("/srv/current/shop/x.py".into()), spelled("/srv/current/shop/x.py"));
    assert_eq!(None, spelled("/srv/releases/8"));
}

#[test]
fn data_has_the_name_that_it_has_under_its_root_whichever_link_leads_to_it() {
    let memory = InMemoryFs::new();
    memory.write("/srv/releases/7/shop/data/prices.csv", "1");
    memory.write("/etc/prices.csv", "2");
    memory.write("/usr/lib/foreign.csv", "3");
    memory.symlink("/srv/current", "/srv/releases/7");
    memory.symlink("/usr/lib/linked.csv", "/srv/releases/7/shop/data/prices.csv");
    memory.symlink("/srv/releases/7/shop/out.csv", "/etc/prices.csv");
    let roots = roots(&memory, &["/srv/current/shop"], &[]);
    let data = |path: &str| roots.data_path(&memory, Path::new(path));
    let prices = Some(PathBuf::from("/srv/current/shop/data/prices.csv"));
    assert_eq!(prices, data("/srv/current/shop/data/prices.csv"));
    assert_eq!(prices, data("/srv/releases/7/shop/data/prices.csv"));
    assert_eq!(prices, data("/usr/lib/linked.csv"));
    assert_eq!(Some("/srv/current/shop/none.csv".into()), data("/srv/releases/7/shop/none.csv"));
    assert_eq!(Some("/srv/current/shop/out.csv".into()), data("/srv/releases/7/shop/out.csv"));
    for foreign in ["/usr/lib/foreign.csv", "/usr/lib/none.csv", "/etc/prices.csv", "/"] {
        assert_eq!(None, data(foreign), "{foreign}");
    }
}

#[test]
fn two_names_of_one_directory_are_one_root() {
    let memory = InMemoryFs::new();
    memory.mkdir("/srv/releases/7");
    memory.symlink("/srv/current", "/srv/releases/7");
    let roots = roots(&memory, &["/srv/current", "/srv/releases/7"], &[]);
    assert_eq!([PathBuf::from("/srv/current")], roots.dirs());
}

#[test]
fn a_wrong_root_is_explained() {
    let memory = InMemoryFs::new();
    memory.write("/app/main.py", "");
    memory.write("/secret/x", "");
    memory.fail("/secret", std::io::ErrorKind::PermissionDenied);
    let error = |root: &str| Roots::new(&memory, &[PathBuf::from(root)], &[]).unwrap_err();
    assert!(matches!(error("/nowhere"), EngineError::RootMissing { .. }));
    assert!(matches!(error("/app/main.py"), EngineError::RootNotADirectory { .. }));
    assert!(matches!(error("/secret"), EngineError::RootUnreadable { .. }));
    assert_eq!(
        "the root /nowhere does not exist: name a directory with Python source",
        error("/nowhere").to_string()
    );
}

#[test]
fn a_wrong_glob_is_explained() {
    let memory = InMemoryFs::new();
    let error = Roots::new(&memory, &[], &["{a".to_owned()]).unwrap_err();
    assert!(
        matches!(&error, EngineError::BadPattern { pattern, .. } if pattern == "{a"),
        "{error}"
    );
}

#[test]
fn source_ends_in_py() {
    assert!(is_source(Path::new("/app/conf.py")));
    for other in ["/app/conf.pyc", "/app/conf.pyi", "/app/conf", "/app/.py"] {
        assert!(!is_source(Path::new(other)), "{other}");
    }
}
