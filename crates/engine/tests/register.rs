//! What generations hold goes when it should, and not before.

use std::sync::Arc;
use transfuse_engine::{GenerationId, Register};

#[test]
fn p8_after_clear_nothing_is_held_that_was() {
    let first = Arc::new(1);
    let register = Register::new(1, |_| Arc::clone(&first));
    let next = register.stage();
    register.hold(next, Arc::new(2));
    assert_eq!(3, Arc::strong_count(&first));
    drop(register.clear(Arc::new(0)));
    assert_eq!(1, Arc::strong_count(&first), "the one that was current is held");
    assert_eq!(0, register.current(|held| **held));
}

#[test]
fn p4_only_what_is_staged_can_be_given_up() {
    let register = Register::new(1, |_| 1);
    let next = register.stage();
    register.hold(next, 2);
    assert_eq!(1, register.show(2));
    assert!(register.publish(next).dropped.is_empty());
    assert_eq!(None, register.abandon(next), "it is current");
    assert_eq!(None, register.abandon(GenerationId(9)));
    let held: Vec<i32> = register.alive(|held, _, _| *held);
    assert_eq!(vec![1, 2], held);
    let third = register.stage();
    register.hold(third, 3);
    assert_eq!(Some(3), register.abandon(third));
}
