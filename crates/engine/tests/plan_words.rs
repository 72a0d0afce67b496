//! The words for policies, and for the reasons of a plan.

use transfuse_engine::{EngineError, ModuleName, Policy, Reason};

fn name(text: &str) -> ModuleName {
    ModuleName::new(text).unwrap()
}

#[test]
fn a_policy_is_one_of_four_words() {
    for word in ["overlay", "fresh", "patch", "never"] {
        assert_eq!(word, format!("{:?}", word.parse::<Policy>().unwrap()).to_lowercase());
    }
    let error = "freshly".parse::<Policy>().unwrap_err();
    assert!(matches!(error, EngineError::UnknownPolicy { .. }));
    assert_eq!(
        r#""freshly" is not a reload policy: use "overlay", "fresh", "patch" or "never""#,
        error.to_string()
    );
}

#[test]
fn reasons_are_printed_in_plain_words() {
    for (reason, expected) in [
        (Reason::Imports(name("shop.conf")), "imports shop.conf"),
        (Reason::Reads("/app/rates.csv".into()), "reads /app/rates.csv"),
        (Reason::Created, "is new"),
        (Reason::Widened, "added because the update failed without it"),
    ] {
        assert_eq!(expected, reason.to_string());
    }
}
