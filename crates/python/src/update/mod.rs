//! TODO

pub mod concurrent_loads;
pub mod disposal;
pub mod lingering;
pub mod participants;
pub mod pipeline;
pub mod planning;
pub mod project_files;
pub mod report;
pub mod rerun;
pub mod seeds;
pub mod staged_update;
