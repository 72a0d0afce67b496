//! One update: which modules it runs, staged, then published or given up. In reading order:

pub mod seeds;
pub mod planning;
pub mod lazy_targets;
pub mod cost;
pub mod pipeline;
pub mod staged_update;
pub mod steps;
pub mod environment;
pub mod line_cache;
pub mod widening;
pub mod beyond_imports;
pub mod concurrent_loads;
pub mod rerun;
pub mod succession;
pub mod participants;
pub mod registrations;
pub mod startup_conflicts;
pub mod disposal;
pub mod keyed_caches;
pub mod former_cycles;
pub mod lingering;
pub mod project_files;
pub mod lost_state;
pub mod report;
