//! What is a module called? A dotted name, and how names relate: parent, tail, relative imports.
//!
//! A *name* is always dotted (`shop.conf`), a *path* always a file; the two never share a type.
//! Parts need not be identifiers, because `importlib.import_module("my-plugin")` is ordinary
//! Python. `roots` and `locate` map names to files.

use super::EngineError;
use std::{fmt, sync::Arc};

/// A dotted module name without empty parts. Cloning it counts a reference.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleName(
    /// `"shop.web.views"`; shared by every graph, plan and cache entry that refers to the module.
    Arc<str>,
);

impl ModuleName {
    /// Checks `name`.
    pub fn new(name: &str) -> Result<ModuleName, EngineError> {
        if name.split('.').any(str::is_empty) {
            return Err(EngineError::BadName { name: name.to_owned() });
        }
        Ok(ModuleName(Arc::from(name)))
    }

    /// The whole name: `"shop.web.views"`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The package it lies in: `shop.web` of `shop.web.views`; none for `shop`.
    pub fn parent(&self) -> Option<ModuleName> {
        self.0.rsplit_once('.').map(|(parent, _)| ModuleName(Arc::from(parent)))
    }

    /// The last part: `"views"`.
    pub fn tail(&self) -> &str {
        self.0.rsplit_once('.').map_or(&*self.0, |(_, tail)| tail)
    }

    /// The first part: `"shop"`.
    pub fn top(&self) -> &str {
        self.0.split_once('.').map_or(&*self.0, |(top, _)| top)
    }

    /// The name of a submodule: `shop` joined with `conf` is `shop.conf`.
    ///
    /// `tail` must have no empty part; a part of a [`ModuleName`] or of a file's name never has.
    pub fn join(&self, tail: &str) -> ModuleName {
        debug_assert!(!tail.split('.').any(str::is_empty), "{tail:?} has an empty part");
        ModuleName(Arc::from(format!("{}.{tail}", self.0)))
    }

    /// The module that `from <level dots><name> import ...` in `package` refers to, as
    /// `importlib._bootstrap._resolve_name`.
    pub fn resolve_relative(
        package: &str,
        level: usize,
        name: &str,
    ) -> Result<ModuleName, EngineError> {
        if level == 0 {
            return ModuleName::new(name);
        }
        if package.is_empty() {
            return Err(EngineError::NoPackage);
        }
        let mut base = package;
        for _ in 1..level {
            base = base
                .rsplit_once('.')
                .ok_or_else(|| EngineError::BeyondTop { package: package.to_owned(), level })?
                .0;
        }
        if name.is_empty() {
            return ModuleName::new(base);
        }
        ModuleName::new(&format!("{base}.{name}"))
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
