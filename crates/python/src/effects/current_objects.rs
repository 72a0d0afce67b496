//! Which modules registered with an object that another module's code was just making?
//!
//! `@current_app.url_defaults` in a module that an application factory imports changes an
//! application that no module has yet: a proxy leads to it. When the module that called the factory
//! has ended, it has the application, and is known to be affected by those that used the proxy. If
//! it runs again and makes another application, they run again too.

use std::cell::RefCell;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyType, PyTypeMethods};
use transfuse_engine::{Edge, EdgeKind, Target};

use crate::cpython::{snapshot::items, static_lookup};
use crate::state::{live_module::LiveModule, runtime};

thread_local! {
    /// The modules that used a proxy while a module around them was being executed, with the
    /// target of the proxy: `[(pkg.helpers, <Flask 'pkg'>)]`. Lives as long as the outermost execution.
    static USED: RefCell<Vec<(Py<LiveModule>, Py<PyAny>)>> = const { RefCell::new(Vec::new()) };
}

/// The code of a module has ended, inside another execution or not.
pub fn ended(py: Python<'_>, instance: &Bound<'_, LiveModule>, outermost: bool) {
    settle(py, instance);
    if outermost {
        let left = USED.take();
        drop(left);
        return;
    }
    for proxy in used_proxies(instance) {
        if let Ok(found) = proxy.call_method0(intern!(py, "_get_current_object")) {
            let entry = (instance.clone().unbind(), found.unbind());
            USED.with_borrow_mut(|used| used.push(entry));
        }
    }
}

/// The proxies that the code of a module uses: `from flask import current_app`, under that name or
/// another, and `flask.current_app`.
fn used_proxies<'py>(instance: &Bound<'py, LiveModule>) -> Vec<Bound<'py, PyAny>> {
    let py = instance.py();
    let (mut found, mut taken) = (Vec::new(), Vec::new());
    instance.get().with_name_usage(|usage| {
        for (module, attributes) in usage.used.iter().chain(usage.reached.iter()) {
            taken.push((module, attributes.names().collect::<Vec<_>>()));
        }
    });
    let Some(runtime) = runtime::in_force() else { return found };
    for (module, attributes) in taken {
        let foreign = runtime.sys_modules.bind(py).get_item(module.text()).ok().flatten();
        let Some(Ok(foreign)) = foreign.map(|foreign| foreign.cast_into_exact::<PyModule>()) else {
            continue;
        };
        let namespace = foreign.dict();
        found.extend(
            attributes.into_iter().filter_map(|one| namespace.get_item(one.text()).ok().flatten()),
        );
    }
    for (name, value) in items(&instance.get().namespace(py)) {
        let Ok(name) = name.extract::<&str>() else { continue };
        // Another live module may have handed it on.
        if instance.get().with_name_usage(|usage| usage.uses_taken(name)) == Some(true) {
            found.push(value);
        }
    }
    found.retain(is_proxy);
    found
}

/// Records those that used what this module has now.
fn settle(py: Python<'_>, instance: &Bound<'_, LiveModule>) {
    let used = USED.take();
    if used.is_empty() {
        return;
    }
    let values = items(&instance.get().namespace(py));
    let (own, others): (Vec<_>, Vec<_>) = used.into_iter().partition(|(user, object)| {
        !user.bind(py).is(instance)
            && values.iter().any(|(_, value)| leads_to(value, object.bind(py)))
    });
    let nested = USED.replace(others);
    drop(nested);
    for (user, _) in own {
        let user = user.bind(py);
        let edge =
            Edge { to: Target::Module(instance.get().name.clone()), kind: EdgeKind::Affects };
        if user.get().add_edge(edge.to.clone(), edge.kind)
            && let Some(runtime) = runtime::in_force()
            && runtime.current(py).get().holds(py, user)
        {
            runtime.records.lock().graph.add(&user.get().name, edge);
        }
    }
}

/// Whether a value is an object, or has it as an attribute (middleware around an application).
fn leads_to(value: &Bound<'_, PyAny>, object: &Bound<'_, PyAny>) -> bool {
    if value.is(object) {
        return true;
    }
    let own = static_lookup::attributes(value);
    own.is_some_and(|own| items(&own).iter().any(|(_, value)| value.is(object)))
}

/// Whether the class of a value gives what it stands for, as those of werkzeug and celery do.
fn is_proxy(value: &Bound<'_, PyAny>) -> bool {
    let name = intern!(value.py(), "_get_current_object");
    value.get_type().mro().iter().any(|class| {
        let attributes = class.cast::<PyType>().ok().and_then(static_lookup::of_class);
        attributes.is_some_and(|attributes| attributes.contains(name).unwrap_or(false))
    })
}
