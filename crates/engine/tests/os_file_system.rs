//! The real files, through the same door as those in memory.

use std::{fs, io::ErrorKind, path::PathBuf};
use transfuse_engine::{FileKind, FileSystem, InMemoryFs, OsFileSystem};

#[test]
fn metadata_and_content_of_real_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.py");
    fs::write(&path, "a = 1\n").unwrap();
    assert_eq!(b"a = 1\n".to_vec(), OsFileSystem.read(&path).unwrap());
    let stat = OsFileSystem.metadata(&path).unwrap();
    assert_eq!((FileKind::File, 6, true), (stat.kind, stat.len, stat.modified.is_some()));
    assert_eq!(FileKind::Dir, OsFileSystem.metadata(dir.path()).unwrap().kind);
    fs::write(dir.path().join("0.py"), "").unwrap();
    assert_eq!(
        vec![dir.path().join("0.py"), path.clone()],
        OsFileSystem.read_dir(dir.path()).unwrap()
    );
    assert_eq!(
        ErrorKind::NotFound,
        OsFileSystem.metadata(&dir.path().join("x")).unwrap_err().kind()
    );
}

#[cfg(unix)]
#[test]
fn a_private_file_is_replaced_as_a_whole_and_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("base");
    for content in [b"old", b"new"] {
        OsFileSystem.write_private(&path, content).unwrap();
        assert_eq!(content.to_vec(), OsFileSystem.read(&path).unwrap());
        assert_eq!(0o600, fs::metadata(&path).unwrap().permissions().mode() & 0o777);
    }
    assert!(OsFileSystem.write_private(&dir.path().join("no/base"), b"a").is_err());
    assert_eq!(vec![path], OsFileSystem.read_dir(dir.path()).unwrap());
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_without_a_wait() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.py");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    assert_eq!(FileKind::Other, OsFileSystem.metadata(&pipe).unwrap().kind);
    assert_eq!(ErrorKind::InvalidInput, OsFileSystem.read(&pipe).unwrap_err().kind());
    assert_eq!(ErrorKind::InvalidInput, OsFileSystem.read(dir.path()).unwrap_err().kind());
}

#[cfg(unix)]
#[test]
fn links_are_followed_in_the_same_way_on_disk_and_in_memory() {
    let temporary = tempfile::tempdir().unwrap();
    let base = temporary.path().canonicalize().unwrap();
    let memory = InMemoryFs::new();
    memory.write(base.join("lib/log.py"), "log");
    memory.symlink(base.join("app"), base.join("lib"));
    memory.symlink(base.join("broken"), base.join("nowhere"));
    fs::create_dir(base.join("lib")).unwrap();
    fs::write(base.join("lib/log.py"), "log").unwrap();
    std::os::unix::fs::symlink(base.join("lib"), base.join("app")).unwrap();
    std::os::unix::fs::symlink(base.join("nowhere"), base.join("broken")).unwrap();
    let said = |system: &dyn FileSystem| {
        let stat = |name: &str| system.metadata(&base.join(name)).map(|stat| stat.kind);
        let list = |name: &str| system.read_dir(&base.join(name)).map_err(|error| error.kind());
        let all: (_, Vec<PathBuf>, _, _, _, _, _, _) = (
            system.read(&base.join("app/log.py")).unwrap(),
            list("app").unwrap(),
            list("").unwrap().len(),
            list("lib/log.py").unwrap_err(),
            system.canonicalize(&base.join("app/log.py")).unwrap(),
            stat("app").unwrap(),
            stat("broken").unwrap_err().kind(),
            system.read_dir_links(&base).unwrap(),
        );
        all
    };
    assert_eq!(said(&OsFileSystem), said(&memory));
}

#[test]
fn memory_fails_at_the_given_paths() {
    let memory = InMemoryFs::new();
    memory.write("/app/a.py", "a");
    memory.fail("/app/a.py", ErrorKind::PermissionDenied);
    let path = PathBuf::from("/app/a.py");
    assert_eq!(ErrorKind::PermissionDenied, memory.read(&path).unwrap_err().kind());
    assert!(memory.metadata(&path).is_ok());
    memory.heal("/app/a.py");
    assert_eq!(b"a".to_vec(), memory.read(&path).unwrap());
}

#[test]
fn a_file_is_written_with_its_directories_and_nothing_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let memory = InMemoryFs::new();
    for system in [&OsFileSystem as &dyn FileSystem, &memory] {
        let path = dir.path().join("cache/a.pyc");
        system.write_atomically(&path, b"old").unwrap();
        system.write_atomically(&path, b"new").unwrap();
        assert_eq!(b"new".to_vec(), system.read(&path).unwrap());
        assert_eq!(vec![path.clone()], system.read_dir(&dir.path().join("cache")).unwrap());
    }
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let taken = dir.path().join("taken");
    fs::create_dir_all(taken.join("inside")).unwrap();
    assert!(OsFileSystem.write_atomically(&taken, b"a").is_err());
    assert_eq!(vec![taken], OsFileSystem.read_dir(dir.path()).unwrap());
    let memory = InMemoryFs::new();
    memory.fail("/app/a.pyc", ErrorKind::PermissionDenied);
    let path = PathBuf::from("/app/a.pyc");
    assert!(memory.write_atomically(&path, b"a").is_err());
    memory.heal(&path);
    assert_eq!(ErrorKind::NotFound, memory.read(&path).unwrap_err().kind());
}

#[test]
fn a_file_that_was_seen_is_read_as_it_is_by_now() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.py");
    fs::write(&path, "a = 1\n").unwrap();
    let seen = OsFileSystem.metadata(&path).unwrap();
    for content in ["a = 1\n", "", "a = 1\nb = 2\n"] {
        fs::write(&path, content).unwrap();
        assert_eq!(content.as_bytes(), OsFileSystem.read_seen(&path, &seen).unwrap());
    }
    let folder = OsFileSystem.metadata(dir.path()).unwrap();
    assert!(OsFileSystem.read_seen(dir.path(), &folder).is_err());
    fs::remove_file(&path).unwrap();
    assert_eq!(ErrorKind::NotFound, OsFileSystem.read_seen(&path, &seen).unwrap_err().kind());
}
