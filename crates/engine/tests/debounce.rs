//! When a burst of events has come to rest, on a clock that the test controls.

use proptest::prelude::*;
use std::{collections::BTreeSet, path::PathBuf, time::Duration};
use transfuse_engine::{Debouncer, DirtyPaths, Event, EventKind, Readiness, Window};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn a() -> PathBuf {
    PathBuf::from("/app/a.py")
}

fn b() -> PathBuf {
    PathBuf::from("/app/b.py")
}

fn ready(paths: &[PathBuf]) -> Readiness {
    Readiness::Ready(DirtyPaths::Listed(paths.iter().cloned().collect()))
}

/// A debouncer that has received these events at these times.
fn debounced(events: &[(u64, Event)]) -> Debouncer {
    let mut debouncer = Debouncer::new(Window::default());
    for (at, event) in events {
        debouncer.event(ms(*at), event);
    }
    debouncer
}

#[test]
fn without_events_it_is_idle() {
    assert_eq!(Readiness::Idle, debounced(&[]).poll(ms(1_000_000)));
}

#[test]
fn one_saved_file_is_ready_in_four_milliseconds() {
    let mut debouncer =
        debounced(&[(10, EventKind::Modified.at(a())), (11, EventKind::Closed.at(a()))]);
    assert_eq!(Readiness::Wait(ms(15)), debouncer.poll(ms(11)));
    assert_eq!(ready(&[a()]), debouncer.poll(ms(15)));
    assert_eq!(Readiness::Idle, debouncer.poll(ms(15)));
}

#[test]
fn an_atomic_save_is_one_file() {
    let draft = PathBuf::from("/app/tmpx81k");
    let mut debouncer = debounced(&[
        (0, EventKind::Created.at(draft.clone())),
        (0, EventKind::Modified.at(draft.clone())),
        (1, EventKind::Closed.at(draft.clone())),
        (1, EventKind::Gone.at(draft)),
        (1, EventKind::Moved.at(a())),
    ]);
    assert_eq!(Readiness::Wait(ms(5)), debouncer.poll(ms(1)));
    assert_eq!(ready(&[a()]), debouncer.poll(ms(5)));
}

#[test]
fn a_file_that_came_and_went_is_nothing() {
    let mut debouncer = debounced(&[(0, EventKind::Created.at(a())), (1, EventKind::Gone.at(a()))]);
    assert_eq!(Readiness::Idle, debouncer.poll(ms(2)));
}

#[test]
fn a_file_that_went_and_came_is_looked_at() {
    let events = [
        EventKind::Gone.at(a()),
        EventKind::Created.at(a()),
        EventKind::Closed.at(a()),
        EventKind::Gone.at(a()),
    ];
    let mut debouncer = debounced(&events.map(|event| (0, event)));
    assert_eq!(ready(&[a()]), debouncer.poll(ms(4)));
}

#[test]
fn a_checkout_of_many_files_is_one_batch() {
    let mut debouncer = Debouncer::new(Window::default());
    let mut paths = BTreeSet::new();
    for at in 0..500 {
        let path = PathBuf::from(format!("/app/m{at}.py"));
        debouncer.event(ms(at), &EventKind::Closed.at(path.clone()));
        paths.insert(path);
        assert!(matches!(debouncer.poll(ms(at)), Readiness::Wait(_)));
    }
    assert_eq!(Readiness::Wait(ms(499 + 25)), debouncer.poll(ms(523)));
    assert_eq!(Readiness::Ready(DirtyPaths::Listed(paths)), debouncer.poll(ms(524)));
}

#[test]
fn a_file_that_is_still_open_is_waited_for() {
    let mut debouncer =
        debounced(&[(0, EventKind::Modified.at(a())), (0, EventKind::Closed.at(b()))]);
    assert_eq!(Readiness::Wait(ms(60)), debouncer.poll(ms(0)));
    debouncer.event(ms(30), &EventKind::Closed.at(a()));
    assert_eq!(Readiness::Wait(ms(55)), debouncer.poll(ms(30)));
    assert_eq!(ready(&[a(), b()]), debouncer.poll(ms(55)));
}

#[test]
fn a_file_that_is_never_closed_is_not_waited_for_without_end() {
    let mut debouncer = debounced(&[]);
    for at in 0..150 {
        debouncer.event(ms(at * 10), &EventKind::Modified.at(a()));
        assert!(matches!(debouncer.poll(ms(at * 10)), Readiness::Wait(_)));
    }
    assert_eq!(Readiness::Wait(ms(1500)), debouncer.poll(ms(1499)));
    assert_eq!(ready(&[a()]), debouncer.poll(ms(1500)));
}

#[test]
fn a_mode_that_changes_after_the_save_does_not_open_the_file() {
    let mut debouncer =
        debounced(&[(0, EventKind::Closed.at(a())), (1, EventKind::Touched.at(a()))]);
    assert_eq!(Readiness::Wait(ms(5)), debouncer.poll(ms(1)));
    debouncer.event(ms(2), &EventKind::Modified.at(a()));
    debouncer.event(ms(3), &EventKind::Touched.at(a()));
    assert_eq!(Readiness::Wait(ms(63)), debouncer.poll(ms(3)));
}

#[test]
fn a_directory_may_be_many_files() {
    let mut debouncer = debounced(&[(0, EventKind::Dir.at("/app/pack"))]);
    assert_eq!(Readiness::Wait(ms(25)), debouncer.poll(ms(0)));
    assert_eq!(ready(&["/app/pack".into()]), debouncer.poll(ms(25)));
}

#[test]
fn a_lost_event_is_a_rescan() {
    let mut debouncer = debounced(&[(0, EventKind::Closed.at(a())), (1, Event::Rescan)]);
    assert_eq!(Readiness::Wait(ms(26)), debouncer.poll(ms(1)));
    assert_eq!(Readiness::Ready(DirtyPaths::Rescan), debouncer.poll(ms(26)));
    assert_eq!(Readiness::Idle, debouncer.poll(ms(27)));
}

#[test]
fn lost_events_are_a_rescan() {
    let mut debouncer = debounced(&[(0, Event::Lost)]);
    assert_eq!(Readiness::Ready(DirtyPaths::Rescan), debouncer.poll(ms(25)));
}

#[test]
fn a_due_result_that_was_not_polled_is_not_idle() {
    let mut debouncer = debounced(&[(0, EventKind::Closed.at(a()))]);
    assert!(!debouncer.is_idle());
    assert_eq!(ready(&[a()]), debouncer.poll(ms(1_000)));
    assert!(debouncer.is_idle());
}

#[test]
fn unstable_paths_are_compared_again() {
    let mut debouncer = debounced(&[(0, EventKind::Closed.at(a()))]);
    assert_eq!(ready(&[a()]), debouncer.poll(ms(4)));
    debouncer.retry(ms(5), [a()]);
    assert_eq!(Readiness::Wait(ms(65)), debouncer.poll(ms(5)));
    assert_eq!(ready(&[a()]), debouncer.poll(ms(65)));
}

fn events() -> impl Strategy<Value = Event> {
    let path = (0..3u8).prop_map(|at| PathBuf::from(format!("/app/{at}.py")));
    (path, 0..7u8).prop_map(|(path, kind)| match kind {
        0 => EventKind::Modified.at(path),
        1 => EventKind::Created.at(path),
        2 => EventKind::Closed.at(path),
        3 => EventKind::Moved.at(path),
        4 => EventKind::Gone.at(path),
        5 => EventKind::Touched.at(path),
        _ => EventKind::Dir.at(path),
    })
}

proptest! {
    /// No event is lost, no result is empty, nothing waits longer than the cap, and a debouncer
    /// that says when to come back is ready then.
    #[test]
    fn p9_every_event_comes_out(steps in prop::collection::vec((0..40u64, events()), 1..60)) {
        let mut debouncer = Debouncer::new(Window::default());
        let (mut now, mut dirty, mut first) = (0, BTreeSet::new(), None);
        for (pause, event) in steps {
            let until = now + pause;
            loop {
                match debouncer.poll(ms(now)) {
                    Readiness::Idle => { prop_assert!(dirty.is_empty()); break; }
                    Readiness::Wait(due) => {
                        prop_assert!(due > ms(now) && due <= ms(first.unwrap() + 1500));
                        if due > ms(until) { break; }
                        now = due.as_millis() as u64;
                    }
                    Readiness::Ready(DirtyPaths::Listed(paths)) => {
                        prop_assert!(!paths.is_empty());
                        prop_assert_eq!(&dirty, &paths);
                        dirty.clear();
                        first = None;
                    }
                    Readiness::Ready(DirtyPaths::Rescan) => unreachable!(),
                }
            }
            now = until;
            let path = event.path().unwrap().to_owned();
            let known = dirty.contains(&path);
            debouncer.event(ms(now), &event);
            first.get_or_insert(now);
            // A file that was created and removed before the poll may be missing from it; nothing
            // else.
            if !(matches!(event, Event::Path(EventKind::Gone, _)) && known && dropped(&debouncer, &path)) {
                dirty.insert(path);
            } else {
                dirty.remove(&path);
            }
            if dirty.is_empty() { first = None; }
        }
    }
}

/// Has the debouncer dropped `path`? Only its debug form shows that.
fn dropped(debouncer: &Debouncer, path: &std::path::Path) -> bool {
    !format!("{debouncer:?}").contains(&format!("{path:?}"))
}

/// Answers from these, and the last one for ever.
fn locked(answers: &[bool]) -> impl FnMut(&mut dyn Iterator<Item = &std::path::Path>) -> bool + '_ {
    let mut next = answers.iter().copied();
    let last = *answers.last().unwrap();
    move |_| next.next().unwrap_or(last)
}

/// Comes back exactly when it is asked to, from `at` on, and returns when the paths are ready.
fn punctual(debouncer: &mut Debouncer, mut at: Duration) -> (Duration, Readiness) {
    loop {
        match debouncer.poll(at) {
            Readiness::Wait(until) => at = until,
            ready => return (at, ready),
        }
    }
}

#[test]
fn a_locked_tree_is_waited_for_and_then_a_quiet_window() {
    let mut debouncer =
        debounced(&[(0, EventKind::Modified.at(a())), (1, EventKind::Closed.at(a()))]);
    let mut is_locked = locked(&[true, false]);
    assert_eq!(Readiness::Wait(ms(25)), debouncer.poll_unless(ms(5), &mut is_locked));
    assert_eq!(Readiness::Wait(ms(30)), debouncer.poll_unless(ms(25), &mut is_locked));
    debouncer.event(ms(40), &EventKind::Closed.at(b()));
    assert_eq!(Readiness::Wait(ms(65)), debouncer.poll_unless(ms(45), &mut is_locked));
    assert_eq!(ready(&[a(), b()]), debouncer.poll_unless(ms(65), &mut is_locked));
    assert!(debouncer.is_idle());
}

#[test]
fn a_lock_does_not_count_towards_the_cap() {
    let mut debouncer = Debouncer::new(Window::default());
    let mut at = 0;
    while at < 5_000 {
        debouncer.event(ms(at), &EventKind::Closed.at(if at % 40 == 0 { a() } else { b() }));
        assert_ne!(ready(&[a(), b()]), debouncer.poll_unless(ms(at + 19), |_| true));
        at += 20;
    }
    let (rested, found) = punctual(&mut debouncer, ms(at));
    assert_eq!(ready(&[a(), b()]), found);
    assert!(rested <= ms(at + 60), "{rested:?}");
}

#[test]
fn a_lock_that_was_left_over_holds_nothing_up_for_long() {
    let mut debouncer = debounced(&[(0, EventKind::Closed.at(a()))]);
    let mut at = 4;
    while let Readiness::Wait(until) = debouncer.poll_unless(ms(at), |_| true) {
        at = u64::try_from(until.as_millis()).unwrap();
        assert!(at < 11_000, "it waits for ever");
    }
    assert!(at >= 10_000);
}

#[test]
fn files_that_do_not_matter_keep_a_lock_alive() {
    let mut debouncer = debounced(&[(0, EventKind::Closed.at(a()))]);
    for at in (0..60_000).step_by(1_000) {
        debouncer.activity(ms(at));
        assert!(matches!(debouncer.poll_unless(ms(at + 500), |_| true), Readiness::Wait(_)));
    }
}

#[test]
fn a_file_under_a_passing_name_is_a_transfer_that_is_waited_for() {
    let draft = || PathBuf::from("/app/.b.py.Vx3k9Q");
    let mut debouncer = debounced(&[
        (0, EventKind::Moved.at(a())),
        (1, EventKind::Created.at(draft())),
        (2, EventKind::Modified.at(draft())),
    ]);
    assert!(matches!(debouncer.poll(ms(200)), Readiness::Wait(_)));
    debouncer.event(ms(900), &EventKind::Gone.at(draft()));
    debouncer.event(ms(900), &EventKind::Moved.at(b()));
    assert_eq!((ms(925), ready(&[a(), b()])), punctual(&mut debouncer, ms(910)));
}

#[test]
fn after_several_transfers_the_next_one_may_take_a_while() {
    let draft = |n: u8| PathBuf::from(format!("/app/.f.py.Vx3k9{n}"));
    let mut debouncer = Debouncer::new(Window::default());
    for n in 0..3_u8 {
        let at = u64::from(n) * 200;
        debouncer.event(ms(at), &EventKind::Created.at(draft(n)));
        debouncer.event(ms(at + 1), &EventKind::Gone.at(draft(n)));
        debouncer.event(ms(at + 1), &EventKind::Moved.at(if n == 0 { a() } else { b() }));
    }
    assert_eq!((ms(401 + 250), ready(&[a(), b()])), punctual(&mut debouncer, ms(402)));
}

#[test]
fn other_hidden_files_are_no_transfers() {
    for name in [".env", ".app.config", ".prices.py.swp", "prices.py.Vx3k9Q", ".#prices.py"] {
        let path = PathBuf::from("/app").join(name);
        let mut debouncer = debounced(&[(0, EventKind::Closed.at(path.clone()))]);
        assert_eq!(ready(&[path]), debouncer.poll(ms(4)), "{name}");
    }
}

#[test]
fn a_caller_that_comes_late_gets_a_longer_window() {
    let mut debouncer = debounced(&[(0, EventKind::Closed.at(a()))]);
    assert_eq!(Readiness::Wait(ms(4)), debouncer.poll(ms(0)));
    // Ten milliseconds late, so the program that saves `b` may be as late.
    assert_eq!(Readiness::Wait(ms(84)), debouncer.poll(ms(14)));
    debouncer.event(ms(50), &EventKind::Closed.at(b()));
    assert_eq!((ms(155), ready(&[a(), b()])), punctual(&mut debouncer, ms(84)));
}

#[test]
fn a_punctual_caller_is_served_as_before() {
    let mut debouncer = debounced(&[(0, EventKind::Closed.at(a()))]);
    assert_eq!(Readiness::Wait(ms(4)), debouncer.poll(ms(0)));
    assert_eq!(ready(&[a()]), debouncer.poll(ms(5)));
}

#[test]
fn a_machine_that_is_known_to_be_loaded_gets_a_longer_window() {
    let mut debouncer = debounced(&[(0, EventKind::Closed.at(a()))]);
    assert_eq!(Readiness::Wait(ms(4)), debouncer.poll(ms(0)));
    // Found out when the caller comes back, on time.
    debouncer.expect_lateness(ms(4));
    assert_eq!(Readiness::Wait(ms(36)), debouncer.poll(ms(4)));
    assert_eq!(ready(&[a()]), debouncer.poll(ms(36)));
}
