//! Contents that are kept as long as a snapshot refers to them, within a budget.

use transfuse_engine::{Budget, Digest, Source};

#[test]
fn p13_a_source_gives_its_text_back() {
    let budget = Budget::new(1 << 20);
    for text in ["", "x", "price = 1\n", &"def f(): return 1\n".repeat(1000)] {
        let source = Source::new(text, &budget);
        assert_eq!(text.as_bytes(), source.text().unwrap());
        assert_eq!(Digest::of(text.as_bytes()), source.digest());
    }
}

#[test]
fn p8_a_source_that_goes_gives_its_bytes_back() {
    let budget = Budget::new(1 << 20);
    for round in 0..10_000 {
        let source = Source::new(format!("round = {round}\n"), &budget);
        assert!(budget.held() > 0);
        drop(source);
    }
    assert_eq!(0, budget.held());
}

#[test]
fn over_the_budget_the_digest_stays_and_the_content_does_not() {
    let budget = Budget::new(64);
    let first = Source::new("a = 1\n", &budget);
    let held = budget.held();
    let noise: Vec<u8> = (0..200u32).map(|at| (at * 89 % 251) as u8).collect();
    let second = Source::new(&noise, &budget);
    assert_eq!(None, second.text());
    assert_eq!(Digest::of(&noise), second.digest());
    assert_eq!(held, budget.held());
    drop(second);
    assert_eq!(held, budget.held());
    assert!(first.text().is_some());
}

#[test]
fn a_budget_is_kept_by_many_threads() {
    let budget = Budget::new(500);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let budget = &budget;
            scope.spawn(move || {
                let mut kept = Vec::new();
                for round in 0..200 {
                    kept.push(Source::new(format!("{thread} {round}"), budget));
                    assert!(budget.held() <= 500);
                }
            });
        }
    });
    assert_eq!(0, budget.held());
}

#[test]
fn a_digest_costs_nothing_and_still_tells_contents_apart() {
    let (one, other) = (Source::digest_only("rate,1\n"), Source::digest_only("rate,2\n"));
    assert_ne!(one.digest(), other.digest());
    assert_eq!(None, one.text());
}

#[test]
fn a_digest_reads_as_hex() {
    assert_eq!("99aa06d3014798d86001c324468d497f", Digest::of(b"").to_string());
}
