//! How do changes become known? What `status` says of it.

/// How changes become known, for `status`.
#[derive(Clone, Default)]
pub struct WatchStatus {
    /// `"native"`, `"polling"`; `""` before anybody watches.
    pub way: &'static str,
    /// `"the system's limit of watched directories is reached at ..."`: why that is not what was
    /// asked for. Empty where it is.
    pub because: String,
}
