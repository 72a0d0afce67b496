//! What did the user ask for?
//!
//! They are read and checked in Python (`transfuse/config`). A change in the project's files may
//! replace them while the process runs, so no code keeps them.

use std::time::Duration;

use pyo3::prelude::*;
use transfuse_engine::{ModuleName, Policy};

use crate::cpython::exceptions;

/// A pattern of module names, with its policy and preserved names, as Python gives them.
pub type Pattern = (String, Option<String>, Vec<String>);

/// The settings that hold now.
pub struct Settings {
    /// The policy of modules that say nothing.
    pub policy: Policy,
    /// Pattern -> policy and preserved names, `"shop.legacy.*" -> (fresh, [cache])`.
    pub modules: Vec<(String, Option<Policy>, Vec<String>)>,
    /// How many superseded generations stay warm for a rollback.
    pub keep: usize,
    /// `imp.reload` to the letter: overlay drops nothing.
    pub keep_deleted: bool,
    /// Whether a change on disk leads to an update by itself.
    pub watch: bool,
    /// How many superseded generations may still be in use when another update begins.
    pub resident: usize,
    /// How long the code of one update may run.
    pub time_limit: Duration,
    /// Compare by polling, this often, instead of waiting for events of the system.
    pub poll: Option<Duration>,
}

impl Settings {
    /// Settings as Python gives them.
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
            .map(|(pattern, reload, names)| {
                Ok((pattern, reload.as_deref().map(parse).transpose()?, names))
            })
            .collect::<PyResult<Vec<_>>>()?;
        let poll = poll.map(Duration::from_secs_f64);
        let time_limit = Duration::from_secs_f64(time_limit);
        let policy = parse(policy)?;
        Ok(Settings { policy, modules, keep, keep_deleted, watch, resident, time_limit, poll })
    }

    /// A module's policy and preserved names.
    pub fn configured(&self, name: &ModuleName) -> (Policy, Vec<String>) {
        let mut policy = self.policy;
        let mut preserve = Vec::new();
        for (pattern, reload, names) in &self.modules {
            if matches(pattern, name.as_str()) {
                policy = reload.unwrap_or(policy);
                preserve.clone_from(names);
            }
        }
        (policy, preserve)
    }
}

/// Whether a settings pattern names the module: `*` stands for any run of characters.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|tail| {
            (0..=tail.len()).any(|at| tail.is_char_boundary(at) && matches(rest, &tail[at..]))
        }),
    }
}
