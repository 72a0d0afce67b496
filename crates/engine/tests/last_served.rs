//! P16: the served state is kept on disk, and the next process chooses between it and the files.

use proptest::prelude::*;
use std::{io::ErrorKind, path::Path, path::PathBuf};
use transfuse_engine::{
    Budget, Difference, Digest, FileSystem, InMemoryFs, LastServed, Resumed, Roots, ServedStore,
    Source, SourceSnapshot, Take, Why, Withheld, read_last_served, resume, scan,
};

const FOLDER: &str = "/state/shop-1f";
const BASE: &str = "/state/shop-1f/base";
const DELTA: &str = "/state/shop-1f/delta";
const PLENTY: usize = 1 << 20;

fn snapshot(files: &[(&str, &str)]) -> SourceSnapshot {
    let budget = Budget::new(PLENTY);
    files.iter().fold(SourceSnapshot::default(), |snapshot, (name, text)| {
        snapshot.with(format!("/app/{name}"), Source::new(text, &budget))
    })
}

fn served(generation: u64, files: &[(&str, &str)]) -> LastServed {
    let at = generation as f64 / 2.0;
    LastServed { generation, at, files: snapshot(files), ..LastServed::default() }
}

/// With the content on disk of these files left by a rollback, or refused.
fn without(mut served: LastServed, why: Why, files: &[(&str, Option<&str>)]) -> LastServed {
    for (name, left) in files {
        let left = left.map(|text| Digest::of(text.as_bytes()));
        let path = PathBuf::from(format!("/app/{name}"));
        served.withheld.insert(path, Withheld { left, why, since: 7.0 });
    }
    served
}

fn texts(snapshot: &SourceSnapshot) -> Vec<(String, Option<String>)> {
    let text = |source: &Source| source.text().map(|text| String::from_utf8(text).unwrap());
    let name = |path: &Path| path.strip_prefix("/app").unwrap().display().to_string();
    snapshot.iter().map(|(path, source)| (name(path), text(source))).collect()
}

fn is_same(kept: &LastServed, served: &LastServed) -> bool {
    (kept.generation, kept.at, &kept.withheld) == (served.generation, served.at, &served.withheld)
        && texts(&kept.files) == texts(&served.files)
}

#[test]
fn p16_what_was_written_is_read() {
    let system = InMemoryFs::new();
    assert!(read_last_served(&system, FOLDER.as_ref()).is_none());
    let mut store = ServedStore::open(&system, FOLDER.into(), PLENTY);
    let first = served(3, &[("a.py", "a = 1\n"), ("shop/b.py", ""), ("c.py", "c = 1\n")]);
    let second = served(4, &[("a.py", "a = 2\n"), ("shop/b.py", ""), ("new.py", "n = 1\n")]);
    let third = without(second.clone(), Why::RolledBack, &[("a.py", Some("a = 3\n"))]);
    let third = without(third, Why::Refused, &[("shop/b.py", None)]);
    for each in [first.clone(), second, third, first] {
        store.write(&system, each.clone()).unwrap();
        let kept = read_last_served(&system, FOLDER.as_ref()).unwrap();
        assert!(is_same(&kept, &each), "{kept:?} is not {each:?}");
    }
}

#[test]
fn what_did_not_change_is_not_written_again() {
    let system = InMemoryFs::new();
    let big = "x = 'not to be compressed away'\n".to_owned() + &noise(100_000);
    let write = |store: &mut ServedStore, generation, text| {
        let state = served(generation, &[("big.py", &big), ("small.py", text)]);
        store.write(&system, state).unwrap();
        let len = |path: &str| system.metadata(path.as_ref()).map_or(0, |stat| stat.len);
        (system.metadata(BASE.as_ref()).unwrap().modified, len(DELTA))
    };
    let mut store = ServedStore::open(&system, FOLDER.into(), PLENTY);
    let (base, _) = write(&mut store, 1, "a = 1\n");
    let (same, delta) = write(&mut store, 2, "a = 2\n");
    assert_eq!(base, same);
    assert!((1..500).contains(&delta), "{delta}");
    // Nor by the next process.
    let mut store = ServedStore::open(&system, FOLDER.into(), PLENTY);
    assert_eq!(base, write(&mut store, 3, "a = 3\n").0);
    // Nor is the same thing twice.
    let before = system.metadata(DELTA.as_ref()).unwrap().modified;
    write(&mut store, 3, "a = 3\n");
    assert_eq!(before, system.metadata(DELTA.as_ref()).unwrap().modified);
}

#[test]
fn a_large_difference_becomes_the_new_base() {
    let system = InMemoryFs::new();
    let mut store = ServedStore::open(&system, FOLDER.into(), PLENTY);
    store.write(&system, served(1, &[("a.py", "a = 1\n")])).unwrap();
    let before = system.metadata(BASE.as_ref()).unwrap().modified;
    let large = served(2, &[("a.py", "a = 2\n"), ("large.py", &noise(200_000))]);
    store.write(&system, large.clone()).unwrap();
    assert_ne!(before, system.metadata(BASE.as_ref()).unwrap().modified);
    assert!(is_same(&read_last_served(&system, FOLDER.as_ref()).unwrap(), &large));
}

/// Text that does not get smaller by compression.
fn noise(len: usize) -> String {
    let mut state = 1_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + (state >> 33) as u8 % 94)
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn what_is_withheld_keeps_its_time() {
    let system = InMemoryFs::new();
    let mut store = ServedStore::open(&system, FOLDER.into(), PLENTY);
    let since = |system: &InMemoryFs| {
        let kept = read_last_served(system, FOLDER.as_ref()).unwrap();
        kept.withheld.values().map(|withheld| withheld.since).collect::<Vec<_>>()
    };
    let left = [("a.py", Some("a = 2\n"))];
    store.write(&system, without(served(1, &[("a.py", "")]), Why::RolledBack, &left)).unwrap();
    let mut later = without(served(2, &[("a.py", "")]), Why::RolledBack, &left);
    later.withheld.values_mut().for_each(|withheld| withheld.since = 99.0);
    store.write(&system, later.clone()).unwrap();
    assert_eq!(vec![7.0], since(&system));
    let mut store = ServedStore::open(&system, FOLDER.into(), PLENTY);
    store.write(&system, later.clone()).unwrap();
    assert_eq!(vec![7.0], since(&system));
    // Other content is withheld since then.
    let other = [("a.py", Some("a = 3\n"))];
    let mut other = without(later, Why::RolledBack, &other);
    other.withheld.values_mut().for_each(|withheld| withheld.since = 99.0);
    store.write(&system, other).unwrap();
    assert_eq!(vec![99.0], since(&system));
}

#[test]
fn within_the_limit_what_is_withheld_comes_first() {
    let system = InMemoryFs::new();
    let (large, small) = (noise(600), noise(500));
    let state = served(1, &[("a.py", &large), ("z.py", &small)]);
    let mut store = ServedStore::open(&system, FOLDER.into(), 700);
    let state = without(state, Why::RolledBack, &[("z.py", Some("bad"))]);
    store.write(&system, state).unwrap();
    let kept = read_last_served(&system, FOLDER.as_ref()).unwrap();
    let expected = vec![("a.py".to_owned(), None), ("z.py".to_owned(), Some(small))];
    assert_eq!(expected, texts(&kept.files));
}

#[test]
fn content_that_memory_had_no_room_for_is_read_from_disk() {
    let system = InMemoryFs::new();
    system.write("/app/a.py", "a = 1\n");
    let files =
        SourceSnapshot::default().with("/app/a.py", Source::new("a = 1\n", &Budget::new(0)));
    let mut store = ServedStore::open(&system, FOLDER.into(), PLENTY);
    store.write(&system, LastServed { generation: 1, files, ..LastServed::default() }).unwrap();
    let kept = read_last_served(&system, FOLDER.as_ref()).unwrap();
    assert_eq!(vec![("a.py".to_owned(), Some("a = 1\n".to_owned()))], texts(&kept.files));
}

#[test]
fn after_an_error_there_is_what_was_there_before() {
    let system = InMemoryFs::new();
    let mut store = ServedStore::open(&system, FOLDER.into(), PLENTY);
    let first = served(1, &[("a.py", "a = 1\n")]);
    store.write(&system, first.clone()).unwrap();
    system.fail(DELTA, ErrorKind::StorageFull);
    let second = served(2, &[("a.py", "a = 2\n")]);
    assert!(store.write(&system, second.clone()).is_err());
    assert!(is_same(&read_last_served(&system, FOLDER.as_ref()).unwrap(), &first));
    system.heal(DELTA);
    store.write(&system, second.clone()).unwrap();
    assert!(is_same(&read_last_served(&system, FOLDER.as_ref()).unwrap(), &second));
    // The folder was emptied meanwhile.
    system.remove(FOLDER);
    store.write(&system, first.clone()).unwrap();
    assert!(is_same(&read_last_served(&system, FOLDER.as_ref()).unwrap(), &first));
}

/// What a process takes of `disk`, and how each file differs.
fn taken(last: &LastServed, disk: &[(&str, &str)], take: Take) -> (Vec<String>, Vec<String>) {
    let system = InMemoryFs::new();
    system.mkdir("/app");
    for (name, text) in disk {
        system.write(format!("/app/{name}"), text);
    }
    let roots = Roots::new(&system, &["/app".into()], &[]).unwrap();
    let budget = Budget::new(PLENTY);
    let found = scan(&system, &roots, &budget).snapshot;
    let Resumed { snapshot, files } = resume(&system, &roots, &budget, &found, last, take);
    let content = texts(&snapshot).into_iter();
    let content = content.map(|(name, text)| format!("{name}: {}", text.unwrap_or_default()));
    let told = files.into_iter().map(|file| {
        let name = file.path.strip_prefix("/app").unwrap().display();
        let word = match file.difference {
            Difference::Withheld(why, _) => format!("{why:?}"),
            Difference::Changed => "Changed".to_owned(),
        };
        let from = match (file.is_last, file.is_lost) {
            (true, _) => "last",
            (_, true) => "lost",
            _ => "disk",
        };
        format!("{name} {word} {from}")
    });
    (content.collect(), told.collect())
}

/// One file of each kind: what was served, and what is on disk now.
fn each_kind() -> (LastServed, [(&'static str, &'static str); 6]) {
    let last = served(
        3,
        &[
            ("deleted.py", "good"),
            ("deploy.py", "good"),
            ("mended.py", "good"),
            ("refused.py", "good"),
            ("reverted.py", "good"),
            ("rolled.py", "good"),
        ],
    );
    let last = without(
        last,
        Why::RolledBack,
        &[
            ("created.py", Some("bad")),
            ("deleted.py", None),
            ("mended.py", Some("bad")),
            ("reverted.py", Some("bad")),
            ("rolled.py", Some("bad")),
        ],
    );
    let last = without(last, Why::Refused, &[("refused.py", Some("bad"))]);
    let disk = [
        ("created.py", "bad"),
        ("deploy.py", "new"),
        ("mended.py", "new"),
        ("refused.py", "bad"),
        ("reverted.py", "good"),
        ("rolled.py", "bad"),
    ];
    (last, disk)
}

#[test]
fn p16_what_was_left_stays_back_and_what_was_deployed_is_served() {
    let (last, disk) = each_kind();
    let (content, told) = taken(&last, &disk, Take::Default);
    let expected = [
        "deleted.py: good",
        "deploy.py: new",
        "mended.py: new",
        "refused.py: good",
        "reverted.py: good",
        "rolled.py: good",
    ];
    assert_eq!(expected.map(str::to_owned).to_vec(), content);
    let expected = [
        "created.py RolledBack last",
        "deleted.py RolledBack last",
        "deploy.py Changed disk",
        "mended.py Changed disk",
        "refused.py Refused last",
        "rolled.py RolledBack last",
    ];
    assert_eq!(expected.map(str::to_owned).to_vec(), told);
}

#[test]
fn one_of_the_two_is_taken_of_all_if_that_is_said() {
    let (last, disk) = each_kind();
    let (content, told) = taken(&last, &disk, Take::Disk);
    assert_eq!(disk.map(|(name, text)| format!("{name}: {text}")).to_vec(), content);
    assert!(told.iter().all(|line| line.ends_with("disk")), "{told:?}");
    for take in [Take::Last, Take::LastThenUpdate] {
        let (content, told) = taken(&last, &disk, take);
        let were: Vec<String> =
            texts(&last.files).into_iter().map(|(name, _)| format!("{name}: good")).collect();
        assert_eq!(were, content);
        assert!(told.iter().all(|line| line.ends_with("last")), "{told:?}");
    }
}

#[test]
fn content_that_was_not_kept_is_told() {
    let files = SourceSnapshot::default().with("/app/a.py", Source::digest_only("good"));
    let last = LastServed { generation: 1, files, ..LastServed::default() };
    let last = without(last, Why::RolledBack, &[("a.py", Some("bad"))]);
    let (content, told) = taken(&last, &[("a.py", "bad")], Take::Default);
    assert_eq!(
        (vec!["a.py: bad".to_owned()], vec!["a.py RolledBack lost".to_owned()]),
        (content, told)
    );
}

#[test]
fn templates_are_served_as_they_were_and_data_of_modules_is_told() {
    let budget = Budget::new(PLENTY);
    let files = SourceSnapshot::default()
        .with("/app/page.html", Source::served(Some(b"good"), &budget))
        .with("/app/absent.html", Source::served(None, &budget))
        .with("/app/rates.json", Source::digest_only("good"));
    let last = LastServed { generation: 1, files, ..LastServed::default() };
    let disk = [("absent.html", "bad"), ("page.html", "bad"), ("rates.json", "bad")];
    let left = disk.map(|(name, text)| (name, Some(text)));
    let last = without(last, Why::RolledBack, &left);
    let (content, told) = taken(&last, &disk, Take::Default);
    assert_eq!(vec!["absent.html: ".to_owned(), "page.html: good".to_owned()], content);
    let expected =
        ["absent.html RolledBack last", "page.html RolledBack last", "rates.json RolledBack lost"];
    assert_eq!(expected.map(str::to_owned).to_vec(), told);
}

#[test]
fn files_that_are_not_live_any_more_do_not_come_back() {
    let system = InMemoryFs::new();
    system.write("/app/a.py", "a");
    let roots = Roots::new(&system, &["/app".into()], &["old/*".to_owned()]).unwrap();
    let budget = Budget::new(PLENTY);
    let disk = scan(&system, &roots, &budget).snapshot;
    let last = served(1, &[("a.py", "a"), ("old/b.py", "b")]);
    let resumed = resume(&system, &roots, &budget, &disk, &last, Take::Last);
    assert_eq!((1, vec![]), (resumed.snapshot.iter().count(), resumed.files));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_written_in_any_order_is_what_is_read_last(
        steps in prop::collection::vec((0..6u8, prop::option::of(0..4u32), any::<bool>()), 1..30)
    ) {
        let system = InMemoryFs::new();
        let mut store = ServedStore::open(&system, FOLDER.into(), PLENTY);
        let mut state = LastServed::default();
        let budget = Budget::new(PLENTY);
        for (file, content, restarts) in steps {
            state.generation += 1;
            let path = PathBuf::from(format!("/app/{file}.py"));
            state.files = match content {
                Some(size) => {
                    let text = noise(30_000 * size as usize);
                    state.files.with(path, Source::new(text, &budget))
                }
                None => state.files.without(&path),
            };
            if restarts {
                store = ServedStore::open(&system, FOLDER.into(), PLENTY);
            }
            store.write(&system, state.clone()).unwrap();
            let kept = read_last_served(&system, FOLDER.as_ref()).unwrap();
            prop_assert!(is_same(&kept, &state));
        }
    }

    #[test]
    fn garbage_is_nothing_and_never_a_panic(
        which in prop::sample::select(vec![BASE, DELTA]),
        at in any::<prop::sample::Index>(),
        cut in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let system = InMemoryFs::new();
        let mut store = ServedStore::open(&system, FOLDER.into(), PLENTY);
        let states = [served(1, &[("a.py", "a = 1\n")]), served(2, &[("a.py", "a = 2\n")])];
        for state in &states {
            store.write(&system, state.clone()).unwrap();
        }
        let mut content = system.read(which.as_ref()).unwrap();
        let at = at.index(content.len());
        let end = content.len().min(at + bytes.len());
        if cut {
            content.truncate(at);
        } else {
            content.splice(at..end, bytes);
        }
        let is_intact = content == system.read(which.as_ref()).unwrap();
        system.write(which, content);
        let kept = read_last_served(&system, FOLDER.as_ref());
        if is_intact {
            prop_assert!(is_same(&kept.unwrap(), &states[1]));
        } else if which == BASE {
            prop_assert!(kept.is_none());
        } else {
            prop_assert!(is_same(&kept.unwrap(), &states[0]));
        }
        let mut store = ServedStore::open(&system, FOLDER.into(), PLENTY);
        store.write(&system, states[1].clone()).unwrap();
        prop_assert!(is_same(&read_last_served(&system, FOLDER.as_ref()).unwrap(), &states[1]));
    }
}
