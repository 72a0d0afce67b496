//! Why is a module in a plan, or why does the plan need a restart? Words for people.
//!
//! What the planner knows and what `transfuse plan`, the log and the page print; nothing decides
//! anything by them. Of several reasons a module has the plainest.

use crate::ModuleName;
use std::{fmt, path::PathBuf};

/// One module that an update runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The module.
    pub name: ModuleName,
    /// Why it is run.
    pub reason: Reason,
}

/// Why a module is in a plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Its own source is another.
    Changed,
    /// Its source was not there before.
    Created,
    /// Its source is not there any more.
    Deleted,
    /// Somebody called `reload` with it.
    Asked,
    /// It imports that module, which runs.
    Imports(ModuleName),
    /// A function of it imported that module, and it kept something of it.
    Keeps(ModuleName),
    /// That module runs and changes its state.
    AffectedBy(ModuleName),
    /// It changes the state of that module, which runs.
    Affects(ModuleName),
    /// It asked for that module in vain, and now it is there.
    Missed(ModuleName),
    /// It went on without that module, which could not be loaded, and now its source is another.
    WentWithout(ModuleName),
    /// It read that file, which is another now.
    Reads(PathBuf),
    /// Without it the update did not load.
    Widened,
}

impl Reason {
    /// How plain it is to a person who reads the plan, the plainest first.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Reason::Changed | Reason::Created | Reason::Deleted | Reason::Asked => 0,
            Reason::Missed(_) | Reason::WentWithout(_) | Reason::Reads(_) => 1,
            Reason::Imports(_) => 2,
            Reason::Keeps(_) => 3,
            Reason::AffectedBy(_) => 4,
            Reason::Affects(_) => 5,
            Reason::Widened => 6,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Changed => write!(f, "changed"),
            Reason::Created => write!(f, "is new"),
            Reason::Deleted => write!(f, "was deleted"),
            Reason::Asked => write!(f, "was to be reloaded"),
            Reason::Imports(name) => write!(f, "imports {name}"),
            Reason::Keeps(name) => write!(f, "keeps an object of {name}"),
            Reason::AffectedBy(name) => write!(f, "is changed by {name} when that runs"),
            Reason::Affects(name) => write!(f, "changes {name} when it runs"),
            Reason::Missed(name) => write!(f, "looked for {name}, which exists now"),
            Reason::WentWithout(name) => write!(f, "went on without {name}, which has changed"),
            Reason::Reads(path) => write!(f, "reads {}", path.display()),
            Reason::Widened => write!(f, "added because the update failed without it"),
        }
    }
}

/// A change that cannot be applied to a running server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The module, or the file: `shop._speed`, `requirements.txt`.
    pub name: String,
    /// Which kind of change, for programs.
    pub code: RestartCode,
    /// What it is and what to do, for people.
    pub what: String,
    /// The file that keeps its old content until then, if it is not that of the module.
    pub path: Option<PathBuf>,
}

/// Which kind of change needs a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RestartCode {
    /// A module that says it cannot be reloaded.
    NeverPolicy,
    /// A compiled module.
    Extension,
    /// The project asks for other packages than it did.
    Requirement,
    /// A setting of Transfuse that is read once.
    Setting,
}

impl fmt::Display for RestartCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RestartCode::NeverPolicy => "never-policy",
            RestartCode::Extension => "extension",
            RestartCode::Requirement => "requirement",
            RestartCode::Setting => "setting",
        })
    }
}
