//! Which modules in use have base classes whose subclasses a module defines?
//!
//! `Base.__subclasses__()` lists what other modules have defined, so each of them changes the module
//! of the base class. That matters only where code asks for subclasses, which is rare, and shows in
//! the code of the live modules: by the name of the class (`Plugin.__subclasses__()`), by the class
//! whose method asks (`cls.__subclasses__()`), or by no name at all, which counts for every class.
//! It is asked when an update is planned.

use std::collections::{HashMap, HashSet};

use pyo3::{intern, prelude::*, types::PyType};
use transfuse_engine::ModuleName;

use crate::cpython::{snapshot, static_lookup};
use crate::state::{generation::Generation, live_module::LiveModule};

/// The classes that live code asks for their subclasses.
#[derive(Default)]
pub struct ListedBases {
    /// Their names, `Plugin`.
    names: HashSet<String>,
    /// Whether some code asks a class that it does not name.
    any: bool,
    /// A module that defines subclasses -> the modules of their listed base classes, `shop.pdf` ->
    /// `{shop.base}`.
    bases: HashMap<String, HashSet<ModuleName>>,
}

impl ListedBases {
    /// Read off the code of all modules of a generation.
    pub fn of(py: Python<'_>, generation: &Generation) -> Self {
        let mut found = ListedBases::default();
        for instance in generation.all(py) {
            found.add(&instance);
        }
        found.find_subclasses(py, generation);
        found
    }

    /// The classes that the code of one module of a generation asks.
    fn by(instance: &Bound<'_, LiveModule>, generation: &Generation) -> Self {
        let mut found = ListedBases::default();
        found.add(instance);
        found.find_subclasses(instance.py(), generation);
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
        self.bases.get(module.get().name.as_str()).into_iter().flatten().cloned().collect()
    }

    /// Asks the listed classes, because a subclass need not have a name in its module.
    fn find_subclasses(&mut self, py: Python<'_>, generation: &Generation) {
        if self.is_empty() {
            return;
        }
        let mut made_for_others = HashMap::new();
        for module in generation.all(py) {
            for (_, value) in snapshot::items(&module.get().namespace(py)) {
                let Ok(class) = value.cast_into::<PyType>() else { continue };
                if is_defined_in(&class, module.get()) != Some(true) || !self.lists(&class) {
                    continue;
                }
                // Not only the direct ones: code asks the subclasses for theirs in turn.
                for below in subclasses_below(&class) {
                    let Some(name) = module_of(&below) else { continue };
                    if !is_bound_in(py, generation, &name, &below) {
                        let base = module.get().name.clone();
                        made_for_others.insert(below.as_ptr() as usize, base);
                    }
                    if name != module.get().name.as_str() {
                        self.bases.entry(name).or_default().insert(module.get().name.clone());
                    }
                }
            }
        }
        self.find_holders(py, generation, &made_for_others);
    }

    /// A function that makes a subclass for its caller, by `type(...)` or a `class` statement, gives it
    /// the module of its own: the modules that hold these classes, by their address, define them.
    fn find_holders(
        &mut self,
        py: Python<'_>,
        generation: &Generation,
        classes: &HashMap<usize, ModuleName>,
    ) {
        if classes.is_empty() {
            return;
        }
        for module in generation.all(py) {
            let name = &module.get().name;
            for (_, value) in snapshot::items(&module.get().namespace(py)) {
                if let Some(base) = classes.get(&(value.as_ptr() as usize))
                    && base != name
                {
                    self.bases.entry(name.as_str().to_owned()).or_default().insert(base.clone());
                }
            }
        }
    }
}

/// The subclasses of a class, and theirs in turn.
fn subclasses_below<'py>(class: &Bound<'py, PyType>) -> Vec<Bound<'py, PyType>> {
    let (mut found, mut waiting) = (Vec::new(), vec![class.clone()]);
    let mut met = HashSet::new();
    while let Some(next) = waiting.pop() {
        for below in subclasses_of(&next).unwrap_or_default() {
            if met.insert(below.as_ptr() as usize) {
                waiting.push(below.clone());
                found.push(below);
            }
        }
    }
    found
}

/// Does the module of that name have the class under the name of the class?
fn is_bound_in(
    py: Python<'_>,
    generation: &Generation,
    module: &str,
    class: &Bound<'_, PyType>,
) -> bool {
    let Some(module) = generation.find(py, module) else { return false };
    let bound = class.name().and_then(|name| module.get().namespace(py).get_item(name));
    bound.is_ok_and(|bound| bound.is_some_and(|bound| bound.is(class)))
}

fn subclasses_of<'py>(class: &Bound<'py, PyType>) -> PyResult<Vec<Bound<'py, PyType>>> {
    let py = class.py();
    // A metaclass may have a method of that name.
    let method = py.get_type::<PyType>().getattr(intern!(py, "__subclasses__"))?;
    method.call1((class,))?.extract()
}

fn module_of(class: &Bound<'_, PyType>) -> Option<String> {
    let name =
        static_lookup::of_class(class)?.get_item(intern!(class.py(), "__module__")).ok()??;
    name.extract().ok()
}

fn is_defined_in(class: &Bound<'_, PyType>, module: &LiveModule) -> Option<bool> {
    Some(module_of(class)? == module.name.as_str())
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
    let listed = ListedBases::by(executed, staged);
    listed.bases.into_values().flatten().collect()
}
