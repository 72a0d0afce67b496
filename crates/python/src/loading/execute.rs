//! How is a module's source executed, from its text to a ready instance?
//!
//! In four steps: the module is prepared, made visible in `sys.modules`, run under observation, and
//! then concluded or, if its code raised, undone. The start of the namespace is
//! `loading/namespace.rs`'s; that only one thread comes here for one content is
//! `loading/load.rs`'s.

use std::{sync::Arc, sync::atomic::Ordering};

use pyo3::types::{PyList, PyModule, PyString};
use pyo3::{intern, prelude::*};
use transfuse_engine::{Digest, ModuleName, Source};

use crate::cpython::{exceptions, lazy_object, log, panics};
use crate::effects::log_handlers::Hidden;
use crate::effects::observation::Observation;
use crate::effects::{
    builtins_names, dependencies, environ, foreign_lookups, foreign_patches, submodule_use,
    virtual_subclasses,
};
use crate::loading::in_place::{self, Nesting};
use crate::loading::namespace_path::NamespacePath;
use crate::loading::{
    bind_submodules, circular, namespace, sharing, source_text, submodules, unreached_names,
};
use crate::state::{
    attempt, execution_stack, lazy_imports, live_module::LiveModule, module_source::ModuleSource,
    module_source::SourceFile, notify, policy, policy::DeclaredPolicy, run_times::RunTime,
    scope::Scope,
};
use crate::sysmodules::{entry, facade, module_attrs::init_module_attrs, spec};

pub enum Content {
    File(SourceFile, Arc<Source>),
    /// The folders of a namespace package.
    Namespace(Vec<String>),
}

impl Content {
    pub fn digest(&self) -> Option<Digest> {
        if let Content::File(_, source) = self { Some(source.digest()) } else { None }
    }
}

pub fn execute<'py>(
    scope: &Scope<'py>,
    name: &ModuleName,
    content: Content,
) -> PyResult<Bound<'py, LiveModule>> {
    let Scope { py, runtime, .. } = *scope;
    let prepared = PreparedModule::prepare(scope, name, content)?;
    let change = prepared.show(scope)?;
    if scope.is_staged() {
        let progress = scope.generation.get().staging.record_executed(&prepared.instance);
        notify::running(py, runtime, name, progress);
    }
    // The interpreter uses it to tell a circular import from a name that does not exist.
    prepared.spec.setattr(intern!(py, "_initializing"), true)?;
    let time = RunTime::begin();
    let ran = prepared.run(scope);
    time.end(runtime, name);
    prepared.spec.setattr(intern!(py, "_initializing"), false)?;
    match ran.and_then(|()| prepared.conclude(scope, &change)) {
        Ok(loaded) => {
            match change.before {
                Some(before) if change.other => {
                    entry::restore_if_ours(py, runtime, name, &change.shown, Some(before))?;
                }
                // Other threads may have put it back by now, which looks the same.
                None if change.other => {
                    scope.generation.get().staging.had_no_entry.lock().push(name.clone());
                }
                _ => {}
            }
            if !scope.is_staged() {
                log::loaded(py, name, loaded.get().file.as_deref(), scope.generation.get().id.0);
            }
            Ok(loaded)
        }
        Err(error) => {
            prepared.undo(scope, change)?;
            Err(error)
        }
    }
}

/// Nothing of an attempt that was left behind comes to be seen, also if its code has caught the
/// exception.
fn refuse_if_left_behind() -> PyResult<()> {
    if attempt::is_left_behind() { Err(exceptions::given_up()) } else { Ok(()) }
}

struct PreparedModule<'py> {
    instance: Bound<'py, LiveModule>,
    spec: Bound<'py, PyAny>,
    /// Its text and its `__file__`; none for a namespace package.
    source: Option<(Vec<u8>, String)>,
    /// The instance that it would supersede, if an update is being staged.
    previous: Option<Bound<'py, LiveModule>>,
    /// The spec of another code's finder, whose loader is to execute it.
    claimed: Option<Py<PyAny>>,
    nesting: Nesting,
}

/// The entry of `sys.modules` that a module replaced when it was made visible.
struct EntryChange<'py> {
    /// The facade that stands there now.
    shown: Bound<'py, PyAny>,
    before: Option<Bound<'py, PyAny>>,
    /// Whether other code had removed or replaced the entry, so that it has to be put back.
    other: bool,
}

impl<'py> PreparedModule<'py> {
    /// Makes the module and its instance from the source that the generation names.
    fn prepare(scope: &Scope<'py>, name: &ModuleName, content: Content) -> PyResult<Self> {
        let Scope { py, runtime, .. } = *scope;
        refuse_if_left_behind()?;
        let mut claimed = None;
        let (file, path, source, package) = match content {
            Content::File(origin, source) => {
                let package = origin.package.map(|dir| PyList::new(py, [dir])).transpose()?;
                claimed = origin.spec;
                (Some(origin.file), Some(origin.path), Some(source), package.map(Bound::into_any))
            }
            Content::Namespace(portions) => {
                let path = Bound::new(py, NamespacePath::new(py, name.clone(), portions))?;
                (None, None, None, Some(path.into_any()))
            }
        };
        let text = match (&source, &path) {
            (Some(source), Some(path)) => Some(source_text::text(scope, source, path)?),
            _ => None,
        };
        let DeclaredPolicy { policy, preserve, in_main_thread } = match (&text, &file) {
            (Some(text), Some(file)) => policy::declared_policy(py, runtime, name, text, file)?,
            _ => DeclaredPolicy {
                policy: runtime.settings().policy,
                preserve: Vec::new(),
                in_main_thread: false,
            },
        };
        if in_main_thread && scope.is_staged() {
            scope.generation.get().staging.check_thread()?;
        }
        let previous = scope.base().and_then(|base| base.find(name.as_str()));
        let nesting = Nesting::begin(scope, policy, previous.as_ref())?;
        let module = PyModule::new(py, name.as_str())?;
        let instance = LiveModule::new(
            py,
            name.clone(),
            file.clone(),
            path,
            ModuleSource { source, policy, preserve, in_main_thread },
            package.is_some(),
            module.clone().unbind(),
            scope.generation.clone().unbind(),
        );
        let instance = Bound::new(py, instance)?;
        // Before it is visible and without the lock, because this runs code of `importlib`.
        let spec = init_module_attrs(py, &instance, &module, package)?;
        Ok(PreparedModule { instance, spec, source: text.zip(file), previous, claimed, nesting })
    }

    /// Puts the instance into its generation and its facade into `sys.modules`.
    fn show(&self, scope: &Scope<'py>) -> PyResult<EntryChange<'py>> {
        let Scope { py, runtime, .. } = *scope;
        let instance = self.instance.get();
        let _guard = runtime.nogil_lock.lock(py);
        // In one step: `update/concurrent_loads.rs` asks which loads have begun.
        instance.begin(self.previous.as_ref().map(|previous| previous.get()));
        scope.generation.get().put(py, &self.instance)?;
        let shown = facade::of(py, runtime, &instance.name)?;
        let key = instance.key.bind(py);
        let before = runtime.sys_modules.bind(py).get_item(key)?;
        let other = entry::is_replaced(scope, key)?;
        if !before.as_ref().is_some_and(|there| there.is(&shown)) {
            entry::show(py, runtime, key, &shown)?;
        }
        instance.seen.set(&shown);
        Ok(EntryChange { shown, before, other })
    }

    /// Runs the module's code and collects its patches of foreign modules.
    fn run(&self, scope: &Scope<'py>) -> PyResult<()> {
        let (py, previous) = (scope.py, self.previous.as_ref());
        let Some((text, file)) = &self.source else {
            return namespace::submodules_of(scope, self.instance.get(), previous);
        };
        let mut _there = None;
        if let Some(previous) = previous.filter(|_| scope.is_staged()) {
            environ::undo_former(scope, previous);
            _there = environ::WhereItBegan::enter(py, previous.get());
        }
        // In a thread of its own it may bind to that thread what belongs to the server's.
        let contexts = match scope.is_staged() {
            true => Some(py.import(intern!(py, "transfuse.updates.import_context"))?),
            false => None,
        };
        let context =
            contexts.as_ref().map(|contexts| contexts.call_method1("running", (previous,)));
        let context = context.transpose()?;
        let registered = virtual_subclasses::registrations(py)?;
        let hidden = scope.is_staged().then(|| Hidden::begin(py, previous));
        let observed = Observation::begin(&self.instance);
        let ran = panics::caught(|| {
            let claimed = self.claimed.as_ref().map(|spec| spec.bind(py));
            namespace::exec_module(scope, &self.instance, previous, text, file, claimed)
        });
        let stays = ran.is_ok() && (!scope.is_staged() || builtins_names::are_shown());
        let mut before = observed.end(py, &self.instance, stays);
        drop(hidden);
        if scope.is_staged() {
            foreign_patches::retain_own(&mut before, &self.instance, previous);
        }
        unreached_names::show_again(py, execution_stack::depth())?;
        ran.and_then(|()| refuse_if_left_behind())
            .and_then(|()| {
                if let (Some(contexts), Some(context)) = (&contexts, &context) {
                    let module = self.instance.get().module.bind(py);
                    contexts.call_method1("ran", (&self.instance, module, context))?;
                }
                let namespace = self.instance.get().namespace(py);
                let set = foreign_patches::collect(py, &before, &namespace, previous)?;
                self.instance.get().set_patches(set);
                submodule_use::record_packages(&self.instance);
                virtual_subclasses::record(scope, &self.instance, &registered)
            })
            .inspect_err(|_| {
                if let (Some(contexts), Some(context)) = (&contexts, &context) {
                    let _ = contexts.call_method1("failed", (context,));
                }
                foreign_patches::undo_unless_replaced(scope, &before);
                if scope.is_staged() {
                    self.take_back_environ(py);
                }
            })?;
        if scope.is_staged() {
            builtins_names::take_back(&self.instance, previous, before);
            environ::keep_of_foreign(scope, previous, self.instance.get())?;
        }
        Ok(())
    }

    /// The environment is as it was before the code ran, and its former run stands again.
    fn take_back_environ(&self, py: Python<'_>) {
        environ::undo(py, self.instance.get());
        self.instance.get().with_environ(Vec::clear);
        if let Some(previous) = &self.previous {
            environ::redo(py, previous.get());
        }
    }

    /// The code has run: returns the instance that importers get.
    fn conclude(
        &self,
        scope: &Scope<'py>,
        change: &EntryChange<'py>,
    ) -> PyResult<Bound<'py, LiveModule>> {
        if let Some(stays) = in_place::may_stay(self.previous.as_ref(), &self.instance) {
            circular::executed(&self.instance);
            return in_place::stage(scope, stays, &self.instance, &self.nesting);
        }
        if let Some(previous) = &self.previous {
            foreign_lookups::carry(scope, previous.get(), &self.instance);
        }
        let Scope { py, runtime, .. } = *scope;
        lazy_object::discard_pending(py, self.instance.get().name.as_str());
        if self.instance.get().package {
            let lazy = lazy_imports::submodules_of(&self.instance.get().name);
            submodules::load_when_asked_for(py, &self.instance, &lazy)?;
        }
        let _guard = runtime.nogil_lock.lock(py);
        self.take_replacement(scope, change)?;
        if !scope.is_staged() {
            sharing::share(scope, &runtime.alive(py), &self.instance);
        }
        circular::executed(&self.instance);
        let name = &self.instance.get().name;
        let Some(parent) = name.parent() else { return Ok(self.instance.clone()) };
        match scope.find(parent.as_str()) {
            Some(package) => bind_submodules::loaded(scope, &package, &self.instance)?,
            None => {
                // A foreign namespace package with a live portion.
                runtime.mixed.store(true, Ordering::Release);
                if let Some(package) = runtime.sys_modules.bind(py).get_item(parent.as_str())? {
                    package.setattr(PyString::new(py, name.tail()), &change.shown)?;
                }
            }
        }
        Ok(self.instance.clone())
    }

    /// Remembers the object that the module put into `sys.modules` in its own place, if it did.
    fn take_replacement(&self, scope: &Scope<'py>, change: &EntryChange<'py>) -> PyResult<()> {
        let Scope { py, runtime, .. } = *scope;
        let instance = self.instance.get();
        let modules = runtime.sys_modules.bind(py);
        let key = instance.key.bind(py);
        let shown = &change.shown;
        match modules.get_item(key)? {
            Some(there) if there.is(shown) => Ok(()),
            // A thread that found no entry has gone to the standard machinery.
            Some(there) if spec::is_loading(&there)? => modules.set_item(key, shown),
            Some(there) => {
                instance.replace_by(there.clone().unbind());
                match scope.is_staged() {
                    // Visible to all only once it is published.
                    true => modules.set_item(key, change.before.as_ref().unwrap_or(shown)),
                    false => entry::show(py, runtime, key, &there),
                }
            }
            None => modules.set_item(key, shown),
        }
    }

    /// The code raised: the generation and `sys.modules` are as they were.
    fn undo(&self, scope: &Scope<'py>, change: EntryChange<'py>) -> PyResult<()> {
        let Scope { py, runtime, .. } = *scope;
        let instance = self.instance.get();
        let _guard = runtime.nogil_lock.lock(py);
        scope.generation.get().take(py, &self.instance);
        if attempt::is_left_behind() {
            // Others have gone on, so the rest is theirs by now.
            return Ok(());
        }
        if instance.package {
            // Its loaded submodules become its attributes when it is loaded after all.
            runtime.records.lock().failed.insert(instance.name.clone());
        }
        dependencies::failed(scope, &self.instance)?;
        entry::restore(py, runtime, &instance.name, change.before)
    }
}
