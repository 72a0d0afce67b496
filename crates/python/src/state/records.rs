//! Which facts about loaded modules and updates are recorded behind one lock?
//!
//! `effects/dependencies.rs` adds edges, and `update` reads them to plan.

use std::time::{Duration, SystemTime};
use std::{collections::BTreeSet, collections::HashMap, collections::HashSet, path::PathBuf};

use pyo3::{prelude::*, types::PyDict, types::PyList, types::PyWeakrefReference};
use transfuse_engine::{
    Cause, DependencyGraph, Digest, GenerationId, History, ModuleName, Outcome, Record, Restart,
};

use crate::state::live_module::LiveModule;

/// The live modules that executed import statements of a module have named, at module level and in
/// functions. An import statement that names any other live module has never been executed, and neither
/// has the code after it.
pub struct Statements {
    source: Option<Digest>,
    /// Whether code of another source may have come further, and kept something.
    several_sources: bool,
    named: HashSet<ModuleName>,
}

impl Statements {
    pub fn of(source: Option<Digest>) -> Statements {
        Statements { source, several_sources: source.is_none(), named: HashSet::new() }
    }

    /// The module runs from this source.
    pub fn run_from(&mut self, source: Option<Digest>) {
        self.several_sources |= source != self.source;
    }

    pub fn add(&mut self, named: &ModuleName) {
        if !self.named.contains(named) {
            self.named.insert(named.clone());
        }
    }

    /// These modules; none if code of several sources was executed, so that they prove nothing.
    pub fn named(&self) -> Option<impl Iterator<Item = &ModuleName>> {
        (!self.several_sources).then(|| self.named.iter())
    }
}

/// The records that updates and units of work share. Held for a moment at a time.
#[derive(Default)]
pub struct Records {
    /// The imports between the modules of the current generation.
    pub graph: DependencyGraph,
    /// Superseded instances whose `__dispose__` has not been called yet.
    pub awaiting: Vec<Py<LiveModule>>,
    /// Source or data file -> the modules that were loaded from it, `/srv/shop/conf.py ->
    /// {shop.conf}`. Names stay when modules move elsewhere, so a look-up has to check the
    /// instance.
    pub files: HashMap<PathBuf, BTreeSet<ModuleName>>,
    /// File -> the modules of which a function has read it and may keep what it has read,
    /// `/srv/shop/rates.json -> {shop.conf}`. Entries never leave.
    pub read_by_functions: HashMap<PathBuf, BTreeSet<ModuleName>>,
    /// Module -> what its import statements have named. Entries never leave.
    pub statements: HashMap<ModuleName, Statements>,
    /// Files that functions of the program write, and files and folders that they rename or remove: what they
    /// keep of one is newer than the file. Entries leave all at once, when there are some thousands.
    pub written_by_functions: HashSet<PathBuf>,
    /// Compiled module under a root -> its name, `/srv/shop/_speed.so -> shop._speed`, for those
    /// that were imported. Entries never leave.
    pub extensions: HashMap<PathBuf, ModuleName>,
    /// Live source that a loader of other code keeps to itself -> the module's name and the
    /// loader's type, `/srv/shop/db.py -> (shop.db, apm.Loader)`. Entries never leave.
    pub foreign_loaders: HashMap<PathBuf, (ModuleName, String)>,
    /// Live source that loaders of other code compile in their own way, so that it need not be Python.
    /// Entries never leave.
    pub compiled_by_others: HashSet<PathBuf>,
    /// Module -> the hooks that its import has used up (`loading/post_import_hooks.rs`).
    pub post_import_hooks: HashMap<ModuleName, Py<PyList>>,
    /// Modules that foreign registries refuse a second time -> why, until a restart.
    pub held: HashMap<ModuleName, String>,
    /// Module -> how long its code ran the last time (`state/run_times.rs`). Entries never leave.
    pub took: HashMap<ModuleName, Duration>,
    /// Changes that wait for a restart, as of the last update.
    pub waiting: Vec<Restart>,
    pub history: History,
    pub published: u64,
    pub refused: u64,
    /// The report of the last update, if it was refused.
    pub failing: Option<Py<PyDict>>,
    /// Packages that failed to load: when they are loaded after all, those of their submodules that
    /// are loaded already are their attributes. Entries never leave.
    pub failed: HashSet<ModuleName>,
    /// Module -> the foreign functions that have looked it up, as the names of their modules and their
    /// qualified names: `shop.pay -> {(werkzeug.utils, import_string)}`. Entries never leave.
    pub looked_up_by: HashMap<ModuleName, BTreeSet<(String, String)>>,
    /// Those of these modules that foreign code imported by a call, with a name, and how many updates may
    /// look in vain for what it keeps of them. Entries never leave.
    pub imported_by_foreign: HashMap<ModuleName, u8>,
    /// Modules whose startup met state of others, see `update/startup_conflicts.rs`:
    /// `(shop.web, shop.jobs)`. Entries never leave.
    pub met_by_startups: HashSet<(ModuleName, ModuleName)>,
    /// Weak references to superseded instances. Those that are dead leave with the next update.
    pub superseded: Vec<Py<PyWeakrefReference>>,
    /// The same for instances that were staged in vain.
    pub given_up: Vec<Py<PyWeakrefReference>>,
    /// Executions that no generation has any more (`LiveModule::started`) -> how often it was tried
    /// to collect them. Written by the updating thread.
    pub collected: HashMap<u64, u8>,
}

impl Records {
    /// Those of a process whose first generation is this one.
    pub fn starting(first: GenerationId) -> Records {
        let mut records = Records::default();
        records.history.push(Record {
            at: SystemTime::now(),
            until: None,
            partial: false,
            cause: Cause::Start,
            back_to: None,
            generation: first,
            outcome: Outcome::Started,
            changed: Vec::new(),
            ran: Vec::new(),
            took: Duration::ZERO,
            error: None,
        });
        records
    }

    /// An instance belongs to the current generation from now on.
    pub fn adopt(&mut self, instance: &LiveModule) {
        self.graph.set_edges(&instance.name, instance.edges());
        if let Some(path) = &instance.path {
            self.files.entry(path.clone()).or_default().insert(instance.name.clone());
        }
    }
}
