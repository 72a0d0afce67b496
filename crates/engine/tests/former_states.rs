//! P16: which states of former processes can be gone back to, and what is kept of them.

use std::path::PathBuf;
use transfuse_engine::{
    Budget, FileSystem, FormerState, InMemoryFs, LastServed, Recall, Roots, ServedStore, Source,
    SourceSnapshot, read_last_served, recall, with_served_files,
};

const FOLDER: &str = "/state/shop-1f";
const PLENTY: usize = 1 << 20;

type Files<'a> = &'a [(&'a str, &'a str)];

fn snapshot(files: Files<'_>) -> SourceSnapshot {
    let budget = Budget::new(PLENTY);
    files.iter().fold(SourceSnapshot::default(), |snapshot, (name, text)| {
        snapshot.with(format!("/app/{name}"), Source::new(text, &budget))
    })
}

fn former(generation: u64, before: Option<u64>, files: Files<'_>) -> FormerState {
    let at = generation as f64;
    let (until, files) = (at + 0.5, snapshot(files));
    FormerState { generation, at, until, partial: false, before, files }
}

fn last(generation: u64, files: Files<'_>, former: Vec<FormerState>) -> LastServed {
    let before = former.last().map(|state| state.generation);
    let files = snapshot(files);
    LastServed { generation, before, files, former, ..LastServed::default() }
}

/// What a process that begins with `first` finds, once `last` was written and read.
fn recalled(first: Files<'_>, last: LastServed, back_to: Option<u64>, keep: usize) -> Recall {
    let system = InMemoryFs::new();
    system.write("/app/a.py", "");
    let mut store = ServedStore::open(&system, FOLDER.into(), PLENTY);
    store.write(&system, last).unwrap();
    let kept = read_last_served(&system, FOLDER.as_ref()).unwrap();
    let roots = Roots::new(&system, &[PathBuf::from("/app")], &[]).unwrap();
    recall((&system, &roots, &Budget::new(PLENTY)), &snapshot(first), &kept, back_to, keep)
}

/// `[(4, Some(3), "a.py = 1")]`: number, what was before it, and the text of its `a.py`.
fn told(recall: &Recall) -> Vec<(u64, Option<u64>, String)> {
    let text = |view: &SourceSnapshot| {
        let source = view.get("/app/a.py".as_ref()).unwrap();
        String::from_utf8(source.text().unwrap()).unwrap()
    };
    recall.former.iter().map(|state| (state.generation, state.before, text(&state.view))).collect()
}

#[test]
fn p16_the_states_before_the_last_one_can_be_gone_back_to() {
    let states = vec![
        former(3, None, &[("a.py", "1"), ("b.py", "1")]),
        former(4, Some(3), &[("a.py", "2"), ("b.py", "1")]),
    ];
    let last = last(5, &[("a.py", "3"), ("b.py", "2")], states);
    let found = recalled(&[("a.py", "3"), ("b.py", "2")], last, None, 3);
    assert_eq!(told(&found), [(3, None, "1".into()), (4, Some(3), "2".into())]);
    assert_eq!((found.before, found.same), (Some(4), vec![5]));
    let changed = &found.former[1].changed;
    assert_eq!(changed.iter().map(|change| &change.path).collect::<Vec<_>>(), ["/app/a.py"]);
    let b = found.former[1].view.get("/app/b.py".as_ref()).unwrap();
    assert_eq!(b.text().unwrap(), b"1");
}

#[test]
fn p16_what_was_served_last_is_one_of_them_if_the_disk_has_other_content() {
    let last = last(5, &[("a.py", "2")], vec![former(4, None, &[("a.py", "1")])]);
    let found = recalled(&[("a.py", "deployed")], last.clone(), None, 3);
    assert_eq!(told(&found), [(4, None, "1".into()), (5, Some(4), "2".into())]);
    assert_eq!((found.before, found.same), (Some(5), vec![]));
    // Nor is that of which this process is the same a state of its own.
    let found = recalled(&[("a.py", "1")], last, None, 3);
    assert_eq!(told(&found), [(5, Some(4), "2".into())]);
    assert_eq!((found.before, found.same), (Some(5), vec![4]));
}

#[test]
fn p16_a_process_that_serves_a_former_state_again_has_the_past_of_that() {
    let states = vec![former(3, None, &[("a.py", "1")]), former(4, Some(3), &[("a.py", "2")])];
    let last = last(5, &[("a.py", "bad")], states);
    let found = recalled(&[("a.py", "2")], last, Some(4), 3);
    assert_eq!((found.before, found.same.clone()), (Some(3), vec![4]));
    assert_eq!(told(&found), [(3, None, "1".into()), (5, Some(4), "bad".into())]);
}

#[test]
fn p16_a_template_that_is_as_it_was_makes_no_other_state_of_it() {
    let (system, budget) = (InMemoryFs::new(), Budget::new(PLENTY));
    system.write("/app/a.py", "1");
    system.write("/app/same.html", "page");
    system.write("/app/changed.html", "now");
    let roots = Roots::new(&system, &[PathBuf::from("/app")], &[]).unwrap();
    let served = |files: SourceSnapshot, name: &str, text: &str| {
        files.with(format!("/app/{name}"), Source::served(Some(text.as_bytes()), &budget))
    };
    let of = |changed| {
        let files = served(snapshot(&[("a.py", "1")]), "same.html", "page");
        served(files, "changed.html", changed)
    };
    let older = FormerState { files: of("then"), ..former(3, None, &[]) };
    let last = LastServed { files: of("now"), ..last(4, &[], vec![older]) };
    // A process that begins has read no template.
    let context = (&system as &dyn FileSystem, &roots, &budget);
    let first = with_served_files(context, &snapshot(&[("a.py", "1")]), &last);
    let found = recall(context, &first, &last, None, 3);
    assert_eq!((vec![4], Some(3)), (found.same.clone(), found.before));
    let numbers: Vec<_> = found.former.iter().map(|state| state.generation).collect();
    assert_eq!(vec![3], numbers);
    let page = found.former[0].view.get("/app/changed.html".as_ref()).unwrap().text();
    assert_eq!(Some(b"then".to_vec()), page);
}

#[test]
fn p16_a_process_that_goes_back_never_goes_on_to_what_was_left() {
    let states = vec![
        former(3, None, &[("a.py", "good")]),
        former(5, Some(3), &[("a.py", "better")]),
        former(6, Some(5), &[("a.py", "other")]),
        former(7, Some(6), &[("a.py", "better")]),
    ];
    let left = LastServed { same: vec![(4, 5)], ..last(8, &[("a.py", "left")], states) };
    let before = |back_to| recalled(&[("a.py", "better")], left.clone(), Some(back_to), 5).before;
    // Also by a number that leads to it.
    assert_eq!((before(5), before(4), before(7)), (Some(3), Some(3), Some(6)));
    // The process that was asked knows it by a number that the one that has written does not know.
    assert_eq!(before(9), Some(6));
    let unknown = recalled(&[("a.py", "elsewhere")], left.clone(), Some(9), 5);
    assert_eq!(unknown.before, None);
}

#[test]
fn p16_a_part_of_a_change_is_not_what_was_served_before_it() {
    let part = FormerState { partial: true, ..former(4, Some(3), &[("a.py", "2")]) };
    let states = vec![former(3, None, &[("a.py", "1")]), part];
    let last = LastServed { partial: true, ..last(5, &[("a.py", "3")], states) };
    let found = recalled(&[("a.py", "whole")], last, None, 3);
    assert_eq!(found.before, Some(3));
    assert_eq!(found.former.iter().map(|state| state.generation).collect::<Vec<_>>(), [3, 4, 5]);
}

#[test]
fn p16_a_number_leads_to_the_generation_that_answers_the_same() {
    let before = former(4, None, &[("a.py", "1")]);
    let last = last(7, &[("a.py", "2")], vec![before]);
    let found =
        recalled(&[("a.py", "2")], LastServed { same: vec![(3, 4), (6, 7)], ..last }, None, 3);
    assert_eq!((found.same, found.others), (vec![7, 6], vec![(3, 4)]));
}

#[test]
fn the_newest_ones_stay_if_there_are_too_many() {
    let states = (1..5).map(|number| former(number, None, &[("a.py", "old")])).collect();
    let found = recalled(&[("a.py", "new")], last(5, &[("a.py", "new")], states), None, 2);
    assert_eq!(found.former.iter().map(|state| state.generation).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn a_state_of_which_a_part_is_not_known_is_none_to_go_back_to() {
    let budget = Budget::new(0);
    let files = snapshot(&[("a.py", "1")]).with("/app/b.py", Source::new("1", &budget));
    let unknown = FormerState { files, ..former(3, None, &[]) };
    let foreign = FormerState {
        files: snapshot(&[("a.py", "1")]).with("/elsewhere/c.py", Source::new("1", &budget)),
        ..former(4, None, &[])
    };
    let last = last(5, &[("a.py", "1"), ("b.py", "2")], vec![unknown, foreign]);
    let found = recalled(&[("a.py", "1"), ("b.py", "2")], last, None, 3);
    assert_eq!(told(&found), []);
}

#[test]
fn former_states_are_written_as_far_as_there_is_room() {
    let system = InMemoryFs::new();
    let mut store = ServedStore::open(&system, FOLDER.into(), 100);
    let text = "x".repeat(20) + "0123456789abcdefghijklmnopqrstuvwxyz";
    let states =
        vec![former(3, None, &[("a.py", &text)]), former(4, None, &[("a.py", &text[1..])])];
    store.write(&system, last(5, &[("a.py", &text[2..])], states)).unwrap();
    let kept = read_last_served(&system, FOLDER.as_ref()).unwrap();
    let numbers: Vec<_> = kept.former.iter().map(|state| state.generation).collect();
    assert_eq!(numbers, [4]);
}

#[test]
fn former_states_go_with_each_small_difference() {
    let system = InMemoryFs::new();
    let mut store = ServedStore::open(&system, FOLDER.into(), PLENTY);
    store.write(&system, last(1, &[("a.py", "1")], vec![])).unwrap();
    let base = || system.metadata("/state/shop-1f/base".as_ref()).unwrap().modified;
    let written = base();
    for number in 2..6 {
        let text = |number: u64| format!("a = {number}");
        let before = former(number - 1, None, &[("a.py", &text(number - 1))]);
        store.write(&system, last(number, &[("a.py", &text(number))], vec![before])).unwrap();
        let kept = read_last_served(&system, FOLDER.as_ref()).unwrap();
        assert_eq!((kept.generation, kept.before), (number, Some(number - 1)));
        let source = kept.former[0].files.get("/app/a.py".as_ref()).unwrap();
        assert_eq!(source.text().unwrap(), text(number - 1).as_bytes());
        assert_eq!(kept.former[0].until, number as f64 - 0.5);
    }
    assert_eq!(base(), written);
}
