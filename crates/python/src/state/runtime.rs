//! What is installed, and under which locks is it reached?
//!
//! One [`Runtime`] at most is in force in a process. It is made by `install`, never freed (a few
//! hundred bytes an install), and reached through one atomic pointer, so that the import hook pays
//! a load for it. Its Python objects are either frozen or in containers that the cycle collector
//! sees; its locks are held for field access only, never while Python code can run and never
//! while the GIL is asked for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use crossbeam_channel::Sender;
use pyo3::types::{PyCFunction, PyDict, PyModule, PyString};
use pyo3::{intern, prelude::*};
use transfuse_engine::sync::Mutex;
use transfuse_engine::{
    Budget, Digest, FileSystem, Freed, GenerationId, GenerationRegistry, GenerationState,
    ModuleName, OsFileSystem, Restart, Roots, SingleFlight, SourceSnapshot,
};

use crate::cpython::{exceptions, nogil_lock::NoGilLock, thread::thread};
use crate::state::{
    command::BackTo, command::Command, generation::Generation, hold::Holds, records::Records,
    set_aside::SetAside, set_aside::SetAsideFiles, settings::Settings,
    synthetic_names::SyntheticNames, unit_of_work::UnitsOfWork, unreadable::UnreadablePaths,
    urgent::UrgentRequests, watch_status::WatchStatus,
};

/// How many path entries are remembered with their directories.
const ENTRIES: usize = 1024;

/// The runtime in force, or null. Written by `install` and `uninstall` only.
static IN_FORCE: AtomicPtr<Runtime> = AtomicPtr::new(std::ptr::null_mut());

pub fn in_force() -> Option<&'static Runtime> {
    let runtime = IN_FORCE.load(Ordering::Acquire);
    // SAFETY: runtimes are leaked when made, so the pointer is null or valid for ever.
    unsafe { runtime.as_ref() }
}

/// The runtime in force, or `NotInstalledError`.
pub fn required() -> PyResult<&'static Runtime> {
    in_force().ok_or_else(exceptions::not_installed)
}

/// Puts a runtime in force (or, with none, out of force).
pub fn put_in_force(runtime: Option<&'static Runtime>) {
    let pointer = runtime.map_or(std::ptr::null_mut(), |e| std::ptr::from_ref(e).cast_mut());
    IN_FORCE.store(pointer, Ordering::Release);
}

/// Something of Python's that is called while Transfuse is installed, and not held afterwards.
pub struct PythonCallback(Mutex<Option<Py<PyAny>>>);

impl PythonCallback {
    fn new(callable: Py<PyAny>) -> PythonCallback {
        PythonCallback(Mutex::new(Some(callable)))
    }

    /// Calls it; None, where that is over.
    pub fn call<'py>(
        &self,
        py: Python<'py>,
        args: impl pyo3::call::PyCallArgs<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let callable = self.0.lock().as_ref().map(|callable| callable.bind(py).clone());
        callable.map_or_else(|| Ok(py.None().into_bound(py)), |callable| callable.call1(args))
    }

    fn end(&self) {
        let callable = self.0.lock().take();
        drop(callable);
    }
}

/// The files of a process that was given what others serve, or what was served last.
#[derive(Default)]
pub struct GivenFiles {
    pub paths: Vec<PathBuf>,
    /// Those of them whose content on disk is set aside.
    pub aside: Vec<PathBuf>,
    /// The changes that wait in the others for a restart: `conf`, with its file.
    pub waiting: Vec<Restart>,
    /// Content on disk that is set aside from the start.
    pub left: SetAsideFiles,
    /// Content on disk that is not served from the start, until it is tried.
    pub refused: SetAsideFiles,
}

pub struct Runtime {
    pub system: Arc<OsFileSystem>,
    pub roots: Roots,
    /// The limit of the stored sources.
    pub budget: Budget,
    /// The settings. Replaced when the project's files change them.
    settings: Mutex<Arc<Settings>>,
    /// `/srv/pyproject.toml`: files beside the code that settings and requirements are read from.
    pub project: Vec<PathBuf>,
    /// Called with a bool (apply, or only tell) when one of them may have changed.
    pub reconsider: PythonCallback,
    /// Name -> facade, for every live module that was ever loaded. Python's own lock guards it.
    pub facades: Py<PyDict>,
    pub sys_modules: Py<PyDict>,
    /// Name -> the object that its module put into `sys.modules` in its own place, as it was last
    /// shown there.
    pub replacements: Py<PyDict>,
    /// Names that we took out of `sys.modules`, while old code may still ask for them -> True.
    pub withdrawn: Py<PyDict>,
    /// `builtins.__import__` as it was.
    pub original_import: Py<PyAny>,
    /// Whether that is the interpreter's own, so that its C function can be called instead.
    pub plain_import: bool,
    /// `importlib._bootstrap._gcd_import` as it was.
    pub original_gcd_import: Py<PyAny>,
    /// `importlib.reload` as it was.
    pub original_reload: Py<PyAny>,
    /// Called with a dict after each update.
    pub report: PythonCallback,
    /// The view that the update under way would serve, for the participants that have to agree.
    pub wanted: Mutex<Option<SourceSnapshot>>,
    /// The rollback under way, for the other workers. Written by the thread that updates.
    pub going_back: Mutex<Option<BackTo>>,
    /// Files whose content this process was given at its start, whatever they say on disk.
    pub given: GivenFiles,
    /// Called with the stage of an update and the generation's number (`update/participants.rs`).
    pub stages: PythonCallback,
    /// Names of modules that were asked for by path and cannot be imported by name.
    pub synthetic_names: SyntheticNames,
    /// One load at a time of one content under one name.
    pub flights: SingleFlight<(ModuleName, Option<Digest>)>,
    /// Held while several things are looked at and written in one step.
    pub nogil_lock: NoGilLock,
    /// The generations that are alive, and which one new work gets.
    pub generations: GenerationRegistry<Py<Generation>>,
    pub units: UnitsOfWork,
    pub records: Mutex<Records>,
    /// Whether there is more than one generation that code could belong to. Set once.
    pub diverged: AtomicBool,
    /// Whether a foreign package has a live portion. Set once.
    pub mixed: AtomicBool,
    /// The frameworks whose listeners are told apart by generation, a bit each: set once
    /// (`effects/listener_adapters.rs`).
    pub adapted: AtomicU64,
    /// Path entry -> the directory it means, if that touches a root. For those that are there, or
    /// would touch one if they were; all leave when there are many, as those of temporary folders
    /// are.
    entries: Mutex<HashMap<String, Option<PathBuf>>>,
    /// To the thread that updates; another one after a fork.
    commands: Mutex<Option<Sender<Command>>>,
    /// How often the system had more events than it keeps. Written by the thread that updates.
    pub lost_events: AtomicU64,
    /// How changes become known. Written by the thread that updates, and by the one that starts it.
    pub watching: Mutex<WatchStatus>,
    /// Paths that cannot be read and that no module needs. Written at each scan, read by `status`.
    pub unreadable: Mutex<UnreadablePaths>,
    /// Content on disk that a rollback has left. Written by the thread that updates.
    pub set_aside: Mutex<SetAside>,
    /// Content on disk that the last update was refused for. Written by the thread that updates.
    pub refused: Mutex<SetAsideFiles>,
    /// The holds of programs that are changing many files.
    pub holds: Holds,
    /// The thread that updates (0: not begun). Code it runs cannot wait for an update.
    pub updating_thread: AtomicU64,
    /// The requests before which no update is to be published.
    pub urgent: UrgentRequests,
    /// Whether that thread has ended without being stopped.
    pub updating_ended: AtomicBool,
}

impl Runtime {
    /// A runtime whose first, empty generation knows `view`.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        py: Python<'_>,
        system: Arc<OsFileSystem>,
        roots: Roots,
        budget: Budget,
        settings: Settings,
        view: SourceSnapshot,
        report: Py<PyAny>,
        stages: Py<PyAny>,
        project: Vec<PathBuf>,
        reconsider: Py<PyAny>,
        first: u64,
        given: GivenFiles,
    ) -> PyResult<Self> {
        let held =
            Py::new(py, Generation::new(GenerationId(first), view, PyDict::new(py).unbind()))?;
        let generations = GenerationRegistry::new(first, settings.keep, |_| held.clone_ref(py));
        let builtins = py.import(intern!(py, "builtins"))?;
        Ok(Runtime {
            system,
            roots,
            budget,
            settings: Mutex::new(Arc::new(settings)),
            project,
            reconsider: PythonCallback::new(reconsider),
            facades: PyDict::new(py).unbind(),
            replacements: PyDict::new(py).unbind(),
            withdrawn: PyDict::new(py).unbind(),
            sys_modules: sys_modules(py)?,
            plain_import: is_plain(&builtins)?,
            original_import: builtins.getattr(intern!(py, "__import__"))?.unbind(),
            original_reload: original(py, "importlib", "reload")?,
            original_gcd_import: original(py, "importlib._bootstrap", "_gcd_import")?,
            report: PythonCallback::new(report),
            stages: PythonCallback::new(stages),
            wanted: Mutex::new(None),
            going_back: Mutex::new(None),
            set_aside: Mutex::new(SetAside::of(given.left.clone())),
            refused: Mutex::new(given.refused.clone()),
            given,
            synthetic_names: SyntheticNames::default(),
            flights: SingleFlight::default(),
            nogil_lock: NoGilLock::default(),
            generations,
            units: UnitsOfWork::default(),
            records: Mutex::new(Records::starting(GenerationId(first))),
            diverged: AtomicBool::new(false),
            mixed: AtomicBool::new(false),
            adapted: AtomicU64::new(0),
            entries: Mutex::new(HashMap::new()),
            commands: Mutex::new(None),
            lost_events: AtomicU64::new(0),
            watching: Mutex::default(),
            unreadable: Mutex::default(),
            holds: Holds::default(),
            updating_thread: AtomicU64::new(0),
            urgent: UrgentRequests::default(),
            updating_ended: AtomicBool::new(false),
        })
    }

    /// A forked child has no thread that commands could go to. Kept in memory, and not dropped: the
    /// channel has locks of its own, which that thread may have had.
    pub fn forget_commands(&self) {
        std::mem::forget(self.commands.lock().take());
    }

    pub fn listen_to(&self, commands: Sender<Command>) {
        self.urgent.reset();
        *self.commands.lock() = Some(commands);
    }

    /// Taken out of force: nothing of the program is held any more.
    pub fn let_go(&self, py: Python<'_>) -> PyResult<()> {
        let current = self.current(py).get().id;
        let nothing = Generation::new(current, SourceSnapshot::default(), PyDict::new(py).unbind());
        let held = self.generations.clear(Py::new(py, nothing)?);
        let records = std::mem::take(&mut *self.records.lock());
        for asked in [&self.report, &self.stages, &self.reconsider] {
            asked.end();
        }
        for names in [&self.facades, &self.replacements, &self.withdrawn] {
            names.bind(py).clear();
        }
        // Dropped here, outside the locks: the last reference may run Python code.
        drop((held, records));
        Ok(())
    }

    /// Asks the updating thread for something; false if it has ended.
    pub fn command(&self, command: Command) -> bool {
        let commands = self.commands.lock();
        let Some(commands) = commands.as_ref() else { return false };
        self.urgent.is_sent(&command);
        commands.send(command).is_ok()
    }

    /// Calls `work` as the thread that updates: code that it runs cannot wait for an update.
    pub fn updating_in_this_thread<R>(&self, work: impl FnOnce() -> R) -> R {
        let mine = thread();
        let before = self.updating_thread.swap(mine, Ordering::AcqRel);
        let ended = work();
        // Unless another thread has gone on since.
        let order = (Ordering::AcqRel, Ordering::Acquire);
        let _ = self.updating_thread.compare_exchange(mine, before, order.0, order.1);
        ended
    }

    pub fn settings(&self) -> Arc<Settings> {
        self.settings.lock().clone()
    }

    pub fn set_settings(&self, settings: Settings) {
        *self.settings.lock() = Arc::new(settings);
    }

    /// The generation that new work gets.
    pub fn current<'py>(&self, py: Python<'py>) -> Bound<'py, Generation> {
        self.generations.current(|current| current.bind(py).clone())
    }

    /// The view of the current generation; needs no GIL.
    pub fn view(&self) -> SourceSnapshot {
        self.generations.current(|current| current.get().view())
    }

    /// Every generation that code can still be asked to run in: staged, current, draining, kept.
    pub fn alive<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, Generation>> {
        self.generations.alive(|generation, _, _| generation.bind(py).clone())
    }

    /// Those that a unit of work may be running in, or begin to.
    pub fn in_use<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, Generation>> {
        let used = self.generations.alive(|generation, _, state| {
            let used = matches!(state, GenerationState::Current | GenerationState::Draining { .. });
            used.then(|| generation.bind(py).clone())
        });
        used.into_iter().flatten().collect()
    }

    /// Counts a unit of work on the current generation.
    pub fn pin_current<'py>(&self, py: Python<'py>) -> Bound<'py, Generation> {
        self.generations.pin_current(|current| (current.get().id, current.bind(py).clone()))
    }

    /// A unit of work has ended. The updating thread disposes of the instances that this sets free.
    pub fn unpin(&self, number: u64) {
        self.retire(self.generations.unpin(GenerationId(number)));
    }

    /// Lets go of generations that are no longer kept, and has drained ones disposed of.
    pub fn retire(&self, freed: Freed<Py<Generation>>) {
        if freed.is_empty() {
            return;
        }
        // Here, outside the lock: dropping the last reference may run Python code.
        Python::attach(|py| {
            for generation in &freed.dropped {
                let _ = generation.get().let_go(py);
            }
        });
        drop(freed);
        self.command(Command::Dispose);
    }

    /// Whether something is loaded under a name that was never live. (A live module has its facade
    /// before it stands in `sys.modules`, so `sys.modules` is asked first.)
    #[inline]
    pub fn has_foreign(&self, py: Python<'_>, name: &Bound<'_, PyString>) -> PyResult<bool> {
        Ok(self.sys_modules.bind(py).contains(name)? && !self.facades.bind(py).contains(name)?)
    }

    /// The directory that a path entry means, if files under it can be live.
    pub fn entry(&self, entry: &str) -> Option<PathBuf> {
        let key = if entry.is_empty() { "." } else { entry };
        let absolute = key.starts_with('/');
        if absolute && let Some(known) = self.entries.lock().get(key) {
            return known.clone();
        }
        let found = self.roots.path_under_root(&*self.system, Path::new(key));
        // A path that does not exist yet may become a link to a root.
        if absolute && (found.is_some() || self.system.metadata(Path::new(key)).is_ok()) {
            let mut entries = self.entries.lock();
            if entries.len() >= ENTRIES {
                entries.clear();
            }
            entries.insert(key.to_owned(), found.clone());
        }
        found
    }
}

/// A function as it was before Transfuse replaced it.
fn original(py: Python<'_>, module: &str, name: &str) -> PyResult<Py<PyAny>> {
    Ok(py.import(module)?.getattr(name)?.unbind())
}

fn sys_modules(py: Python<'_>) -> PyResult<Py<PyDict>> {
    let modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?;
    Ok(modules.cast_into::<PyDict>()?.unbind())
}

fn is_plain(builtins: &Bound<'_, PyModule>) -> PyResult<bool> {
    let import = builtins.getattr(intern!(builtins.py(), "__import__"))?;
    let owner = import.getattr_opt(intern!(builtins.py(), "__self__"))?;
    Ok(import.is_instance_of::<PyCFunction>() && owner.is_some_and(|owner| owner.is(builtins)))
}
