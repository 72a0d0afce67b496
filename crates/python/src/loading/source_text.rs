//! Where is the text of a source, once its file may have changed?
//!
//! In the generation's store, or on disk while the digest is still the same.

use std::{path::Path, sync::Arc};

use pyo3::prelude::*;
use transfuse_engine::Source;

use crate::{cpython::exceptions, state::scope::Scope};

/// The source that the generation names: from the store, or from disk if that is still the same.
pub fn text(scope: &Scope<'_>, source: &Arc<Source>, path: &Path) -> PyResult<Vec<u8>> {
    let found = scope.py.detach(|| source.text_or_read(&*scope.runtime.system, path));
    found.ok_or_else(|| {
        exceptions::content_gone(&format!(
            "{} has changed since generation {} and its content was not kept (the store of \
             sources is full); finish this work on newer code, or raise the store's limit",
            path.display(),
            scope.generation.get().id
        ))
    })
}
