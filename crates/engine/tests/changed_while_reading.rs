//! A deploy switches a link while files are read through it, at any step: no snapshot mixes two
//! releases.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};
use transfuse_engine::{
    Budget, DirtyPaths, FileMetadata, FileSystem, InMemoryFs, Roots, SourceSnapshot, refresh, scan,
};

/// More file system calls than any of these stories makes.
const STEPS: usize = 200;

/// Two modules in several releases, and a link that leads to one of them.
struct Releases {
    memory: InMemoryFs,
    roots: Roots,
    /// `/app/pack`: the link.
    link: &'static str,
    /// The number of file system calls until the link is switched.
    left: AtomicUsize,
}

impl Releases {
    fn new(root: &str, links: &[(&'static str, &str)]) -> Releases {
        let memory = InMemoryFs::new();
        memory.mkdir("/app");
        for release in ["1", "2", "3"] {
            for name in ["first.py", "second.py"] {
                memory.write(format!("/releases/{release}/{name}"), release);
            }
        }
        for (link, target) in links {
            memory.symlink(link, target);
        }
        let roots = Roots::new(&memory, &[PathBuf::from(root)], &[]).unwrap();
        Releases { memory, roots, link: links[0].0, left: AtomicUsize::new(usize::MAX) }
    }

    fn switch_after(&self, step: usize) {
        self.left.store(step, Ordering::Relaxed);
    }

    /// Counts a file system call, and switches the link when its time has come.
    fn step(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.memory.symlink(self.link, "/releases/3");
        }
    }

    fn scan(&self) -> SourceSnapshot {
        scan(self, &self.roots, &Budget::new(usize::MAX)).snapshot
    }

    /// The files that the snapshot knows, to be compared one by one.
    fn each(snapshot: &SourceSnapshot) -> DirtyPaths {
        DirtyPaths::Listed(
            snapshot.iter().map(|(path, _)| path.to_owned()).collect::<BTreeSet<_>>(),
        )
    }
}

impl FileSystem for Releases {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.step();
        self.memory.read(path)
    }
    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        self.step();
        self.memory.metadata(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.step();
        self.memory.read_dir(path)
    }
    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        self.memory.absolute(path)
    }
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.step();
        self.memory.canonicalize(path)
    }
    fn read_link(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        self.step();
        FileSystem::read_link(&self.memory, path)
    }

    fn write_atomically(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        unreachable!("nothing writes here")
    }

    fn write_private(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        unreachable!("nothing writes here")
    }
}

/// The usual ways to switch a deploy: a package, a volume of Kubernetes, a root.
fn deploys() -> [Releases; 3] {
    let first = "/releases/1";
    let volume = [
        ("/app/..data", first),
        ("/app/first.py", "/app/..data/first.py"),
        ("/app/second.py", "/app/..data/second.py"),
    ];
    [
        Releases::new("/app", &[("/app/pack", first)]),
        Releases::new("/app", &volume),
        Releases::new("/srv/current", &[("/srv/current", first)]),
    ]
}

/// The contents of the two modules: `["1", "1"]`.
fn said(snapshot: &SourceSnapshot) -> Vec<String> {
    snapshot.iter().map(|(_, source)| String::from_utf8(source.text().unwrap()).unwrap()).collect()
}

#[test]
fn p2_a_link_switched_during_an_update_is_compared_again() {
    for releases in deploys() {
        let snapshot = releases.scan();
        assert_eq!(vec!["1", "1"], said(&snapshot));
        let (mut mixed, mut again) = (0, 0);
        for batch in [DirtyPaths::Rescan, Releases::each(&snapshot)] {
            for step in 0..STEPS {
                releases.memory.symlink(releases.link, "/releases/2");
                releases.switch_after(step);
                let budget = Budget::new(usize::MAX);
                let found = refresh(&releases, &releases.roots, &budget, &snapshot, &batch);
                let said = said(&found.snapshot);
                mixed += usize::from(said[0] != said[1]);
                again += usize::from(!found.unstable.is_empty());
                let whole = said[0] == said[1] && said[0] != "1";
                assert!(whole || !found.unstable.is_empty(), "{} {step} {said:?}", releases.link);
            }
        }
        assert!(mixed > 0, "{}: never turned between the two", releases.link);
        assert!(
            again < STEPS,
            "{}: the link is not switched any more, and all is unstable",
            releases.link
        );
    }
}

#[test]
fn p2_a_link_switched_during_the_first_scan_is_read_again() {
    for releases in deploys() {
        for step in 0..STEPS {
            releases.memory.symlink(releases.link, "/releases/2");
            releases.switch_after(step);
            let said = said(&releases.scan());
            assert!(said == ["2", "2"] || said == ["3", "3"], "{} {step} {said:?}", releases.link);
        }
    }
}
