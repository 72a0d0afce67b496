//! Which settings are in effect?
//!
//! Python reads and checks them (`transfuse/config/settings.py`). A change of the project's files may
//! replace them while the process runs, so each use reads them again from the runtime.

use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use pyo3::prelude::*;
use transfuse_engine::{ModuleName, Policy};

use crate::cpython::exceptions;

/// A pattern of module names, with its policy, preserved names and thread, as Python gives them.
pub type Pattern = (String, Option<String>, Vec<String>, Option<String>);

/// The settings of the modules that a pattern names.
struct ModuleRule {
    pattern: GlobMatcher,
    reload: Option<Policy>,
    preserve: Vec<String>,
    /// Whether an update runs them in the main thread.
    in_main_thread: Option<bool>,
}

/// The thread that is named by the word "main", and not the one that updates ("update").
pub fn is_main_thread(word: &str) -> bool {
    word == "main"
}

pub struct Settings {
    /// The policy of modules that say nothing.
    pub policy: Policy,
    /// `"shop.legacy.*" -> (fresh, [cache])`. The last match applies.
    modules: Vec<ModuleRule>,
    /// How many superseded generations stay warm for a rollback.
    pub keep: usize,
    /// `imp.reload` to the letter: overlay drops nothing.
    pub keep_deleted: bool,
    /// Whether a change on disk starts an update.
    pub watch: bool,
    /// How many superseded generations may still be in use when another update begins.
    pub resident: usize,
    pub time_limit: Duration,
    /// The interval of polling, if that is to replace the system's notifications.
    pub poll: Option<Duration>,
}

impl Settings {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        policy: &str,
        modules: Vec<Pattern>,
        keep: usize,
        keep_deleted: bool,
        watch: bool,
        poll: Option<f64>,
        resident: usize,
        time_limit: f64,
    ) -> PyResult<Settings> {
        let parse = |text: &str| text.parse::<Policy>().map_err(|e| exceptions::from_engine(&e));
        let modules = modules
            .into_iter()
            .map(|(pattern, reload, preserve, thread)| {
                let pattern = matcher(&pattern)?;
                let reload = reload.as_deref().map(parse).transpose()?;
                let in_main_thread = thread.as_deref().map(is_main_thread);
                Ok(ModuleRule { pattern, reload, preserve, in_main_thread })
            })
            .collect::<PyResult<Vec<_>>>()?;
        let poll = poll.map(Duration::from_secs_f64);
        let time_limit = Duration::from_secs_f64(time_limit);
        let policy = parse(policy)?;
        Ok(Settings { policy, modules, keep, keep_deleted, watch, resident, time_limit, poll })
    }

    /// The policy and the preserved names of a module.
    pub fn configured(&self, name: &ModuleName) -> (Policy, Vec<String>) {
        let mut policy = self.policy;
        let mut preserve = Vec::new();
        for rule in self.matching(name) {
            policy = rule.reload.unwrap_or(policy);
            preserve.clone_from(&rule.preserve);
        }
        (policy, preserve)
    }

    /// Whether an update runs a module in the main thread.
    pub fn in_main_thread(&self, name: &ModuleName) -> bool {
        self.matching(name).filter_map(|rule| rule.in_main_thread).last().unwrap_or(false)
    }

    fn matching(&self, name: &ModuleName) -> impl Iterator<Item = &ModuleRule> {
        self.modules.iter().filter(|rule| rule.pattern.is_match(name.as_str()))
    }
}

/// A matcher of module names, in which `*` stands for any run of characters and all others for
/// themselves.
fn matcher(pattern: &str) -> PyResult<GlobMatcher> {
    let mut glob = pattern.split('*').map(globset::escape).collect::<Vec<_>>().join("*");
    // To a glob, `**` would mean folders.
    while glob.contains("**") {
        glob = glob.replace("**", "*");
    }
    let glob = GlobBuilder::new(&glob).backslash_escape(false).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|e| exceptions::misuse(&e.to_string()))
}
