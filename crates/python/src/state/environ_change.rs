//! A change that a module's code made to the process: to a variable of `os.environ`, or to the working directory.

use std::ffi::OsString;

/// The part of the process's state that a module changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// `DATABASE_URL`
    Variable(OsString),
    WorkingDirectory,
}

/// `DATABASE_URL`, which was absent, to `sqlite://`. `effects/environ.rs` makes and undoes these.
#[derive(Clone, Debug)]
pub struct EnvironChange {
    pub place: Place,
    /// Its value before; none if it was not set.
    pub original: Option<OsString>,
    /// The value that the module gave it; none if it removed it.
    pub value: Option<OsString>,
    /// If foreign code did it that the module called, the line of the call: `setup()`.
    pub called_by: Option<String>,
}
