//! When a burst of events has come to rest, on a clock that the test turns.

use proptest::prelude::*;
use std::{collections::BTreeSet, path::PathBuf, time::Duration};
use transfuse_engine::{Batch, Event, Settle, Settled, Window};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn a() -> PathBuf {
    PathBuf::from("/app/a.py")
}

fn b() -> PathBuf {
    PathBuf::from("/app/b.py")
}

fn ready(paths: &[PathBuf]) -> Settled {
    Settled::Ready(Batch::Paths(paths.iter().cloned().collect()))
}

/// Tells a machine what happened when.
fn settle(events: &[(u64, Event)]) -> Settle {
    let mut settle = Settle::new(Window::default());
    for (at, event) in events {
        settle.event(ms(*at), event);
    }
    settle
}

#[test]
fn nothing_happens_where_nothing_happened() {
    assert_eq!(Settled::Idle, settle(&[]).next(ms(1_000_000)));
}

#[test]
fn one_saved_file_is_ready_in_four_milliseconds() {
    let mut settle = settle(&[(10, Event::Modified(a())), (11, Event::Closed(a()))]);
    assert_eq!(Settled::Wait(ms(15)), settle.next(ms(11)));
    assert_eq!(ready(&[a()]), settle.next(ms(15)));
    assert_eq!(Settled::Idle, settle.next(ms(15)));
}

#[test]
fn an_atomic_save_is_one_file() {
    let draft = PathBuf::from("/app/tmpx81k");
    let mut settle = settle(&[
        (0, Event::Created(draft.clone())),
        (0, Event::Modified(draft.clone())),
        (1, Event::Closed(draft.clone())),
        (1, Event::Gone(draft)),
        (1, Event::Moved(a())),
    ]);
    assert_eq!(Settled::Wait(ms(5)), settle.next(ms(1)));
    assert_eq!(ready(&[a()]), settle.next(ms(5)));
}

#[test]
fn a_file_that_came_and_went_is_nothing() {
    let mut settle = settle(&[(0, Event::Created(a())), (1, Event::Gone(a()))]);
    assert_eq!(Settled::Idle, settle.next(ms(2)));
}

#[test]
fn a_file_that_went_and_came_is_looked_at() {
    let events = [Event::Gone(a()), Event::Created(a()), Event::Closed(a()), Event::Gone(a())];
    let mut settle = settle(&events.map(|event| (0, event)));
    assert_eq!(ready(&[a()]), settle.next(ms(4)));
}

#[test]
fn a_checkout_of_many_files_is_one_batch() {
    let mut settle = Settle::new(Window::default());
    let mut paths = BTreeSet::new();
    for at in 0..500 {
        let path = PathBuf::from(format!("/app/m{at}.py"));
        settle.event(ms(at), &Event::Closed(path.clone()));
        paths.insert(path);
        assert!(matches!(settle.next(ms(at)), Settled::Wait(_)));
    }
    assert_eq!(Settled::Wait(ms(499 + 25)), settle.next(ms(523)));
    assert_eq!(Settled::Ready(Batch::Paths(paths)), settle.next(ms(524)));
}

#[test]
fn a_file_that_is_still_open_is_waited_for() {
    let mut settle = settle(&[(0, Event::Modified(a())), (0, Event::Closed(b()))]);
    assert_eq!(Settled::Wait(ms(60)), settle.next(ms(0)));
    settle.event(ms(30), &Event::Closed(a()));
    assert_eq!(Settled::Wait(ms(55)), settle.next(ms(30)));
    assert_eq!(ready(&[a(), b()]), settle.next(ms(55)));
}

#[test]
fn a_file_that_is_never_closed_is_not_waited_for_without_end() {
    let mut settle = settle(&[]);
    for at in 0..150 {
        settle.event(ms(at * 10), &Event::Modified(a()));
        assert!(matches!(settle.next(ms(at * 10)), Settled::Wait(_)));
    }
    assert_eq!(Settled::Wait(ms(1500)), settle.next(ms(1499)));
    assert_eq!(ready(&[a()]), settle.next(ms(1500)));
}

#[test]
fn a_mode_that_changes_after_the_save_does_not_open_the_file() {
    let mut settle = settle(&[(0, Event::Closed(a())), (1, Event::Touched(a()))]);
    assert_eq!(Settled::Wait(ms(5)), settle.next(ms(1)));
    settle.event(ms(2), &Event::Modified(a()));
    settle.event(ms(3), &Event::Touched(a()));
    assert_eq!(Settled::Wait(ms(63)), settle.next(ms(3)));
}

#[test]
fn a_directory_may_be_many_files() {
    let mut settle = settle(&[(0, Event::Dir("/app/pack".into()))]);
    assert_eq!(Settled::Wait(ms(25)), settle.next(ms(0)));
    assert_eq!(ready(&["/app/pack".into()]), settle.next(ms(25)));
}

#[test]
fn a_lost_event_is_a_rescan() {
    let mut settle = settle(&[(0, Event::Closed(a())), (1, Event::Rescan)]);
    assert_eq!(Settled::Wait(ms(26)), settle.next(ms(1)));
    assert_eq!(Settled::Ready(Batch::Rescan), settle.next(ms(26)));
    assert_eq!(Settled::Idle, settle.next(ms(27)));
}

#[test]
fn lost_events_are_a_rescan() {
    let mut settle = settle(&[(0, Event::Lost)]);
    assert_eq!(Settled::Ready(Batch::Rescan), settle.next(ms(25)));
}

#[test]
fn what_is_due_and_was_not_fetched_is_not_nothing() {
    let mut settle = settle(&[(0, Event::Closed(a()))]);
    assert!(!settle.is_idle());
    assert_eq!(ready(&[a()]), settle.next(ms(1_000)));
    assert!(settle.is_idle());
}

#[test]
fn what_was_unstable_is_asked_for_again() {
    let mut settle = settle(&[(0, Event::Closed(a()))]);
    assert_eq!(ready(&[a()]), settle.next(ms(4)));
    settle.again(ms(5), [a()]);
    assert_eq!(Settled::Wait(ms(65)), settle.next(ms(5)));
    assert_eq!(ready(&[a()]), settle.next(ms(65)));
}

fn events() -> impl Strategy<Value = Event> {
    let path = (0..3u8).prop_map(|at| PathBuf::from(format!("/app/{at}.py")));
    (path, 0..7u8).prop_map(|(path, kind)| match kind {
        0 => Event::Modified(path),
        1 => Event::Created(path),
        2 => Event::Closed(path),
        3 => Event::Moved(path),
        4 => Event::Gone(path),
        5 => Event::Touched(path),
        _ => Event::Dir(path),
    })
}

proptest! {
    /// No event is lost, no batch is empty, nothing waits longer than the cap, and a machine that
    /// says when to come back is ready then.
    #[test]
    fn p9_every_event_comes_out(steps in prop::collection::vec((0..40u64, events()), 1..60)) {
        let mut settle = Settle::new(Window::default());
        let (mut now, mut dirty, mut first) = (0, BTreeSet::new(), None);
        for (pause, event) in steps {
            let until = now + pause;
            loop {
                match settle.next(ms(now)) {
                    Settled::Idle => { prop_assert!(dirty.is_empty()); break; }
                    Settled::Wait(due) => {
                        prop_assert!(due > ms(now) && due <= ms(first.unwrap() + 1500));
                        if due > ms(until) { break; }
                        now = due.as_millis() as u64;
                    }
                    Settled::Ready(Batch::Paths(paths)) => {
                        prop_assert!(!paths.is_empty());
                        prop_assert_eq!(&dirty, &paths);
                        dirty.clear();
                        first = None;
                    }
                    Settled::Ready(Batch::Rescan) => unreachable!(),
                }
            }
            now = until;
            let path = event.path().unwrap().to_owned();
            let known = dirty.contains(&path);
            settle.event(ms(now), &event);
            first.get_or_insert(now);
            // A file that was made in this batch and is gone again may be missing from it; nothing
            // else.
            if !(matches!(event, Event::Gone(_)) && known && settle_forgot(&settle, &path)) {
                dirty.insert(path);
            } else {
                dirty.remove(&path);
            }
            if dirty.is_empty() { first = None; }
        }
    }
}

/// Has the machine let go of `path`? Its debug form is the only window.
fn settle_forgot(settle: &Settle, path: &std::path::Path) -> bool {
    !format!("{settle:?}").contains(&format!("{path:?}"))
}
