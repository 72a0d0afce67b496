//! Which modules import a module, change its state, or read a file?
//!
//! The binding records edges as imports happen. The graph keeps both directions, so that a query
//! about one module costs as much as its answer is long (P12). It is a persistent map: cloning a
//! generation's graph is free, and it shares what it has in common with the next one. `plan`
//! decides what follows from an edge.

use crate::base::ModuleName;
use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};
use std::path::{Path, PathBuf};

/// How a module depends on a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeKind {
    /// The source imported the target while its module-level code ran.
    ModuleLevel,
    /// The same, but the source took only submodules of the target, and names that the target imported
    /// itself. It has further edges to the modules that define those.
    Through,
    /// A function of the source imported the target when it was called.
    Deferred,
    /// The source declares a lazy import of the target (PEP 810). Once that is used and what it gave is
    /// bound, there is a `ModuleLevel` edge, too.
    Lazy,
    /// Annotations of the source mention a lazy import of the target. Python evaluates them when they are
    /// first asked for, and keeps the result (PEP 649).
    Annotation,
    /// The source tried to import the target, which did not exist.
    NotFound,
    /// Running the source changes the target's state: a handler in its registry, a route on its
    /// app.
    Affects,
    /// The source read the target, a data file, while it was being imported.
    Data,
}

impl EdgeKind {
    /// Whether module-level code of the source imported the target.
    pub fn is_import(self) -> bool {
        matches!(self, EdgeKind::ModuleLevel | EdgeKind::Through)
    }
}

/// The end of an edge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A module, found or not.
    Module(ModuleName),
    /// A data file, absolute.
    File(PathBuf),
}

/// An edge, without the module it starts at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// The end.
    pub to: Target,
    /// The kind of dependency.
    pub kind: EdgeKind,
}

/// The edges of one generation, both ways. Cloning it counts references.
#[derive(Clone, Debug, Default)]
pub struct DependencyGraph {
    /// `shop.web` to `(shop.conf, ModuleLevel)`, ...: an entry as long as it has edges.
    out: RedBlackTreeMapSync<ModuleName, RedBlackTreeSetSync<Edge>>,
    /// `shop.conf` to `(shop.web, ModuleLevel)`, ...: the reverse of `out`, for modules.
    importers: RedBlackTreeMapSync<ModuleName, RedBlackTreeSetSync<(ModuleName, EdgeKind)>>,
    /// `/srv/shop/rates.csv` to `shop.prices`, ...: the reverse of `out`, for files.
    readers: RedBlackTreeMapSync<PathBuf, RedBlackTreeSetSync<ModuleName>>,
}

impl DependencyGraph {
    /// Replaces all edges that start at `from`. Edges that lead to it stay.
    pub fn set_edges(&mut self, from: &ModuleName, edges: Vec<Edge>) {
        self.remove(from);
        for edge in edges {
            self.add(from, edge);
        }
    }

    /// Adds one edge that starts at `from`.
    pub fn add(&mut self, from: &ModuleName, edge: Edge) {
        match &edge.to {
            Target::Module(to) => insert(&mut self.importers, to, (from.clone(), edge.kind)),
            Target::File(to) => insert(&mut self.readers, to, from.clone()),
        }
        insert(&mut self.out, from, edge);
    }

    /// Removes all edges that start at `from`. Edges that lead to it stay: those modules still
    /// import it.
    pub fn remove(&mut self, from: &ModuleName) {
        let Some(edges) = self.out.get(from).cloned() else { return };
        self.out.remove_mut(from);
        for edge in &edges {
            match &edge.to {
                Target::Module(to) => discard(&mut self.importers, to, &(from.clone(), edge.kind)),
                Target::File(to) => discard(&mut self.readers, to, from),
            }
        }
    }

    /// The edges that lead to the module `to`: their start and kind, by name.
    pub fn importers(&self, to: &ModuleName) -> impl Iterator<Item = (&ModuleName, EdgeKind)> {
        self.importers.get(to).into_iter().flatten().map(|(from, kind)| (from, *kind))
    }

    /// The modules that read the file `to` while they were being imported.
    pub fn readers(&self, to: &Path) -> impl Iterator<Item = &ModuleName> {
        self.readers.get(to).into_iter().flatten()
    }

    /// The edges that start at `from`, by target.
    pub fn edges_of(&self, from: &ModuleName) -> impl Iterator<Item = &Edge> {
        self.out.get(from).into_iter().flatten()
    }

    /// The modules that have edges, by name.
    #[cfg(feature = "testing")]
    pub fn modules(&self) -> impl Iterator<Item = &ModuleName> {
        self.out.keys()
    }
}

fn insert<K: Ord + Clone, V: Ord + Clone>(
    map: &mut RedBlackTreeMapSync<K, RedBlackTreeSetSync<V>>,
    key: &K,
    value: V,
) {
    match map.get_mut(key) {
        Some(values) => {
            values.insert_mut(value);
        }
        None => {
            let mut values = RedBlackTreeSetSync::new_sync();
            values.insert_mut(value);
            map.insert_mut(key.clone(), values);
        }
    }
}

fn discard<K: Ord + Clone, V: Ord + Clone>(
    map: &mut RedBlackTreeMapSync<K, RedBlackTreeSetSync<V>>,
    key: &K,
    value: &V,
) {
    let Some(values) = map.get_mut(key) else { return };
    values.remove_mut(value);
    if values.is_empty() {
        map.remove_mut(key);
    }
}
