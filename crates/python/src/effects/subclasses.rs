//! Which modules in use have base classes whose subclasses a module defines?
//!
//! `Base.__subclasses__()` lists what other modules have defined, so each of them changes the module
//! of the base class. That matters only where code asks for subclasses, which is rare, and shows in
//! the code of the live modules: by the name of the class (`Plugin.__subclasses__()`), by the class
//! whose method asks (`cls.__subclasses__()`), or by no name at all, which counts for every class.
//! It is asked when an update is planned.

use std::collections::HashSet;

use pyo3::{intern, prelude::*, types::PyType};
use transfuse_engine::ModuleName;

use crate::cpython::{snapshot, static_lookup};
use crate::effects::ownership::code_of;
use crate::state::{generation::Generation, live_module::LiveModule};

/// The classes that live code asks for their subclasses.
#[derive(Default)]
pub struct ListedBases {
    /// Their names, `Plugin`.
    names: HashSet<String>,
    /// Whether some code asks a class that it does not name.
    any: bool,
}

impl ListedBases {
    /// Read off the code of all modules of a generation.
    pub fn of(py: Python<'_>, generation: &Generation) -> Self {
        let mut found = ListedBases::default();
        for instance in generation.all(py) {
            found.add(&instance);
        }
        found
    }

    /// The classes that the code of one module asks.
    pub fn by(instance: &Bound<'_, LiveModule>) -> Self {
        let mut found = ListedBases::default();
        found.add(instance);
        found
    }

    fn add(&mut self, instance: &Bound<'_, LiveModule>) {
        let (py, module) = (instance.py(), instance.get());
        let asked = module.with_name_usage(|usage| usage.subclasses_of.clone()).unwrap_or_default();
        for name in asked {
            // A variable may be any class.
            let Some(name) = name.filter(|name| name.starts_with(char::is_uppercase)) else {
                self.any = true;
                continue;
            };
            // The class may have been imported under another name.
            let value = module.namespace(py).get_item(&name).ok().flatten();
            let class = value.and_then(|value| value.cast_into::<PyType>().ok());
            let own = class.and_then(|class| class.name().ok()?.extract::<String>().ok());
            self.names.extend(own);
            self.names.insert(name);
            // Every class derives from `object`, and no code lists them all.
            self.names.remove("object");
        }
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.any
    }

    /// Whether code may ask for the subclasses of this class, or of one that it derives from. A
    /// method of a metaclass may ask each class of that.
    pub fn lists(&self, class: &Bound<'_, PyType>) -> bool {
        let named = |class: Bound<'_, PyAny>| {
            let class = class.cast_into::<PyType>().ok()?;
            Some(self.names.contains(class.name().ok()?.to_str().ok()?))
        };
        let (own, kind) = (class.mro(), class.get_type().mro());
        self.any || own.iter().chain(kind.iter()).any(|class| named(class).unwrap_or(false))
    }

    /// The modules of the listed base classes of the classes that a module defines.
    pub fn modules_of_bases(&self, module: &Bound<'_, LiveModule>) -> Vec<ModuleName> {
        let py = module.py();
        let mut found = Vec::new();
        if self.is_empty() {
            return found;
        }
        for (_, value) in snapshot::items(&module.get().namespace(py)) {
            let Ok(class) = value.cast_into::<PyType>() else { continue };
            if !is_defined_in(&class, module.get()).unwrap_or(false) {
                continue;
            }
            // Not only direct bases: code asks the subclasses for theirs in turn.
            for base in class.mro().iter().skip(1) {
                let Ok(base) = base.cast_into::<PyType>() else { continue };
                if let Some(owner) = code_of(py, base.as_any())
                    && owner.get().name != module.get().name
                    && self.lists(&base)
                    && !found.contains(&owner.get().name)
                {
                    found.push(owner.get().name.clone());
                }
            }
        }
        found
    }
}

fn is_defined_in(class: &Bound<'_, PyType>, module: &LiveModule) -> Option<bool> {
    let name =
        static_lookup::of_class(class)?.get_item(intern!(class.py(), "__module__")).ok()??;
    Some(name.extract::<&str>().ok()? == module.name.as_str())
}

/// The modules of base classes for whose subclasses the code that was staged asks, and the code
/// before did not: these bases may have subclasses of former generations.
pub fn newly_listed(
    staged: &Generation,
    base: &Generation,
    executed: &Bound<'_, LiveModule>,
) -> Vec<ModuleName> {
    let py = executed.py();
    let asked = |one: &LiveModule| one.with_name_usage(|usage| usage.subclasses_of.clone());
    let before = base.find(py, executed.get().name.as_str()).and_then(|old| asked(old.get()));
    let now = asked(executed.get()).unwrap_or_default();
    if now.is_subset(&before.unwrap_or_default()) {
        return Vec::new();
    }
    let listed = ListedBases::by(executed);
    staged.all(py).iter().flat_map(|module| listed.modules_of_bases(module)).collect()
}
