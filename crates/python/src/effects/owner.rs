//! Which containers belong to one module in a snapshot of states?
//!
//! The lists that `effects/state_snapshot.rs` fills and compares, and `effects/place.rs` reads.

use pyo3::prelude::*;
use transfuse_engine::ModuleName;

use crate::cpython::address_map::Pointer;
use crate::effects::container::Kind;
use crate::state::live_module::LiveModule;

/// One container, as it was when it was last looked at.
pub struct Container {
    pub object: Pointer,
    pub kind: Kind,
    /// Where its contents are in `Owner::contents`.
    pub from: u32,
    pub len: u32,
    /// The dict whose version tells whether it has changed; null where there is no such thing.
    pub dict: Pointer,
    /// The hidden state, or the version of a dict where there is such a thing.
    pub stamp: u64,
    /// The container that led to it, by its place in the list (the namespace: itself).
    pub parent: u32,
}

/// A module, and the containers that belong to it.
pub struct Owner {
    pub instance: Py<LiveModule>,
    /// The imports of its module-level code, by index once that is known.
    pub imports: Vec<Link>,
    pub containers: Vec<Container>,
    /// The former contents of the containers, each a strong reference (null: no key).
    pub contents: Vec<Pointer>,
    /// Whether there was more of it than is looked at.
    pub incomplete: bool,
}

#[derive(Clone)]
pub enum Link {
    Named(ModuleName),
    Known(usize),
}
