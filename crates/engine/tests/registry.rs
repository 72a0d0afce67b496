//! The contents of a generation are released when they should be, and not before.

use std::sync::Arc;
use transfuse_engine::{GenerationId, GenerationRegistry, Succession};

#[test]
fn p8_after_clear_nothing_is_held_that_was() {
    let first = Arc::new(1);
    let registry = GenerationRegistry::new(1, 1, |_| Arc::clone(&first));
    let next = registry.stage();
    registry.set_contents(next, Arc::new(2));
    assert_eq!(3, Arc::strong_count(&first));
    drop(registry.clear(Arc::new(0)));
    assert_eq!(1, Arc::strong_count(&first), "the one that was current is held");
    assert_eq!(0, registry.current(|held| **held));
}

#[test]
fn p4_only_a_staged_generation_can_be_abandoned() {
    let registry = GenerationRegistry::new(1, 1, |_| 1);
    let next = registry.stage();
    registry.set_contents(next, 2);
    assert_eq!(1, registry.swap(2));
    assert!(registry.commit(next, Succession::Another).dropped.is_empty());
    assert_eq!(None, registry.abandon(next), "it is current");
    assert_eq!(None, registry.abandon(GenerationId(9)));
    let held: Vec<i32> = registry.alive(|held, _, _| *held);
    assert_eq!(vec![1, 2], held);
    let third = registry.stage();
    registry.set_contents(third, 3);
    assert_eq!(Some(3), registry.abandon(third));
}
