//! Where paths lead, and which places decide that.

use std::{
    fs,
    path::{Path, PathBuf},
};
use transfuse_engine::{InMemoryFs, OsFileSystem, SymlinkChains, resolve_chain};

fn places(memory: &InMemoryFs, path: &str) -> Vec<String> {
    let places = resolve_chain(memory, Path::new(path));
    places.iter().map(|place| place.to_string_lossy().into_owned()).collect()
}

/// A volume of Kubernetes: files are links through `..data`, which is switched.
fn volume() -> InMemoryFs {
    let memory = InMemoryFs::new();
    memory.write("/app/..2026_10/conf.py", "a = 1");
    memory.symlink("/app/..data", "..2026_10");
    memory.symlink("/app/conf.py", "..data/conf.py");
    memory
}

#[test]
fn a_path_without_links_is_its_only_place() {
    let memory = InMemoryFs::new();
    memory.write("/app/conf.py", "");
    assert_eq!(vec!["/app/conf.py"], places(&memory, "/app/conf.py"));
}

#[test]
fn each_link_on_the_chain_is_a_place() {
    let all = ["/app/conf.py", "/app/..data", "/app/..2026_10/conf.py"];
    assert_eq!(all.to_vec(), places(&volume(), "/app/conf.py"));
    let memory = InMemoryFs::new();
    memory.write("/srv/releases/42/app/conf.py", "");
    memory.symlink("/srv/stable", "releases/42");
    memory.symlink("/srv/current", "/srv/releases/../stable");
    let all = ["/srv/current", "/srv/stable", "/srv/releases/42/app"];
    assert_eq!(all.to_vec(), places(&memory, "/srv/current/app"));
}

#[test]
fn a_broken_chain_ends_at_the_missing_path() {
    let memory = InMemoryFs::new();
    memory.mkdir("/srv");
    memory.symlink("/srv/current", "releases/42");
    assert_eq!(vec!["/srv/current", "/srv/releases"], places(&memory, "/srv/current/app"));
}

#[test]
fn a_circle_of_links_ends() {
    let memory = InMemoryFs::new();
    memory.mkdir("/app");
    memory.symlink("/app/a", "b");
    memory.symlink("/app/b", "a");
    let chains = places(&memory, "/app/a");
    assert!(chains.iter().all(|place| place == "/app/a" || place == "/app/b"), "{chains:?}");
}

#[test]
fn an_event_at_a_place_is_one_of_all_paths_through_it() {
    let memory = volume();
    memory.write("/app/..2026_10/web.py", "");
    memory.symlink("/app/web.py", "..data/web.py");
    let mut chains = SymlinkChains::default();
    for path in ["/app/conf.py", "/app/web.py"] {
        chains.follow(&memory, Path::new(path));
    }
    let through = |chains: &SymlinkChains, place: &str| -> Vec<PathBuf> {
        chains.paths_through(Path::new(place)).into_iter().map(PathBuf::from).collect()
    };
    let both = vec![PathBuf::from("/app/conf.py"), PathBuf::from("/app/web.py")];
    assert_eq!(both, through(&chains, "/app/..data"));
    assert_eq!(both[..1], through(&chains, "/app/..2026_10/conf.py"));
    memory.write("/app/..2026_11/conf.py", "a = 2");
    memory.symlink("/app/..data", "..2026_11");
    chains.follow(&memory, Path::new("/app/conf.py"));
    assert_eq!(both[..1], through(&chains, "/app/..2026_11/conf.py"));
    assert!(through(&chains, "/app/..2026_10/conf.py").is_empty(), "the old chain is forgotten");
    assert_eq!(both, through(&chains, "/app/..data"));
}

#[test]
fn an_event_of_a_directory_is_one_of_all_paths_through_it() {
    let memory = volume();
    let mut chains = SymlinkChains::default();
    chains.follow(&memory, Path::new("/app/conf.py"));
    let through = |place: &str| chains.paths_through(Path::new(place)).len();
    assert_eq!((1, 1), (through("/app/..2026_10"), through("/app")));
    assert_eq!((0, 0), (through("/app/..2026"), through("/app/..2026_10/conf")));
}

#[test]
fn a_chain_that_breaks_above_its_places_has_changed() {
    let memory = InMemoryFs::new();
    memory.write("/srv/releases/42/shop/__init__.py", "");
    memory.symlink("/app/shop", "/srv/releases/42/shop");
    let mut chains = SymlinkChains::default();
    chains.follow(&memory, Path::new("/app/shop"));
    assert_eq!(0, chains.changed(&memory).count());
    memory.remove("/srv/releases");
    assert_eq!(vec![Path::new("/app/shop")], chains.changed(&memory).collect::<Vec<_>>());
    chains.follow(&memory, Path::new("/app/shop"));
    assert_eq!(0, chains.changed(&memory).count());
}

#[test]
fn a_replaced_directory_changes_the_chain() {
    let temporary = tempfile::tempdir().unwrap();
    let base = temporary.path().canonicalize().unwrap();
    for release in ["one", "two"] {
        fs::create_dir_all(base.join(release).join("shop")).unwrap();
    }
    let link = base.join("link");
    std::os::unix::fs::symlink(base.join("one/shop"), &link).unwrap();
    let mut chains = SymlinkChains::default();
    chains.follow(&OsFileSystem, &link);
    fs::write(base.join("one/shop/a.py"), "").unwrap();
    assert_eq!(0, chains.changed(&OsFileSystem).count());
    fs::rename(base.join("one"), base.join("old")).unwrap();
    fs::rename(base.join("two"), base.join("one")).unwrap();
    assert_eq!(vec![link.as_path()], chains.changed(&OsFileSystem).collect::<Vec<_>>());
}
