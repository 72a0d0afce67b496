//! How does Transfuse learn of changes on disk?
//!
//! Written by the updating thread (`updater/watcher.rs`), read by `status`.

#[derive(Clone, Default)]
pub struct WatchStatus {
    /// `"native"`, `"polling"`; `""` before watching begins.
    pub way: &'static str,
    /// `"the system's limit of watched directories is reached at ..."`: the reason why it is not
    /// the way that was asked for. Else empty.
    pub because: String,
}
