//! Why is a module in a plan, or why does the plan need a restart?
//!
//! `transfuse plan`, the log and the page print these reasons; no decision depends on them. Of
//! several reasons, a module has the simplest.

use crate::base::ModuleName;
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
    /// Its own source changed.
    Changed,
    /// Its source did not exist before.
    Created,
    /// Its source does not exist any more.
    Deleted,
    /// The program called `reload` with it.
    Asked,
    /// It imports that module, which runs.
    Imports(ModuleName),
    /// A function of it imported that module, and it kept an object of it.
    Retains(ModuleName),
    /// That module runs and changes its state.
    AffectedBy(ModuleName),
    /// It changes the state of that module, which runs.
    Affects(ModuleName),
    /// It tried to import that module, which exists now.
    Missed(ModuleName),
    /// It took its fallback because that module could not be loaded, and now that module's source
    /// changed.
    FallbackTaken(ModuleName),
    /// It read that file, which has changed.
    Reads(PathBuf),
    /// The update failed without it.
    Widened,
}

impl Reason {
    /// Whether the source of the module itself is new.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Reason::Changed | Reason::Created | Reason::Deleted | Reason::Asked)
    }

    /// How simple it is for a reader of the plan, the simplest first.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Reason::Changed | Reason::Created | Reason::Deleted | Reason::Asked => 0,
            Reason::Missed(_) | Reason::FallbackTaken(_) | Reason::Reads(_) => 1,
            Reason::Imports(_) => 2,
            Reason::Retains(_) => 3,
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
            Reason::Retains(name) => write!(f, "keeps an object of {name}"),
            Reason::AffectedBy(name) => write!(f, "is changed by {name} when that runs"),
            Reason::Affects(name) => write!(f, "changes {name} when it runs"),
            Reason::Missed(name) => write!(f, "looked for {name}, which exists now"),
            Reason::FallbackTaken(name) => write!(f, "went on without {name}, which has changed"),
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
    /// The kind of change, for programs.
    pub code: RestartCode,
    /// The change and the remedy, for people.
    pub what: String,
    /// The file that keeps its old content until then, if it is not the module's own.
    pub path: Option<PathBuf>,
}

/// The kind of change that needs a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RestartCode {
    /// A module whose policy is `never`.
    NeverPolicy,
    /// An extension module.
    Extension,
    /// A live file that a loader of other code keeps to itself.
    ForeignLoader,
    /// The project's requirements changed.
    Requirement,
    /// A setting of Transfuse that is read only once.
    Setting,
}

impl RestartCode {
    const ALL: [RestartCode; 5] = [
        RestartCode::NeverPolicy,
        RestartCode::Extension,
        RestartCode::ForeignLoader,
        RestartCode::Requirement,
        RestartCode::Setting,
    ];

    /// The one that is displayed as `word`, as another process of this release sends it.
    pub fn parse(word: &str) -> Option<RestartCode> {
        RestartCode::ALL.into_iter().find(|code| code.to_string() == word)
    }
}

impl fmt::Display for RestartCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RestartCode::NeverPolicy => "never-policy",
            RestartCode::Extension => "extension",
            RestartCode::ForeignLoader => "foreign-loader",
            RestartCode::Requirement => "requirement",
            RestartCode::Setting => "setting",
        })
    }
}
