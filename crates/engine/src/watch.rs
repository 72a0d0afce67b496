//! Who tells us that something may have happened? One of three watchers, behind one type.
//!
//! The native one (`native`, the system's own notifications), the polling one (`poll`, where those
//! do not work: network file systems, some containers), or none, where updates are asked for. Each
//! sends [`Event`]s into a channel until it is dropped; to make batches of them is for `settle`.
//!
//! Each begins with [`Event::Rescan`]: what happened between the scan and the first watch was seen
//! by nobody.

use crate::{EngineError, Event, Roots, System, native::Native, outbox::Outbox, poll::Poll};
use crossbeam_channel::Sender;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// A watcher. It stops when it is dropped.
#[derive(Debug)]
pub struct Watch(Inner);

#[derive(Debug)]
enum Inner {
    /// The system tells.
    Native(Native),
    /// A thread looks.
    Polling {
        /// Kept for its drop, which stops the thread.
        _poll: Poll,
    },
    /// Nobody tells.
    None,
}

impl Watch {
    /// Lets the system tell about the files in each of `dirs` (not below them: name those too).
    pub fn native(dirs: &[PathBuf], sender: Sender<Event>) -> Result<Watch, EngineError> {
        Native::start(dirs, Outbox::new(sender)).map(|native| Watch(Inner::Native(native)))
    }

    /// Looks at all files under `roots` every `interval`, on a thread of its own.
    pub fn polling(
        system: Arc<dyn System>,
        roots: Roots,
        interval: Duration,
        sender: Sender<Event>,
    ) -> Watch {
        Watch(Inner::Polling { _poll: Poll::start(system, roots, interval, Outbox::new(sender)) })
    }

    /// Tells nothing.
    pub fn none() -> Watch {
        Watch(Inner::None)
    }

    /// Watches `dir` too. Where that is news, [`Event::Dir`] follows, because files may have been
    /// put into it before it was watched. A directory that is gone again is no error.
    pub fn add(&self, dir: &Path) -> Result<(), EngineError> {
        match &self.0 {
            Inner::Native(native) => native.add(dir),
            Inner::Polling { .. } | Inner::None => Ok(()),
        }
    }

    /// Tells what happens at `place`, whatever its name is, by this name: a link, or what one leads
    /// to. Its directory must be spelled without links. Who polls looks behind links anyway.
    pub fn mind(&self, place: &Path) -> Result<(), EngineError> {
        match &self.0 {
            Inner::Native(native) => native.mind(place),
            Inner::Polling { .. } | Inner::None => Ok(()),
        }
    }
}
