//! The real files, through the same door as those in memory.

use std::{fs, io::ErrorKind, path::PathBuf};
use transfuse_engine::{Disk, Kind, Memory, System};

#[test]
fn the_disk_says_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.py");
    fs::write(&path, "a = 1\n").unwrap();
    assert_eq!(b"a = 1\n".to_vec(), Disk.read(&path).unwrap());
    let stat = Disk.stat(&path).unwrap();
    assert_eq!((Kind::File, 6, true), (stat.kind, stat.len, stat.modified.is_some()));
    assert_eq!(Kind::Dir, Disk.stat(dir.path()).unwrap().kind);
    fs::write(dir.path().join("0.py"), "").unwrap();
    assert_eq!(vec![dir.path().join("0.py"), path.clone()], Disk.list(dir.path()).unwrap());
    assert_eq!(ErrorKind::NotFound, Disk.stat(&dir.path().join("x")).unwrap_err().kind());
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.py");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    assert_eq!(Kind::Other, Disk.stat(&pipe).unwrap().kind);
    assert_eq!(ErrorKind::InvalidInput, Disk.read(&pipe).unwrap_err().kind());
    assert_eq!(ErrorKind::InvalidInput, Disk.read(dir.path()).unwrap_err().kind());
}

#[cfg(unix)]
#[test]
fn links_are_followed_in_the_same_way_on_disk_and_in_memory() {
    let temporary = tempfile::tempdir().unwrap();
    let base = temporary.path().canonicalize().unwrap();
    let memory = Memory::new();
    memory.write(base.join("lib/log.py"), "log");
    memory.link(base.join("app"), base.join("lib"));
    memory.link(base.join("broken"), base.join("nowhere"));
    fs::create_dir(base.join("lib")).unwrap();
    fs::write(base.join("lib/log.py"), "log").unwrap();
    std::os::unix::fs::symlink(base.join("lib"), base.join("app")).unwrap();
    std::os::unix::fs::symlink(base.join("nowhere"), base.join("broken")).unwrap();
    let said = |system: &dyn System| {
        let stat = |name: &str| system.stat(&base.join(name)).map(|stat| stat.kind);
        let list = |name: &str| system.list(&base.join(name)).map_err(|error| error.kind());
        let all: (_, Vec<PathBuf>, _, _, _, _, _) = (
            system.read(&base.join("app/log.py")).unwrap(),
            list("app").unwrap(),
            list("").unwrap().len(),
            list("lib/log.py").unwrap_err(),
            system.canonical(&base.join("app/log.py")).unwrap(),
            stat("app").unwrap(),
            stat("broken").unwrap_err().kind(),
        );
        all
    };
    assert_eq!(said(&Disk), said(&memory));
}

#[test]
fn memory_fails_where_it_is_told_to() {
    let memory = Memory::new();
    memory.write("/app/a.py", "a");
    memory.fail("/app/a.py", ErrorKind::PermissionDenied);
    let path = PathBuf::from("/app/a.py");
    assert_eq!(ErrorKind::PermissionDenied, memory.read(&path).unwrap_err().kind());
    assert!(memory.stat(&path).is_ok());
    memory.heal("/app/a.py");
    assert_eq!(b"a".to_vec(), memory.read(&path).unwrap());
}
