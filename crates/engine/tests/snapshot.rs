//! A generation's snapshot stays the same, whatever the next one contains.

use proptest::prelude::*;
use std::{collections::BTreeMap, path::Path, sync::Arc};
use transfuse_engine::{Budget, ChangeKind, FileChange, Source, SourceSnapshot};

fn source(text: &str) -> Arc<Source> {
    Source::new(text, &Budget::new(usize::MAX))
}

#[test]
fn p2_an_older_snapshot_does_not_change() {
    let conf = Path::new("/app/conf.py");
    let old = SourceSnapshot::default().with(conf, source("a = 1"));
    let new = old.with(conf, source("a = 2")).with("/app/new.py", source(""));
    let none = new.without(conf);
    assert_eq!(b"a = 1".to_vec(), old.get(conf).unwrap().text().unwrap());
    assert_eq!(b"a = 2".to_vec(), new.get(conf).unwrap().text().unwrap());
    assert_eq!((1, 2, 1), (old.iter().count(), new.iter().count(), none.iter().count()));
}

#[test]
fn content_decides_which_files_changed() {
    let old = SourceSnapshot::default()
        .with("/app/a.py", source("same"))
        .with("/app/b.py", source("1"))
        .with("/app/c.py", source(""));
    let new = SourceSnapshot::default()
        .with("/app/a.py", source("same"))
        .with("/app/b.py", source("2"))
        .with("/app/d.py", source(""));
    let change = |path: &str, kind| FileChange { path: path.into(), kind };
    assert_eq!(
        vec![
            change("/app/b.py", ChangeKind::Changed),
            change("/app/c.py", ChangeKind::Deleted),
            change("/app/d.py", ChangeKind::Created),
        ],
        old.changes(&new)
    );
    assert_eq!(Vec::<FileChange>::new(), old.changes(&old));
}

#[test]
fn a_directory_is_a_range_of_files() {
    let snapshot =
        ["/app/shop.py", "/app/shop/conf.py", "/app/shop/web/a.py", "/app/shop-old/b.py"]
            .into_iter()
            .fold(SourceSnapshot::default(), |snapshot, path| snapshot.with(path, source(path)));
    let under: Vec<_> = snapshot.under(Path::new("/app/shop")).map(|(path, _)| path).collect();
    assert_eq!(vec![Path::new("/app/shop/conf.py"), Path::new("/app/shop/web/a.py")], under);
    assert!(snapshot.has_dir(Path::new("/app/shop/web")));
    assert!(
        !snapshot.has_dir(Path::new("/app/sho")) && !snapshot.has_dir(Path::new("/app/shop.py"))
    );
}

proptest! {
    #[test]
    fn a_snapshot_is_a_map(steps in prop::collection::vec((0..12u8, prop::option::of(0..3u8)), 0..60)) {
        let (mut snapshot, mut model) = (SourceSnapshot::default(), BTreeMap::new());
        for (file, content) in steps {
            let path = format!("/app/{}/{file}.py", file % 3);
            match content {
                Some(content) => {
                    snapshot = snapshot.with(&path, source(&content.to_string()));
                    model.insert(path, content);
                }
                None => {
                    snapshot = snapshot.without(Path::new(&path));
                    model.remove(&path);
                }
            }
        }
        let found: BTreeMap<_, _> = snapshot.iter().map(|(path, source)| {
            let text = String::from_utf8(source.text().unwrap()).unwrap();
            (path.display().to_string(), text.parse::<u8>().unwrap())
        }).collect();
        prop_assert_eq!(model, found);
    }
}
