//! The life of generations, as numbers.

use proptest::prelude::*;
use std::collections::BTreeMap;
use transfuse_engine::{
    GenerationId, GenerationState, Lifecycles, Retirement,
    Retirement::{Drained, Dropped},
    Succession,
};

fn id(number: u64) -> GenerationId {
    GenerationId(number)
}

/// `count` generations published, one after the other.
fn published(keep: usize, count: u64) -> (Lifecycles, Vec<Retirement>) {
    let mut generations = Lifecycles::new(keep);
    let mut retirements = Vec::new();
    for _ in 0..count {
        let next = generations.stage();
        retirements.extend(generations.publish(next));
    }
    (generations, retirements)
}

#[test]
fn the_first_generation_is_number_one() {
    let mut generations = Lifecycles::new(2);
    assert_eq!(None, generations.state(id(1)));
    let first = generations.stage();
    assert_eq!((id(1), Some(GenerationState::Staged)), (first, generations.state(first)));
    assert!(generations.publish(first).is_empty());
    assert_eq!(Some(GenerationState::Current), generations.state(first));
    assert_eq!(None, generations.state(id(2)));
    assert_eq!(None, generations.state(id(0)));
}

#[test]
fn p4_an_abandoned_number_is_given_again() {
    let (mut generations, _) = published(2, 1);
    let staged = generations.stage();
    generations.abandon(staged);
    let current = Some(GenerationState::Current);
    assert_eq!((None, current), (generations.state(staged), generations.state(id(1))));
    assert_eq!(id(2), generations.stage());
}

#[test]
fn an_abandoned_number_that_is_pinned_is_not_given_again() {
    let (mut generations, _) = published(2, 1);
    let staged = generations.stage();
    assert!(generations.pin(staged));
    generations.abandon(staged);
    assert_eq!((None, false), (generations.state(staged), generations.pin(staged)));
    let next = generations.stage();
    assert_eq!(id(3), next);
    generations.abandon(next);
    assert!(generations.unpin(staged).is_empty());
    assert_eq!(id(2), generations.stage());
}

#[test]
fn p8_a_generation_drains_with_its_last_pin() {
    let (mut generations, _) = published(2, 1);
    assert!(generations.pin(id(1)) && generations.pin(id(1)));
    let next = generations.stage();
    assert!(generations.publish(next).is_empty());
    assert_eq!(Some(GenerationState::Draining { pins: 2 }), generations.state(id(1)));
    assert!(generations.unpin(id(1)).is_empty());
    assert_eq!(vec![Drained(id(1))], generations.unpin(id(1)));
    assert_eq!(Some(GenerationState::Retired), generations.state(id(1)));
    assert!(!generations.pin(id(1)));
}

#[test]
fn a_draining_generation_can_be_pinned_again() {
    let (mut generations, _) = published(2, 1);
    generations.pin(id(1));
    let next = generations.stage();
    generations.publish(next);
    assert!(generations.pin(id(1)));
    assert_eq!(2, generations.pins(id(1)));
}

#[test]
fn the_last_few_are_kept() {
    let (generations, retirements) = published(2, 5);
    assert_eq!(vec![id(3), id(4)], generations.kept());
    let expected = [Drained(id(1)), Drained(id(2)), Drained(id(3)), Dropped(id(1))];
    assert_eq!(expected[..3], retirements.iter().copied().filter(drained).collect::<Vec<_>>()[..3]);
    assert!(retirements.contains(&expected[3]) && retirements.contains(&Dropped(id(2))));
    assert_eq!(Some(GenerationState::Retired), generations.state(id(1)));
}

fn drained(retirement: &Retirement) -> bool {
    matches!(retirement, Drained(_))
}

#[test]
fn a_pinned_generation_is_dropped_only_when_it_has_drained() {
    let (mut generations, _) = published(1, 1);
    generations.pin(id(1));
    for _ in 0..3 {
        let next = generations.stage();
        let retirements = generations.publish(next);
        assert!(!retirements.contains(&Dropped(id(1))));
    }
    assert_eq!(vec![id(3)], generations.kept());
    assert_eq!(vec![Drained(id(1)), Dropped(id(1))], generations.unpin(id(1)));
}

#[test]
fn none_is_kept_where_none_is_to_be_kept() {
    let (_, retirements) = published(0, 2);
    assert_eq!(vec![Drained(id(1)), Dropped(id(1))], retirements);
}

#[test]
fn a_rollback_makes_a_kept_generation_current() {
    let (mut generations, _) = published(2, 3);
    assert_eq!(vec![Drained(id(3))], generations.publish(id(2)));
    assert_eq!(Some(GenerationState::Current), generations.state(id(2)));
    assert_eq!(vec![id(1), id(3)], generations.kept());
    assert!(generations.pin(id(2)));
    assert_eq!(id(4), generations.stage());
}

#[test]
fn a_missing_generation_cannot_be_published() {
    let (mut generations, _) = published(1, 4);
    for gone in [1, 2, 9] {
        assert!(generations.publish(id(gone)).is_empty());
    }
    assert!(generations.publish(id(4)).is_empty());
    assert_eq!(Some(GenerationState::Current), generations.state(id(4)));
}

#[test]
fn p8_bookkeeping_is_flat_after_ten_thousand_updates() {
    let (generations, retirements) = published(3, 10_000);
    let dropped = retirements.iter().filter(|retirement| !drained(retirement)).count();
    assert_eq!(10_000 - 4, dropped);
    assert!(format!("{generations:?}").len() < 2_000);
}

/// Publishes the next generation, and returns its number.
fn next(generations: &mut Lifecycles, how: Succession) -> GenerationId {
    let id = generations.stage();
    generations.publish_as(id, how);
    id
}

#[test]
fn p16_a_generation_for_which_nothing_ran_takes_no_place() {
    let mut generations = Lifecycles::new(1);
    let good = next(&mut generations, Succession::Another);
    let bad = next(&mut generations, Succession::Another);
    let mut last = bad;
    for _ in 0..4 {
        if let Some(older) = generations.perhaps_same() {
            generations.fold(older, last);
        }
        last = next(&mut generations, Succession::Quiet);
        assert!(generations.kept().contains(&good));
    }
    let older = generations.perhaps_same().unwrap();
    assert!(generations.fold(older, last).contains(&Dropped(older)));
    assert_eq!((vec![good], Some(good)), (generations.kept(), generations.before(last)));
    assert_eq!((last, Some(good)), (generations.alias(bad), generations.before(bad)));
}

#[test]
fn p16_one_that_was_not_folded_counts_with_the_next() {
    let mut generations = Lifecycles::new(1);
    next(&mut generations, Succession::Another);
    let second = next(&mut generations, Succession::Another);
    let quiet = next(&mut generations, Succession::Quiet);
    assert_eq!((2, Some(second)), (generations.kept().len(), generations.before(quiet)));
    next(&mut generations, Succession::Another);
    assert_eq!(vec![quiet], generations.kept());
}

#[test]
fn p16_before_a_rollback_is_what_was_before_its_target() {
    let mut generations = Lifecycles::new(3);
    let first = next(&mut generations, Succession::Another);
    let second = next(&mut generations, Succession::Another);
    let bad = next(&mut generations, Succession::Another);
    let back = next(&mut generations, Succession::Back(second));
    assert_eq!((Some(first), back), (generations.before(back), generations.alias(second)));
    assert_eq!(vec![first, bad], generations.kept());
    let edited = next(&mut generations, Succession::Another);
    assert_eq!(Some(back), generations.before(edited));
    assert_eq!(Some(back), generations.before(bad), "what it was before, under its new number");
    let elsewhere = next(&mut generations, Succession::BackToUnknown);
    assert_eq!(None, generations.before(elsewhere));
}

#[test]
fn p8_numbers_that_lead_to_others_are_bounded() {
    let mut generations = Lifecycles::new(3);
    let mut last = next(&mut generations, Succession::Another);
    for _ in 0..10_000 {
        if let Some(older) = generations.perhaps_same() {
            generations.fold(older, last);
        }
        last = next(&mut generations, Succession::Quiet);
    }
    assert!(format!("{generations:?}").len() < 20_000);
    for _ in 0..5 {
        last = next(&mut generations, Succession::Another);
    }
    assert!(format!("{generations:?}").len() < 2_000, "{last}");
}

proptest! {
    /// In any sequence: one generation is current, none is reported as drained while it is pinned,
    /// each is dropped at most once and after it drained, and published numbers have no gaps.
    #[test]
    fn p8_no_generation_ends_early_or_twice(
        steps in prop::collection::vec((0..5u8, 1..12u64), 0..120),
    ) {
        let mut generations = Lifecycles::new(2);
        let (mut pins, mut over, mut staged) = (BTreeMap::<u64, usize>::new(), Vec::new(), None);
        let mut highest = 0;
        for (what, number) in steps {
            let retirements = match what {
                0 if staged.is_none() => { staged = Some(generations.stage()); Vec::new() }
                1 => match staged.take() {
                    Some(id) => {
                        prop_assert_eq!(highest + 1, id.0);
                        highest = id.0;
                        generations.publish(id)
                    }
                    None => Vec::new(),
                },
                2 => { if let Some(id) = staged.take() { generations.abandon(id); } Vec::new() }
                3 if Some(id(number)) != staged => {
                    if generations.pin(id(number)) { *pins.entry(number).or_default() += 1; }
                    Vec::new()
                }
                4 => match pins.get_mut(&number) {
                    Some(count) if *count > 0 => { *count -= 1; generations.unpin(id(number)) }
                    _ => Vec::new(),
                },
                _ => Vec::new(),
            };
            for retirement in retirements {
                let (Drained(of) | Dropped(of)) = retirement;
                prop_assert_eq!(0, pins.get(&of.0).copied().unwrap_or(0));
                prop_assert!(!over.contains(&Dropped(of)), "{:?} after it was dropped", retirement);
                prop_assert!(drained(&retirement) || over.contains(&Drained(of)));
                over.push(retirement);
            }
            prop_assert!(generations.kept().len() <= 2);
            let states = (1..=highest).filter_map(|number| generations.state(id(number)));
            let current = states.filter(|state| *state == GenerationState::Current).count();
            prop_assert_eq!(usize::from(highest > 0), current);
        }
    }
}

#[test]
fn a_protected_generation_stays_beside_those_that_are_kept() {
    let (mut generations, _) = published(1, 2);
    generations.protect(Some(id(2)));
    for _ in 0..3 {
        let next = generations.stage();
        generations.publish(next);
    }
    assert_eq!(vec![id(2), id(4)], generations.kept());
    generations.protect(None);
    let next = generations.stage();
    let retirements = generations.publish(next);
    assert_eq!(vec![Drained(id(5)), Dropped(id(2)), Dropped(id(4))], retirements);
    assert_eq!(vec![id(5)], generations.kept());
}

#[test]
fn one_is_protected_although_none_is_kept() {
    let (mut generations, _) = published(0, 1);
    generations.protect(Some(id(1)));
    let next = generations.stage();
    assert_eq!(vec![Drained(id(1))], generations.publish(next));
    assert_eq!((vec![id(1)], Some(id(1))), (generations.kept(), generations.before(next)));
}

#[test]
fn what_answers_as_a_protected_one_is_protected_in_its_place() {
    let (mut generations, _) = published(1, 2);
    generations.protect(Some(id(1)));
    let quiet = generations.stage();
    generations.publish_as(quiet, Succession::Quiet);
    generations.fold(id(1), id(2));
    for _ in 0..3 {
        let next = generations.stage();
        generations.publish(next);
    }
    assert!(generations.kept().contains(&id(2)), "{:?}", generations.kept());
}

#[test]
fn p16_what_is_before_one_may_be_known_by_a_former_number() {
    let mut lifecycles = Lifecycles::new(3);
    lifecycles.number_from(8);
    let first = lifecycles.stage();
    lifecycles.publish(first);
    // 5 answers as 3 did, which was before 4.
    lifecycles.recall(id(4), Some(id(3)));
    lifecycles.recall(id(5), None);
    lifecycles.follows_on(Some(id(4)), &[], &[(id(3), id(5))]);
    assert_eq!(Some(id(5)), lifecycles.before(id(4)));
    let back = lifecycles.stage();
    lifecycles.publish_as(back, Succession::Back(id(4)));
    assert_eq!(Some(id(5)), lifecycles.before(back));
}

#[test]
fn p16_generations_of_former_processes_can_be_gone_back_to() {
    let mut lifecycles = Lifecycles::new(2);
    lifecycles.number_from(8);
    let first = lifecycles.stage();
    lifecycles.publish(first);
    lifecycles.recall(id(4), None);
    lifecycles.recall(id(5), Some(id(4)));
    lifecycles.follows_on(Some(id(5)), &[id(7), id(9)], &[(id(3), id(4)), (id(2), id(1))]);
    assert_eq!((lifecycles.kept(), lifecycles.before(first)), (vec![id(4), id(5)], Some(id(5))));
    // The first one answers as 7 did. A later number is none of a former process.
    assert_eq!((lifecycles.alias(id(7)), lifecycles.alias(id(9))), (first, id(9)));
    assert_eq!((lifecycles.alias(id(3)), lifecycles.alias(id(2))), (id(4), id(2)));
    assert!(!lifecycles.pin(id(4)), "no code runs in it");
    // A rollback to it goes on from there.
    let back = lifecycles.stage();
    assert_eq!(back, id(9));
    let freed = lifecycles.publish_as(back, Succession::Back(id(5)));
    assert!(freed.contains(&Retirement::Dropped(id(5))), "{freed:?}");
    assert_eq!((lifecycles.before(back), lifecycles.kept()), (Some(id(4)), vec![id(4), first]));
    // And they leave as others do.
    let next = lifecycles.stage();
    let freed = lifecycles.publish(next);
    assert!(freed.contains(&Retirement::Dropped(id(4))), "{freed:?}");
    assert_eq!(lifecycles.kept(), [first, back]);
}
