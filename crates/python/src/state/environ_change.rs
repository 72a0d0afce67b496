//! A variable of `os.environ` that a module's code set or removed.

use std::ffi::OsString;

/// `DATABASE_URL`, which was absent, to `sqlite://`. `effects/environ.rs` makes and undoes these.
#[derive(Clone, Debug)]
pub struct EnvironChange {
    pub name: OsString,
    /// Its value before; none if it was not set.
    pub original: Option<OsString>,
    /// The value that the module gave it; none if it removed it.
    pub value: Option<OsString>,
}
