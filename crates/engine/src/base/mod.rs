//! The words that every folder uses: names, digests, errors.

mod digest;
mod error;
mod module_name;

pub use digest::Digest;
pub use error::EngineError;
pub use module_name::ModuleName;
