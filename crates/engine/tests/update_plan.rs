//! Which modules run, why, and in which order: stories of a few modules each.

mod planned_app;

use planned_app::{App, name, reasons};
use transfuse_engine::{Edge, EdgeKind, Policy, Reason, RestartCode, Target};

#[test]
fn p12_plan_follows_only_importers() {
    let app = App::new("main imports web, web imports conf, web imports db, jobs imports db");
    assert_eq!(vec!["conf changed", "web imports conf", "main imports web"], app.changed("conf"));
    assert_eq!(vec!["main changed"], app.changed("main"));
}

#[test]
fn p12_a_module_that_takes_submodules_of_a_package_runs_with_its_source_alone() {
    let app =
        App::new("shop imports shop.web, shop.web leads-through shop, user leads-through shop");
    let all = vec!["shop changed", "shop.web imports shop", "user imports shop"];
    assert_eq!(all, app.changed("shop"));
    assert_eq!(vec!["shop imports shop.web", "shop.web changed"], app.changed("shop.web"));
}

#[test]
fn p2_a_module_whose_annotations_mention_a_lazy_import_runs_with_its_target() {
    let app = App::new("web annotates prices, main imports web").unloaded("prices");
    assert_eq!(vec!["web imports prices", "main imports web"], app.changed("prices"));
}

/// The modules of a plan in the order in which they start.
fn started(app: &App, changed: &[&str]) -> String {
    let seeds: Vec<_> = changed.iter().map(|name| (*name, Reason::Changed)).collect();
    let plan = app.plan(&seeds);
    let names = plan.start_order.iter().map(|at| plan.steps[*at].name.to_string());
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn p5_modules_begin_in_the_order_in_which_they_began_at_first() {
    let app = App::new("main imports a, a imports b, b imports a, a imports c, d affects c")
        .ranked(&["main", "d", "a", "b", "c"]);
    assert_eq!("main d a b c", started(&app, &["c"]));
    assert_eq!("main a b", started(&app, &["b"]));
}

#[test]
fn p12_cost_follows_the_plan_and_not_the_application() {
    let mut app = App::new("c imports b, b imports a");
    for at in 0..20_000 {
        let (from, to) = (name(&format!("m{}", at + 1)), name(&format!("m{at}")));
        app.graph.add(&from, Edge { to: Target::Module(to), kind: EdgeKind::ModuleLevel });
        app.graph.add(&from, Edge { to: Target::Module(name("hub")), kind: EdgeKind::Deferred });
        app.loaded.insert(from);
    }
    app.graph
        .add(&name("a"), Edge { to: Target::Module(name("hub")), kind: EdgeKind::ModuleLevel });
    app.asked.set(0);
    assert_eq!(3, app.changed("a").len());
    assert!(app.asked.get() < 40, "the planner asked {} times for 3 modules", app.asked.get());
}

#[test]
fn a_long_chain_is_no_recursion() {
    let mut app = App::default();
    for at in 0..50_000 {
        let (from, to) = (name(&format!("m{}", at + 1)), name(&format!("m{at}")));
        app.loaded.extend([from.clone(), to.clone()]);
        app.graph.add(&from, Edge { to: Target::Module(to), kind: EdgeKind::ModuleLevel });
    }
    let steps = app.changed("m0");
    assert_eq!(50_001, steps.len());
    assert_eq!("m50000 imports m49999", steps[50_000]);
}

#[test]
fn a_function_that_imports_matters_if_it_kept_something() {
    let app = App::new("lazy defers conf, other defers conf").keeping("lazy", "conf");
    assert_eq!(vec!["conf changed", "lazy keeps an object of conf"], app.changed("conf"));
}

#[test]
fn an_application_made_at_the_first_request_keeps_what_a_function_far_below_imported() {
    let app = App::new(
        "entry imports server, server imports backends, backends defers urls, urls imports views",
    )
    .keeping("entry", "views");
    let reasons = app.changed("views").join(", ");
    assert_eq!("entry keeps an object of views, views changed, urls imports views", reasons);
}

#[test]
fn a_registry_that_a_function_puts_its_import_into_may_keep_it() {
    let app = App::new("entry imports backends, backends defers views, entry imports registry")
        .keeping("registry", "views")
        .putting("backends", "views", "registry");
    let reasons = app.changed("views").join(", ");
    assert_eq!("registry keeps an object of views, entry imports registry, views changed", reasons);
}

#[test]
fn only_what_may_have_called_the_function_is_asked_for_what_it_keeps() {
    let app = App::new("backends defers views, backends imports base").keeping("base", "views");
    assert_eq!(vec!["views changed"], app.changed("views"));
}

#[test]
fn a_plain_value_may_be_kept_by_the_function_s_module_and_where_that_puts_it() {
    let app = App::new("entry imports backends, backends defers conf, backends imports registry")
        .putting_values("backends", "conf", &["backends", "registry"]);
    let reasons = app.changed("conf").join(", ");
    assert_eq!(
        "registry keeps an object of conf, backends imports registry, conf changed, entry imports backends",
        reasons
    );
}

#[test]
fn a_submodule_that_is_reached_through_its_package_counts_as_imported() {
    let app = App::new("views imports shop, other imports shop").reaching("views", "shop.prices");
    assert_eq!(
        vec!["shop.prices changed", "views imports shop.prices"],
        app.changed("shop.prices")
    );
}

#[test]
fn a_base_class_whose_subclasses_are_listed_runs_with_a_subclass() {
    let app = App::new("csv imports base, app imports base").listing("csv", "base");
    let reasons = app.changed("csv").join(", ");
    assert_eq!("base is changed by csv when that runs, app imports base, csv changed", reasons);
}

#[test]
fn p3_a_registry_runs_with_the_modules_that_register() {
    let app = App::new(
        "plugin imports registry, plugin affects registry, \
         other imports registry, other affects registry, web imports registry",
    );
    assert_eq!(
        vec![
            "registry is changed by plugin when that runs",
            "other imports registry",
            "plugin changed",
            "web imports registry",
        ],
        app.changed("plugin")
    );
}

#[test]
fn a_module_that_affects_another_runs_with_it_without_importing_it() {
    // `setup` got the registry as an argument, so it does not import it.
    let app = App::new("setup affects registry");
    let expected = vec!["registry changed", "setup changes registry when it runs"];
    assert_eq!(expected, app.changed("registry"));
}

#[test]
fn of_two_reasons_a_module_has_the_plainer() {
    // `items` holds the app that `web` has a route on, and imports it like every other module.
    let app = App::new("offers affects app, web affects items, web imports app, items imports app");
    let expected = vec![
        "app is changed by offers when that runs",
        "items imports app",
        "offers changed",
        "web imports app",
    ];
    let mut reasons = app.changed("offers");
    reasons.sort();
    assert_eq!(expected, reasons);
}

#[test]
fn p6_a_deleted_module_is_no_step_and_its_importers_are() {
    let app = App::new("web imports conf");
    assert_eq!(vec!["web imports conf"], reasons(&app.plan(&[("conf", Reason::Deleted)])));
}

#[test]
fn a_name_that_was_missed_is_a_reason_when_it_is_created() {
    let app = App::new("web misses local_settings");
    let plan = app.plan(&[("local_settings", Reason::Created)]);
    assert_eq!(vec!["web looked for local_settings, which exists now"], reasons(&plan));
}

#[test]
fn a_module_that_could_not_be_loaded_is_a_reason_when_it_changes() {
    let app = App::new("web misses fast").unloaded("fast");
    let plan = app.plan(&[("fast", Reason::Changed)]);
    assert_eq!(vec!["web went on without fast, which has changed"], reasons(&plan));
}

#[test]
fn p5_code_that_was_never_imported_is_not_run_by_an_update() {
    let app = App::new("web imports conf").unloaded("conf").unloaded("script");
    assert!(reasons(&app.plan(&[("script", Reason::Created)])).is_empty());
    assert!(reasons(&app.plan(&[("script", Reason::Changed)])).is_empty());
    // Its importers are loaded: the edge shows that they know it.
    assert_eq!(vec!["web imports conf"], reasons(&app.plan(&[("conf", Reason::Changed)])));
}

#[test]
fn importers_that_are_not_loaded_do_not_run() {
    let app = App::new("main imports web, web imports conf").unloaded("web");
    assert_eq!(vec!["conf changed"], app.changed("conf"));
}

#[test]
fn patch_is_a_boundary_that_runs() {
    let app = App::new("main imports models, models imports conf").policy("models", Policy::Patch);
    assert_eq!(vec!["conf changed", "models imports conf"], app.changed("conf"));
    assert_eq!(vec!["models changed"], app.changed("models"));
    let deleted = app.plan(&[("models", Reason::Deleted)]);
    assert_eq!(vec!["main imports models"], reasons(&deleted));
}

#[test]
fn never_is_a_boundary_that_does_not_run() {
    let app = App::new("main imports state, state imports conf").policy("state", Policy::Never);
    let plan = app.plan(&[("conf", Reason::Changed)]);
    assert_eq!(vec!["conf changed"], reasons(&plan));
    assert!(plan.restart.is_empty());
}

#[test]
fn a_change_of_never_needs_a_restart_and_says_so() {
    let app = App::new("main imports state").policy("state", Policy::Never);
    for reason in [Reason::Changed, Reason::Deleted] {
        let plan = app.plan(&[("state", reason.clone()), ("state", reason)]);
        assert!(plan.steps.is_empty());
        assert_eq!(1, plan.restart.len());
        assert_eq!(RestartCode::NeverPolicy, plan.restart[0].code);
        assert_eq!("never-policy", plan.restart[0].code.to_string());
    }
    let plan = app.plan(&[("state", Reason::Changed)]);
    assert_eq!(
        "state changed and its policy is \"never\": restart the server",
        plan.restart[0].what
    );
}

#[test]
fn p5_modules_run_in_the_order_in_which_they_ran_before() {
    let edges = "main imports zebra, main imports ant, zebra imports conf, ant imports conf";
    let app = App::new(edges).ranked(&["main", "zebra", "conf", "ant"]);
    let names: Vec<_> =
        app.plan(&[("conf", Reason::Changed)]).steps.into_iter().map(|step| step.name).collect();
    assert_eq!(vec![name("conf"), name("zebra"), name("ant"), name("main")], names);
}

#[test]
fn p5_a_circle_is_entered_where_it_was_entered_before() {
    let edges = "b imports a, a imports b, a imports conf, main imports a";
    for (order, expected) in [
        (["main", "a", "conf", "b"], "conf a b main"),
        (["main", "b", "a", "conf"], "conf b a main"),
    ] {
        let app = App::new(edges).ranked(&order);
        let plan = app.plan(&[("conf", Reason::Changed)]);
        let names: Vec<_> = plan.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(expected, names.join(" "));
    }
}
