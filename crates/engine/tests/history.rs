//! The results of the last updates.

use std::time::{Duration, SystemTime};
use transfuse_engine::{Cause, GenerationId, History, Outcome, Record};

fn record(number: u64, outcome: Outcome) -> Record {
    Record {
        at: SystemTime::UNIX_EPOCH,
        until: None,
        partial: false,
        cause: Cause::Saved,
        back_to: None,
        generation: GenerationId(number),
        outcome,
        changed: Vec::new(),
        ran: Vec::new(),
        took: Duration::from_millis(7),
        error: (outcome == Outcome::Refused).then(|| "SyntaxError: shop/conf.py line 3".to_owned()),
    }
}

#[test]
fn refused_updates_are_remembered_too() {
    let mut history = History::default();
    history.push(record(1, Outcome::Published));
    history.push(record(1, Outcome::Refused));
    let outcomes: Vec<_> = history.iter().map(|record| record.outcome).collect();
    assert_eq!(vec![Outcome::Published, Outcome::Refused], outcomes);
    assert!(history.iter().next_back().unwrap().error.as_ref().unwrap().contains("conf.py"));
}

#[test]
fn p8_only_the_last_hundred_are_remembered() {
    let mut history = History::default();
    for number in 1..=10_000 {
        history.push(record(number, Outcome::Published));
    }
    assert_eq!(100, history.iter().len());
    assert_eq!(Some(GenerationId(9_901)), history.iter().next().map(|record| record.generation));
}
