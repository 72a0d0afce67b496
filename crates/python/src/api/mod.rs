//! The functions and classes of `transfuse._core`. In reading order:

pub mod last_served;
pub mod install;
pub mod fork;
pub mod functions;
pub mod files;
pub mod once;
pub mod executing;
pub mod status;
pub mod history;
pub mod referrers;
pub mod referrer_index;
pub mod handover;
pub mod leading;
pub mod foreign_holders;
pub mod meeting;
pub mod references_outside;
pub mod counted;
pub mod wsgi;
