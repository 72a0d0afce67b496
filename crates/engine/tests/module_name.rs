//! A module's name: its parts, and relative imports.

use transfuse_engine::{EngineError, ModuleName};

fn name(text: &str) -> ModuleName {
    ModuleName::new(text).unwrap()
}

#[test]
fn a_name_knows_its_parts() {
    let views = name("shop.web.views");
    assert_eq!(Some(name("shop.web")), views.parent());
    assert_eq!("views", views.tail());
    assert_eq!("shop", views.top());
    assert_eq!(views, name("shop").join("web").join("views"));

    let shop = name("shop");
    assert_eq!((None, "shop", "shop"), (shop.parent(), shop.tail(), shop.top()));
}

#[test]
fn parts_need_not_be_identifiers() {
    for text in ["my-plugin", "größe.preis", "2024.report", "a b"] {
        assert_eq!(text, name(text).to_string());
    }
}

#[test]
fn a_part_is_never_empty() {
    for text in ["", ".", "shop.", ".shop", "shop..conf"] {
        let error = ModuleName::new(text).unwrap_err();
        assert!(matches!(&error, EngineError::BadName { name } if name == text), "{error}");
    }
}

#[test]
fn relative_imports_resolve_as_in_importlib() {
    let cases = [
        ("shop.web", 0, "json", "json"),
        ("shop.web", 1, "views", "shop.web.views"),
        ("shop.web", 1, "", "shop.web"),
        ("shop.web", 2, "conf", "shop.conf"),
        ("shop.web", 2, "", "shop"),
        ("shop", 1, "a.b", "shop.a.b"),
    ];
    for (package, level, asked, expected) in cases {
        let resolved = ModuleName::resolve_relative(package, level, asked).unwrap();
        assert_eq!(expected, resolved.as_str(), "{level} dots, {asked:?} in {package}");
    }
}

#[test]
fn a_relative_import_stays_in_its_package() {
    let error = ModuleName::resolve_relative("shop.web", 3, "conf").unwrap_err();
    assert!(error.to_string().starts_with("attempted relative import beyond top-level package"));
    let error = ModuleName::resolve_relative("", 1, "conf").unwrap_err();
    assert!(matches!(error, EngineError::NoPackage), "{error}");
}
