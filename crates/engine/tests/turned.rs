//! A link that is turned while files are read over it, at any step: nothing that is taken for the
//! state of the files is of both releases.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};
use transfuse_engine::{Batch, Budget, Memory, Roots, Stat, System, View, refresh, scan};

/// How many questions to the system are more than any of these stories asks.
const STEPS: usize = 200;

/// Two modules in several releases, and a link that leads to one of them.
struct Releases {
    memory: Memory,
    roots: Roots,
    /// `/app/pack`: the link.
    link: &'static str,
    /// How many questions to the system are left until somebody turns the link.
    left: AtomicUsize,
}

impl Releases {
    fn new(root: &str, links: &[(&'static str, &str)]) -> Releases {
        let memory = Memory::new();
        memory.mkdir("/app");
        for release in ["1", "2", "3"] {
            for name in ["first.py", "second.py"] {
                memory.write(format!("/releases/{release}/{name}"), release);
            }
        }
        for (link, target) in links {
            memory.link(link, target);
        }
        let roots = Roots::new(&memory, &[PathBuf::from(root)], &[]).unwrap();
        Releases { memory, roots, link: links[0].0, left: AtomicUsize::new(usize::MAX) }
    }

    fn turn_after(&self, step: usize) {
        self.left.store(step, Ordering::Relaxed);
    }

    /// Somebody asks the system for something.
    fn step(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.memory.link(self.link, "/releases/3");
        }
    }

    fn scan(&self) -> View {
        scan(self, &self.roots, &Budget::new(usize::MAX), &mut |_| {}).view
    }

    /// The files that the view knows, to be looked at each by itself.
    fn each(view: &View) -> Batch {
        Batch::Paths(view.iter().map(|(path, _)| path.to_owned()).collect::<BTreeSet<_>>())
    }
}

impl System for Releases {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.step();
        self.memory.read(path)
    }
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.step();
        self.memory.stat(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.step();
        self.memory.list(path)
    }
    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.step();
        self.memory.canonical(path)
    }
    fn link(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        self.step();
        System::link(&self.memory, path)
    }
}

/// The usual ways to turn a deploy over: a package, a volume of Kubernetes, a root.
fn ways() -> [Releases; 3] {
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

/// What the two modules say: `["1", "1"]`.
fn said(view: &View) -> Vec<String> {
    view.iter().map(|(_, source)| String::from_utf8(source.text().unwrap()).unwrap()).collect()
}

#[test]
fn p2_a_link_that_is_turned_during_an_update_is_looked_at_again() {
    for releases in ways() {
        let view = releases.scan();
        assert_eq!(vec!["1", "1"], said(&view));
        let (mut mixed, mut again) = (0, 0);
        for batch in [Batch::Rescan, Releases::each(&view)] {
            for step in 0..STEPS {
                releases.memory.link(releases.link, "/releases/2");
                releases.turn_after(step);
                let budget = Budget::new(usize::MAX);
                let found = refresh(&releases, &releases.roots, &budget, &view, &batch);
                let said = said(&found.view);
                mixed += usize::from(said[0] != said[1]);
                again += usize::from(!found.unstable.is_empty());
                let whole = said[0] == said[1] && said[0] != "1";
                assert!(whole || !found.unstable.is_empty(), "{} {step} {said:?}", releases.link);
            }
        }
        assert!(mixed > 0, "{}: never turned between the two", releases.link);
        assert!(again < STEPS, "{}: nobody turned it any more, and all is unstable", releases.link);
    }
}

#[test]
fn p2_a_link_that_is_turned_during_the_first_scan_is_read_again() {
    for releases in ways() {
        for step in 0..STEPS {
            releases.memory.link(releases.link, "/releases/2");
            releases.turn_after(step);
            let said = said(&releases.scan());
            assert!(said == ["2", "2"] || said == ["3", "3"], "{} {step} {said:?}", releases.link);
        }
    }
}
