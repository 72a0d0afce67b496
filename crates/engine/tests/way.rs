//! Where paths lead, and which places decide that.

use std::{
    fs,
    path::{Path, PathBuf},
};
use transfuse_engine::{Disk, Memory, Ways, way};

fn places(memory: &Memory, path: &str) -> Vec<String> {
    let places = way(memory, Path::new(path));
    places.iter().map(|place| place.to_string_lossy().into_owned()).collect()
}

/// A volume of Kubernetes: files are links through `..data`, which is flipped.
fn volume() -> Memory {
    let memory = Memory::new();
    memory.write("/app/..2026_10/conf.py", "a = 1");
    memory.link("/app/..data", "..2026_10");
    memory.link("/app/conf.py", "..data/conf.py");
    memory
}

#[test]
fn a_path_without_links_is_its_only_place() {
    let memory = Memory::new();
    memory.write("/app/conf.py", "");
    assert_eq!(vec!["/app/conf.py"], places(&memory, "/app/conf.py"));
}

#[test]
fn each_link_on_the_way_is_a_place() {
    let all = ["/app/conf.py", "/app/..data", "/app/..2026_10/conf.py"];
    assert_eq!(all.to_vec(), places(&volume(), "/app/conf.py"));
    let memory = Memory::new();
    memory.write("/srv/releases/42/app/conf.py", "");
    memory.link("/srv/stable", "releases/42");
    memory.link("/srv/current", "/srv/releases/../stable");
    let all = ["/srv/current", "/srv/stable", "/srv/releases/42/app"];
    assert_eq!(all.to_vec(), places(&memory, "/srv/current/app"));
}

#[test]
fn where_the_way_breaks_off_is_what_is_missing() {
    let memory = Memory::new();
    memory.mkdir("/srv");
    memory.link("/srv/current", "releases/42");
    assert_eq!(vec!["/srv/current", "/srv/releases"], places(&memory, "/srv/current/app"));
}

#[test]
fn a_circle_of_links_ends() {
    let memory = Memory::new();
    memory.mkdir("/app");
    memory.link("/app/a", "b");
    memory.link("/app/b", "a");
    let ways = places(&memory, "/app/a");
    assert!(ways.iter().all(|place| place == "/app/a" || place == "/app/b"), "{ways:?}");
}

#[test]
fn what_happens_at_a_place_has_happened_to_all_that_it_leads_to() {
    let memory = volume();
    memory.write("/app/..2026_10/web.py", "");
    memory.link("/app/web.py", "..data/web.py");
    let mut ways = Ways::default();
    for path in ["/app/conf.py", "/app/web.py"] {
        ways.follow(&memory, Path::new(path));
    }
    let led = |ways: &Ways, place: &str| -> Vec<PathBuf> {
        ways.led_by(Path::new(place)).into_iter().map(PathBuf::from).collect()
    };
    let both = vec![PathBuf::from("/app/conf.py"), PathBuf::from("/app/web.py")];
    assert_eq!(both, led(&ways, "/app/..data"));
    assert_eq!(both[..1], led(&ways, "/app/..2026_10/conf.py"));
    memory.write("/app/..2026_11/conf.py", "a = 2");
    memory.link("/app/..data", "..2026_11");
    ways.follow(&memory, Path::new("/app/conf.py"));
    assert_eq!(both[..1], led(&ways, "/app/..2026_11/conf.py"));
    assert!(led(&ways, "/app/..2026_10/conf.py").is_empty(), "the old way is forgotten");
    assert_eq!(both, led(&ways, "/app/..data"));
}

#[test]
fn what_happens_to_a_directory_has_happened_to_what_leads_through_it() {
    let memory = volume();
    let mut ways = Ways::default();
    ways.follow(&memory, Path::new("/app/conf.py"));
    let led = |place: &str| ways.led_by(Path::new(place)).len();
    assert_eq!((1, 1), (led("/app/..2026_10"), led("/app")));
    assert_eq!((0, 0), (led("/app/..2026"), led("/app/..2026_10/conf")));
}

#[test]
fn a_way_that_breaks_off_above_its_places_is_another() {
    let memory = Memory::new();
    memory.write("/srv/releases/42/shop/__init__.py", "");
    memory.link("/app/shop", "/srv/releases/42/shop");
    let mut ways = Ways::default();
    ways.follow(&memory, Path::new("/app/shop"));
    assert_eq!(0, ways.astray(&memory).count());
    memory.remove("/srv/releases");
    assert_eq!(vec![Path::new("/app/shop")], ways.astray(&memory).collect::<Vec<_>>());
    ways.follow(&memory, Path::new("/app/shop"));
    assert_eq!(0, ways.astray(&memory).count());
}

#[test]
fn a_directory_in_the_place_of_another_makes_another_way() {
    let temporary = tempfile::tempdir().unwrap();
    let base = temporary.path().canonicalize().unwrap();
    for release in ["one", "two"] {
        fs::create_dir_all(base.join(release).join("shop")).unwrap();
    }
    let link = base.join("link");
    std::os::unix::fs::symlink(base.join("one/shop"), &link).unwrap();
    let mut ways = Ways::default();
    ways.follow(&Disk, &link);
    fs::write(base.join("one/shop/a.py"), "").unwrap();
    assert_eq!(0, ways.astray(&Disk).count());
    fs::rename(base.join("one"), base.join("old")).unwrap();
    fs::rename(base.join("two"), base.join("one")).unwrap();
    assert_eq!(vec![link.as_path()], ways.astray(&Disk).collect::<Vec<_>>());
}
