//! Which requests does the updating thread answer?
//!
//! `state/request.rs` sends them, `updater/driver.rs` carries them out.

use std::{collections::HashMap, path::PathBuf};

use crossbeam_channel::Sender;
use pyo3::{prelude::*, types::PyDict};
use transfuse_engine::{Cause, GenerationId, ModuleName};

/// Where the answer goes.
pub type Reply = Sender<PyResult<Py<PyDict>>>;

pub enum Command {
    /// Compare now and update.
    Update(UpdateCommand, Reply),
    /// Compare now and update, and run this module in any case.
    Reload(ModuleName, Reply),
    /// Compare now and report the plan of an update.
    Plan(Reply),
    /// Read the project's files, which have changed since the settings of this process were read.
    ReadProject(Reply),
    /// Make an earlier generation's content current.
    Rollback(RollbackCommand, Reply),
    /// Serve these contents, whatever is on disk.
    Adopt(AdoptCommand, Reply),
    /// A module depends on data that no walk comes to.
    Follow(PathBuf),
    /// The program has started: try what was refused before it did.
    Retry,
    /// A hold has ended: look at the files again.
    Released,
    /// Something has drained.
    Dispose,
    Stop,
}

impl Command {
    /// Is it a rollback, here or of another worker?
    pub fn is_rollback(&self) -> bool {
        match self {
            Command::Rollback(command, _) => !command.dry_run,
            Command::Adopt(command, _) => command.back.is_some(),
            _ => false,
        }
    }
}

pub struct UpdateCommand {
    pub cause: Cause,
    pub accept: Accept,
}

/// Which content that was set aside an update takes.
pub enum Accept {
    None,
    All,
    Of(Vec<PathBuf>),
}

impl Accept {
    /// As `SetAside::accept` has it.
    pub fn paths(&self) -> Option<&[PathBuf]> {
        match self {
            Accept::None => Some(&[]),
            Accept::All => None,
            Accept::Of(paths) => Some(paths),
        }
    }
}

#[derive(Clone, Copy)]
pub struct RollbackCommand {
    /// The generation to go back to; none: the predecessor of `from`.
    pub to: Option<GenerationId>,
    /// The generation that was served when the rollback was asked for.
    pub from: GenerationId,
    /// Whether it is refused if another generation is served by then.
    pub only_from: bool,
    /// Whether to report what it would do, and do nothing.
    pub dry_run: bool,
}

pub struct AdoptCommand {
    pub contents: SourceOverrides,
    /// The files whose content on disk is set aside.
    pub aside: Vec<PathBuf>,
    /// The rollback of another worker that they come from, if it is one: then it is of all.
    pub back: Option<BackTo>,
    /// The digests of other files than source that the rollback changes.
    pub others: HashMap<PathBuf, String>,
}

/// The number of the generation that a rollback goes back to, and when it was first served, in
/// seconds since 1970, if that is known.
pub type BackTo = (u64, Option<f64>);

/// `/srv/shop/tax.py` to its content; none: it does not exist.
pub type SourceOverrides = HashMap<PathBuf, Option<Vec<u8>>>;
