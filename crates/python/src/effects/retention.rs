//! Which modules keep something of another that only a function imported?
//!
//! A deferred import is resolved afresh at each call, so an update need not follow it, unless
//! something keeps what the call gave: a lazily filled `_impl`, a cached class, an application that
//! is made at the first request and holds its handlers. Not only the module of that function may
//! keep it, but any that calls it, as deep as its objects lead. One walk from the namespaces of
//! those modules finds out. Each object is looked into once, for the first module that leads to it,
//! and modules begin in the order in which they first started: where several share an object, the
//! one that made it comes first. It looks at the objects of modules while they are in use: none is
//! asked.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyType;
use pyo3::{ffi, intern};
use transfuse_engine::ModuleName;

use crate::cpython::address_map::{ByAddress, Pointer};
use crate::cpython::{snapshot, static_lookup};
use crate::effects::container::{Kind, is_leaf, kind_of, read};
use crate::effects::made_objects::MadeObjects;
use crate::effects::ownership::code_of;
use crate::state::live_module::LiveModule;

/// How long the GIL is held at a stretch, and released between two slices.
const SLICE: Duration = Duration::from_millis(2);
const PAUSE: Duration = Duration::from_micros(200);
/// The clock is read once for so many objects.
const OBJECTS: usize = 256;

/// Which of `holders` hold a module of `of`, or a function, class or other object that it made, as
/// pairs of indexes.
pub fn keepers(
    holders: &[Bound<'_, LiveModule>],
    of: &[Bound<'_, LiveModule>],
) -> Vec<(usize, usize)> {
    let (Some(first), Some(_)) = (holders.first(), of.first()) else { return Vec::new() };
    let mut walk = Walk::new(first.py(), of);
    for (at, holder) in holders.iter().enumerate() {
        walk.begin(at, holder, of);
    }
    walk.run(holders);
    walk.found
}

/// Which of `holders` lead to former code of `of` that they did not import: a foreign registry has handed
/// it to them. Functions and classes count, and instances of classes that foreign code made of such a
/// function. An instance of a class of the module's own is data, which requests leave in many places.
pub fn keepers_of_code(
    holders: &[Bound<'_, LiveModule>],
    of: &[Bound<'_, LiveModule>],
) -> Vec<(usize, usize)> {
    let (Some(first), Some(_)) = (holders.first(), of.first()) else { return Vec::new() };
    let mut walk = Walk::new(first.py(), of);
    walk.made = MadeObjects::default();
    walk.own_classes = Some(own_classes(of));
    for (at, holder) in holders.iter().enumerate() {
        walk.begin(at, holder, of);
    }
    walk.run(holders);
    walk.found
}

/// The classes that modules define under names, by address.
pub fn own_classes(of: &[Bound<'_, LiveModule>]) -> ByAddress<usize> {
    let mut classes = ByAddress::default();
    for (at, module) in of.iter().enumerate() {
        for (_, value) in snapshot::items(&module.get().namespace(module.py())) {
            if value.cast::<PyType>().is_ok_and(|class| is_of(class, &module.get().name)) {
                classes.insert(value.as_ptr() as usize, at);
            }
        }
    }
    classes
}

fn is_of(class: &Bound<'_, PyType>, name: &ModuleName) -> bool {
    let own = static_lookup::of_class(class);
    let module = own.and_then(|own| own.get_item(intern!(class.py(), "__module__")).ok()?);
    module.is_some_and(|module| module.extract::<&str>().is_ok_and(|own| own == name.as_str()))
}

/// An object to look into, how its contents are read, and the holder that leads to it.
type ToVisit<'py> = (Bound<'py, PyAny>, Kind, usize);

struct Walk<'py> {
    py: Python<'py>,
    /// Address of a module, or of its namespace -> its index.
    modules: ByAddress<usize>,
    /// Address of a class -> the index of the module that made it, if it is one of them.
    classes: ByAddress<Option<usize>>,
    /// The objects of a module that are not its code.
    made: MadeObjects,
    /// If only code counts: address of a class that a module defines -> the index of that module.
    own_classes: Option<ByAddress<usize>>,
    met: ByAddress<()>,
    waiting: VecDeque<ToVisit<'py>>,
    found: Vec<(usize, usize)>,
}

impl<'py> Walk<'py> {
    fn new(py: Python<'py>, of: &[Bound<'py, LiveModule>]) -> Self {
        let mut modules = ByAddress::default();
        for (at, module) in of.iter().enumerate() {
            modules.insert(module.get().module.as_ptr() as usize, at);
            modules.insert(module.get().namespace(py).as_ptr() as usize, at);
        }
        let (classes, met) = (ByAddress::default(), ByAddress::default());
        let made = MadeObjects::of(py, of);
        let (waiting, found) = (VecDeque::new(), Vec::new());
        Walk { py, modules, classes, made, own_classes: None, met, waiting, found }
    }

    /// Begins with the objects that a holder's namespace holds directly, imported modules among them.
    fn begin(&mut self, at: usize, holder: &Bound<'py, LiveModule>, of: &[Bound<'py, LiveModule>]) {
        let namespace = holder.get().namespace(self.py);
        for (key, value) in snapshot::items(&namespace) {
            let name = key.extract().unwrap_or_default();
            if let Some(module) = self.modules.get(&(value.as_ptr() as usize)) {
                if !is_bound_submodule(holder.get(), name, of[*module].get()) {
                    self.found.push((at, *module));
                }
            } else if name.starts_with("__") {
                // No state for a comparison, but as good a place to keep something as any.
                self.meet(value, at, holder.get().name.as_str());
            }
        }
        self.met.insert(namespace.as_ptr() as usize, ());
        self.waiting.push_back((namespace.into_any(), Kind::Namespace, at));
    }

    fn run(&mut self, holders: &[Bound<'py, LiveModule>]) {
        let mut contents: Vec<Pointer> = Vec::new();
        let (mut slice, mut count) = (Instant::now(), 0_usize);
        while let Some((object, kind, holder)) = self.waiting.pop_front() {
            count += 1;
            if count % OBJECTS == 0 && slice.elapsed() > SLICE {
                // Waits for nothing but lets others have the GIL: a thread that asks for it again at
                // once may get it before them.
                self.py.detach(|| std::thread::sleep(PAUSE));
                slice = Instant::now();
            }
            contents.clear();
            read(self.py, object.as_ptr(), kind, &mut contents);
            if kind == Kind::Class {
                // SAFETY: attached, a live type.
                contents.push(unsafe { (*object.as_ptr().cast::<ffi::PyTypeObject>()).tp_bases });
            }
            let own = holders[holder].get().name.as_str();
            for child in &contents {
                if !child.is_null() {
                    // SAFETY: attached, a live object, which the one that is looked into holds.
                    let child = unsafe { Bound::from_borrowed_ptr(self.py, *child) };
                    self.meet(child, holder, own);
                }
            }
        }
    }

    fn meet(&mut self, object: Bound<'py, PyAny>, holder: usize, own: &str) {
        let pointer = object.as_ptr();
        // SAFETY: attached, a live object.
        let is_module = unsafe { ffi::PyModule_Check(pointer) } != 0;
        if !is_module && is_leaf(self.py, pointer) {
            return;
        }
        if !is_module && self.is_own_data(&object) {
            return;
        }
        if let Some(module) = self.owner(&object, is_module)
            && !self.found.contains(&(holder, module))
        {
            self.found.push((holder, module));
        }
        if !is_module
            && self.met.insert(pointer as usize, ()).is_none()
            && let Some(kind) = kind_of(self.py, &object, own).ok().flatten()
        {
            self.waiting.push_back((object, kind, holder));
        }
    }

    /// Whether only code counts, and the object is an instance of a class that a module defines: what it
    /// leads to is the former module's own.
    fn is_own_data(&self, object: &Bound<'py, PyAny>) -> bool {
        let Some(own) = &self.own_classes else { return false };
        !object.is_instance_of::<PyType>() && own.contains_key(&(object.get_type_ptr() as usize))
    }

    /// The module that made a class, among those asked for.
    fn owner_of_class(&self, class: &Bound<'py, PyType>) -> Option<usize> {
        let py = self.py;
        let Some(own) = &self.own_classes else {
            let owner = code_of(py, class.as_any())?;
            return self.modules.get(&(owner.get().module.as_ptr() as usize)).copied();
        };
        let known = own.get(&(class.as_ptr() as usize)).copied();
        // Of a class without functions only the name of its module is known, which others share.
        known.or_else(|| {
            let values = static_lookup::of_class(class)?.values();
            values.iter().map(unwrapped).find_map(|value| {
                static_lookup::is_function(&value).then(|| self.owner_of_function(&value)).flatten()
            })
        })
    }

    fn owner_of_function(&self, function: &Bound<'py, PyAny>) -> Option<usize> {
        // SAFETY: attached, a function; its globals are borrowed from it.
        let globals = unsafe { ffi::PyFunction_GetGlobals(function.as_ptr()) };
        self.modules.get(&(globals as usize)).copied()
    }

    /// The module among those asked for that an object is, or whose code it is or is made by.
    fn owner(&mut self, object: &Bound<'py, PyAny>, is_module: bool) -> Option<usize> {
        if is_module {
            return self.modules.get(&(object.as_ptr() as usize)).copied();
        }
        if static_lookup::is_function(object) {
            return self.owner_of_function(object);
        }
        let class = match object.cast::<PyType>() {
            Ok(class) => class.clone(),
            Err(_) => object.get_type(),
        };
        let py = self.py;
        let address = class.as_ptr() as usize;
        let of_class = match self.classes.get(&address) {
            Some(known) => *known,
            None => {
                let found = self.owner_of_class(&class);
                self.classes.insert(address, found);
                found
            }
        };
        let modules = &self.modules;
        let owner = |code: &Bound<'py, PyAny>| {
            let owner = code_of(py, code)?;
            modules.get(&(owner.get().module.as_ptr() as usize)).copied()
        };
        // What `lru_cache` makes keeps the function that it wraps to itself.
        of_class
            .or_else(|| {
                let wraps =
                    crate::effects::container::cache_type(py).is_ok_and(|kind| class.is(kind));
                wraps.then(|| owner(object)).flatten()
            })
            .or_else(|| self.made.maker(object.as_ptr()))
    }
}

/// The function in a static or class method.
fn unwrapped(value: Bound<'_, PyAny>) -> Bound<'_, PyAny> {
    let kinds = [&raw mut ffi::PyStaticMethod_Type, &raw mut ffi::PyClassMethod_Type];
    let is_one = kinds.contains(&value.get_type_ptr());
    is_one.then(|| value.getattr(intern!(value.py(), "__func__")).ok()).flatten().unwrap_or(value)
}

/// Whether a value in a package's namespace is a submodule that was bound there by importing it.
pub fn is_bound_submodule(parent: &LiveModule, key: &str, child: &LiveModule) -> bool {
    child.name.tail() == key && child.name.parent().as_ref() == Some(&parent.name)
}
