//! How is one execution of a live module's source represented?
//!
//! A [`LiveModule`] ties a module object to the content it was run from, to the policy it declared
//! and to its imports. It is also the module's `__loader__`, so the import hook finds the calling
//! instance from the caller's globals alone. Which generation answers is decided in
//! `state/caller.rs`; how an instance comes to be, in `loading/load.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pyo3::types::{PyDict, PyList, PyModule, PyString};
use pyo3::{exceptions::PyOSError, gc::PyTraverseError, gc::PyVisit, prelude::*};
use transfuse_engine::sync::Mutex;
use transfuse_engine::{Edge, EdgeKind, ModuleName, OsFileSystem, Policy, Source, Target};

use crate::code::name_usage::NameUsage;
use crate::cpython::extra_attributes::ExtraAttributes;
use crate::state::{
    environ_change::EnvironChange, foreign_patch::ForeignPatch, generation::Generation,
    keepers::Keepers, lazy_imports::LazyImports, load_key::LoadKey, module_source::ModuleSource,
    pending_submodules::PendingSubmodules, shown::LastShown, taken_names::TakenNames,
};

/// One execution of a live module's source, and the `__loader__` of the module it made.
#[pyclass(frozen, weakref, module = "transfuse._core")]
pub struct LiveModule {
    /// The dotted name, `shop.prices`. Never changes.
    pub name: ModuleName,
    /// The file as the path entry spelled it, `/srv/shop/prices.py`; none for a namespace package.
    pub file: Option<String>,
    /// The file as views know it: absolute, symbolic links resolved.
    pub path: Option<PathBuf>,
    /// Whether submodules are looked for under it.
    pub package: bool,
    /// The module object: the collector sees the cycle `module -> __dict__ -> __loader__ -> module`.
    pub module: Py<PyModule>,
    /// The source it was run from. Written when it is made, and when it takes other code in place.
    source: Mutex<ModuleSource>,
    /// False while the source is being executed. Written once, by the thread that loads.
    ready: AtomicBool,
    /// When its execution began, counted in executions: no two have the same. Written by `begin`.
    started: AtomicU64,
    /// When that of the first instance of its line began (which it supersedes, however far back).
    rank: AtomicU64,
    /// True once `__dispose__` was called: such an instance cannot be made current again.
    disposed: AtomicBool,
    /// The same once its application was shut down. Written by the server's thread.
    shut_down: AtomicBool,
    /// Names bound at module level and imports used there. Executions of one source share it.
    outline: Mutex<Option<Arc<NameUsage>>>,
    /// Edges so far, `shop.conf -> {ModuleLevel}`. Never shrinks; several threads add deferred ones.
    edges: Mutex<BTreeMap<Target, Vec<EdgeKind>>>,
    /// `/srv/shop/cache.json`: files that its module-level code wrote, which it does not depend on.
    wrote: Mutex<BTreeSet<PathBuf>>,
    pub taken: TakenNames,
    /// The modules that keep what its functions read, or had imported by foreign code.
    pub keepers: Keepers,
    /// Names of deferred imports already recorded: the hot path asks one dict.
    pub deferred: Py<PyDict>,
    /// The lazy imports that its code declares.
    pub lazy: LazyImports,
    /// The generation it answers for when the caller is not pinned: none while that is the current
    /// one. Written when it is staged, published and superseded.
    home: Mutex<Option<Py<Generation>>>,
    /// Whether `home` is set: almost never, and asked for at every import.
    has_home: AtomicBool,
    /// Whether `replacement` is set, as above.
    replaced: AtomicBool,
    /// The object that the module put into `sys.modules` in its own place, if it did.
    replacement: Mutex<Option<Py<PyAny>>>,
    /// The attributes that the module set on foreign modules. Written once, when its code has
    /// ended.
    patches: Mutex<Vec<ForeignPatch>>,
    /// The entries that were taken out of foreign containers when it was superseded, put back when a
    /// rollback revives it (`transfuse/registrations`). Written by the updating thread.
    pub registrations: Py<PyList>,
    /// `[DATABASE_URL: none to "sqlite://"]`: the changes of its module-level code to `os.environ`.
    /// Written by the thread that executes it.
    environ: Mutex<Vec<EnvironChange>>,
    /// For a package: loaded submodules that it lacks (`loading/bind_submodules.rs`).
    pub pending_submodules: PendingSubmodules,
    /// The loads of other threads that it was executed in a circle with; it is ready once they are.
    partners: Mutex<Vec<LoadKey>>,
    /// Its entry in `sys.modules` when that was last as expected.
    pub seen: LastShown,
    /// The attributes that other code set on it, for it is a loader.
    pub attributes: ExtraAttributes,
    /// The name as the keys of generations have it, so that asking for it allocates nothing.
    pub key: Py<PyString>,
}

static STARTED: AtomicU64 = AtomicU64::new(1);

/// The number that the next instance will have for its `started`.
pub fn next_started() -> u64 {
    STARTED.load(Ordering::Acquire)
}

impl LiveModule {
    /// A not yet executed instance that answers for `home` until it is published.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        py: Python<'_>,
        name: ModuleName,
        file: Option<String>,
        path: Option<PathBuf>,
        source: ModuleSource,
        package: bool,
        module: Py<PyModule>,
        home: Py<Generation>,
    ) -> Self {
        LiveModule {
            started: AtomicU64::new(u64::MAX),
            rank: AtomicU64::new(u64::MAX),
            key: PyString::intern(py, name.as_str()).unbind(),
            name,
            file,
            path,
            source: Mutex::new(source),
            package,
            module,
            ready: AtomicBool::new(false),
            disposed: AtomicBool::new(false),
            shut_down: AtomicBool::new(false),
            outline: Mutex::new(None),
            edges: Mutex::default(),
            wrote: Mutex::default(),
            taken: TakenNames::default(),
            keepers: Keepers::default(),
            deferred: PyDict::new(py).unbind(),
            lazy: LazyImports::default(),
            home: Mutex::new(Some(home)),
            has_home: AtomicBool::new(true),
            replaced: AtomicBool::new(false),
            replacement: Mutex::new(None),
            patches: Mutex::default(),
            registrations: PyList::empty(py).unbind(),
            environ: Mutex::default(),
            pending_submodules: PendingSubmodules::default(),
            partners: Mutex::default(),
            seen: LastShown::default(),
            attributes: ExtraAttributes::default(),
        }
    }

    /// Its execution begins now: called once, when it is put into its generation.
    pub fn begin(&self, previous: Option<&LiveModule>) {
        let started = STARTED.fetch_add(1, Ordering::Relaxed);
        self.started.store(started, Ordering::Release);
        self.rank.store(previous.map_or(started, LiveModule::rank), Ordering::Release);
    }

    pub fn started(&self) -> u64 {
        self.started.load(Ordering::Acquire)
    }

    pub fn rank(&self) -> u64 {
        self.rank.load(Ordering::Acquire)
    }

    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Called once, by the loading thread, when execution has ended well.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// The content that was run; none for a namespace package.
    pub fn source(&self) -> Option<Arc<Source>> {
        self.source.lock().source.clone()
    }

    /// The policy that its source asks for.
    pub fn policy(&self) -> Policy {
        self.source.lock().policy
    }

    /// Whether an update runs it in the main thread.
    pub fn in_main_thread(&self) -> bool {
        self.source.lock().in_main_thread
    }

    pub fn preserve(&self) -> Vec<String> {
        self.source.lock().preserve.clone()
    }

    /// It has taken the code of `other` in place, and takes over what is recorded of that. Returns
    /// its former patches of foreign modules, for the caller to drop where code may run.
    pub fn become_like(&self, other: &LiveModule) -> Vec<ForeignPatch> {
        let source = other.source.lock().clone();
        *self.source.lock() = source;
        let outline = other.outline.lock().take();
        *self.outline.lock() = outline;
        self.taken.become_like(&other.taken);
        let module_level = std::mem::take(&mut *other.edges.lock());
        let mut edges = self.edges.lock();
        edges.retain(|_, kinds| {
            kinds.retain(|kind| *kind == EdgeKind::Deferred);
            !kinds.is_empty()
        });
        for (to, kinds) in module_level {
            edges.entry(to).or_default().extend(kinds);
        }
        drop(edges);
        let environ = std::mem::take(&mut *other.environ.lock());
        *self.environ.lock() = environ;
        let set = std::mem::take(&mut *other.patches.lock());
        std::mem::replace(&mut *self.patches.lock(), set)
    }

    /// The loads of other threads that it waits for before it is ready.
    pub fn partners(&self) -> Vec<LoadKey> {
        self.partners.lock().clone()
    }

    pub fn set_partners(&self, partners: Vec<LoadKey>) {
        *self.partners.lock() = partners;
    }

    /// Was it disposed of, or its application shut down?
    pub fn is_over(&self) -> bool {
        self.disposed.load(Ordering::Acquire) || self.shut_down.load(Ordering::Acquire)
    }

    pub fn set_shut_down(&self) {
        self.shut_down.store(true, Ordering::Release);
    }

    /// Marks it as disposed of; true for the first caller.
    pub fn dispose(&self) -> bool {
        !self.disposed.swap(true, Ordering::AcqRel)
    }

    /// The generation it answers for, none for the current one.
    pub fn home<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Generation>> {
        let there = self.has_home.load(Ordering::Acquire).then(|| self.home.lock())?;
        there.as_ref().map(|home| home.bind(py).clone())
    }

    /// Ties it to a generation, or (none) to whichever is current. Returns the generation it was
    /// tied to: dropping that can run Python code.
    pub fn set_home(&self, home: Option<Py<Generation>>) -> Option<Py<Generation>> {
        let has = home.is_some();
        let mut there = self.home.lock();
        let old = std::mem::replace(&mut *there, home);
        self.has_home.store(has, Ordering::Release);
        old
    }

    /// The object that importers get: the module, or its replacement in `sys.modules`.
    pub fn value<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.replacement(py).unwrap_or_else(|| self.module.bind(py).clone().into_any())
    }

    pub fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::Acquire)
    }

    /// The object that the module put in its own place, if any.
    pub fn replacement<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let there = self.is_replaced().then(|| self.replacement.lock())?;
        there.as_ref().map(|replacement| replacement.bind(py).clone())
    }

    /// Remembers the object that the module put into `sys.modules` in its own place.
    pub fn replace_by(&self, other: Py<PyAny>) {
        let old = self.replacement.lock().replace(other);
        self.replaced.store(true, Ordering::Release);
        drop(old);
    }

    pub fn namespace<'py>(&self, py: Python<'py>) -> Bound<'py, PyDict> {
        self.module.bind(py).dict()
    }

    /// Records one edge; true if it was not known.
    pub fn add_edge(&self, to: Target, kind: EdgeKind) -> bool {
        let mut edges = self.edges.lock();
        let kinds = edges.entry(to).or_default();
        if kinds.contains(&kind) {
            return false;
        }
        kinds.push(kind);
        true
    }

    /// Whether its module-level code imported that.
    pub fn imports(&self, to: &Target) -> bool {
        self.has_edge(to, EdgeKind::ModuleLevel) || self.has_edge(to, EdgeKind::Through)
    }

    pub fn has_edge(&self, to: &Target, kind: EdgeKind) -> bool {
        self.edges.lock().get(to).is_some_and(|kinds| kinds.contains(&kind))
    }

    /// Its module-level code reads a data file, there or not; true if that is a new dependency.
    pub fn reads(&self, path: &Path) -> bool {
        let own = self.path.as_deref() == Some(path) || self.wrote.lock().contains(path);
        !own && self.add_edge(Target::File(path.to_owned()), EdgeKind::Data)
    }

    /// Does its module-level code depend on this file or directory?
    pub fn has_read(&self, path: &Path) -> bool {
        self.edges.lock().contains_key(&Target::File(path.to_owned()))
    }

    /// The changes of its module-level code to `os.environ`.
    pub fn environ(&self) -> Vec<EnvironChange> {
        self.environ.lock().clone()
    }

    /// Changes that. `act` runs no Python code.
    pub fn with_environ(&self, act: impl FnOnce(&mut Vec<EnvironChange>)) {
        act(&mut self.environ.lock());
    }

    /// Its module-level code writes a file, or makes a directory, which is no reason to run it again.
    pub fn writes(&self, path: &Path, is_dir: bool) {
        self.edges.lock().remove(&Target::File(path.to_owned()));
        self.wrote.lock().extend((!is_dir).then(|| path.to_owned())); // it may list the directory
    }

    pub fn edges(&self) -> Vec<Edge> {
        let edges = self.edges.lock();
        edges
            .iter()
            .flat_map(|(to, kinds)| kinds.iter().map(|&kind| Edge { to: to.clone(), kind }))
            .collect()
    }

    pub fn set_name_usage(&self, outline: Arc<NameUsage>) {
        *self.outline.lock() = Some(outline);
    }

    pub fn name_usage(&self) -> Option<Arc<NameUsage>> {
        self.outline.lock().clone()
    }

    /// Names that a star import bound count as defined by the source.
    pub fn define(&self, names: Vec<String>) {
        if let Some(outline) = self.outline.lock().as_mut() {
            Arc::make_mut(outline).define(names, true);
        }
    }

    pub fn with_name_usage<R>(&self, ask: impl FnOnce(&NameUsage) -> R) -> Option<R> {
        self.outline.lock().as_deref().map(ask)
    }

    pub fn set_patches(&self, patches: Vec<ForeignPatch>) {
        *self.patches.lock() = patches;
    }

    /// The attributes that the module set on foreign modules. `ask` runs no Python code.
    pub fn with_patches<R>(&self, ask: impl FnOnce(&[ForeignPatch]) -> R) -> R {
        ask(&self.patches.lock())
    }

    /// The text of its source, from the store, or from disk while that is still the same.
    pub fn text(&self) -> PyResult<Vec<u8>> {
        let gone =
            || PyOSError::new_err(format!("the source that {} was loaded from is gone", self.name));
        let source = self.source().ok_or_else(gone)?;
        let path = self.path.as_ref().ok_or_else(gone)?;
        source.text_or_read(&OsFileSystem, path).ok_or_else(gone)
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.module)?;
        visit.call(&self.deferred)?;
        visit.call(&self.registrations)?;
        self.lazy.traverse(visit)?;
        // The locks are never held across a point where the collector can run.
        if let Some(home) = self.home.try_lock() {
            visit.call(home.as_ref())?;
        }
        self.seen.traverse(visit)?;
        self.attributes.traverse(visit)?;
        if let Some(replacement) = self.replacement.try_lock() {
            visit.call(replacement.as_ref())?;
        }
        if let Some(patches) = self.patches.try_lock() {
            for patch in patches.iter() {
                patch.traverse(visit)?;
            }
        }
        Ok(())
    }
}
