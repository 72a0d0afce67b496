//! What decides in Transfuse, in pure Rust: no Python, no HTTP, no async runtime.
//!
//! This file is a map. The parts, in reading order:
//!
//! 1. words: [`ModuleName`], [`Digest`], [`EngineError`];
//! 2. the one door to the operating system: [`System`], with [`Disk`] and [`Memory`] behind it;
//! 3. what is live: [`Roots`], and what a generation knows of it: [`Source`], [`View`];
//! 4. how that comes to be: [`scan`] once, [`refresh`] afterwards (`ends`: was it all of one release), [`locate`] for one import;
//! 5. when it is looked at again: [`Watch`] sends [`Event`]s (`outbox`: how many wait; [`Ways`] says what they mean behind links), [`Settle`]
//!    makes a [`Batch`] of them;
//! 6. what has to run: [`Graph`], then [`plan`], a pure function;
//! 7. what is alive: [`Generations`] and what they hold ([`Register`]), [`Flights`], [`History`];
//! 8. what stops when the process forks: who is [`busy`].
//!
//! Nothing in here asks for the time, and only `watch` and `poll` start a thread.

mod digest;
mod ends;
mod error;
mod event;
mod flight;
mod generations;
mod graph;
mod history;
mod ignored;
mod locate;
mod memory;
mod name;
mod native;
mod order;
mod outbox;
mod plan;
mod poll;
mod reason;
mod refresh;
mod register;
mod roots;
mod scan;
mod settle;
mod source;
mod standstill;
mod sync;
mod system;
mod view;
mod walk;
mod watch;
mod way;

pub use digest::Digest;
pub use error::EngineError;
pub use event::Event;
pub use flight::{Entered, Flights, Waited, Waiting};
pub use generations::{GenerationId, Generations, Retirement, State};
pub use graph::{Edge, EdgeKind, Graph, Target};
pub use history::{History, Outcome, Record};
pub use locate::{Located, locate};
pub use memory::Memory;
pub use name::ModuleName;
pub use plan::{Facts, Plan, Policy, plan};
pub use reason::{Reason, Restart, RestartCode, Step};
pub use refresh::{Refreshed, is_as_known, refresh};
pub use register::{Freed, Register};
pub use roots::{Roots, is_source};
pub use scan::{Scan, scan};
pub use settle::{Batch, Settle, Settled, Window};
pub use source::{Budget, Source};
pub use standstill::{Busy, alone, busy, go_on, stand_still};
pub use system::{Disk, Kind, Stat, System};
pub use view::{Change, ChangeKind, View};
pub use watch::Watch;
pub use way::{Ways, way};
