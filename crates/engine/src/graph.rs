//! Who imports whom, who changes whose state, who reads which file?
//!
//! Edges are recorded by whoever runs modules, as imports happen; the graph keeps both directions,
//! so that a question about one module costs what its answer is long (P12). It is a persistent map
//! inside: a generation's graph can be cloned for nothing and shares what it has in common with the
//! next. What follows from an edge is decided in `plan`.

use crate::ModuleName;
use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};
use std::path::{Path, PathBuf};

/// What an edge says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeKind {
    /// The source imported the target while its module-level code ran.
    ModuleLevel,
    /// A function of the source imported the target when it was called.
    Deferred,
    /// The source asked for the target and it was not there.
    NotFound,
    /// Running the source changes the target's state: a handler in its registry, a route on its
    /// app.
    Affects,
    /// The source read the target, a data file, while it was being imported.
    Data,
}

/// What an edge leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A module, found or not.
    Module(ModuleName),
    /// A data file, absolute.
    File(PathBuf),
}

/// An edge, seen from the module it starts at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// Where it leads.
    pub to: Target,
    /// What it says.
    pub kind: EdgeKind,
}

impl Edge {
    /// An edge to a module.
    pub fn module(to: ModuleName, kind: EdgeKind) -> Edge {
        Edge { to: Target::Module(to), kind }
    }

    /// An edge to a data file.
    pub fn data(to: impl Into<PathBuf>) -> Edge {
        Edge { to: Target::File(to.into()), kind: EdgeKind::Data }
    }
}

/// The edges of one generation, both ways. Cloning it counts references.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// `shop.web` to `(shop.conf, ModuleLevel)`, ...: an entry as long as it has edges.
    out: RedBlackTreeMapSync<ModuleName, RedBlackTreeSetSync<Edge>>,
    /// `shop.conf` to `(shop.web, ModuleLevel)`, ...: `out` turned around, module targets.
    importers: RedBlackTreeMapSync<ModuleName, RedBlackTreeSetSync<(ModuleName, EdgeKind)>>,
    /// `/srv/shop/rates.csv` to `shop.prices`, ...: `out` turned around, file targets.
    readers: RedBlackTreeMapSync<PathBuf, RedBlackTreeSetSync<ModuleName>>,
}

impl Graph {
    /// A graph without edges.
    pub fn new() -> Graph {
        Graph::default()
    }

    /// Replaces all edges that start at `from`. What others say of it stays.
    pub fn set_out(&mut self, from: &ModuleName, edges: Vec<Edge>) {
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

    /// Takes away all edges that start at `from`. What others say of it stays: they still import
    /// it.
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

    /// The edges that lead to the module `to`: where each starts and what it says, by name.
    pub fn importers(&self, to: &ModuleName) -> impl Iterator<Item = (&ModuleName, EdgeKind)> {
        self.importers.get(to).into_iter().flatten().map(|(from, kind)| (from, *kind))
    }

    /// The modules that read the file `to` while they were being imported.
    pub fn readers(&self, to: &Path) -> impl Iterator<Item = &ModuleName> {
        self.readers.get(to).into_iter().flatten()
    }

    /// The edges that start at `from`, by target.
    pub fn out(&self, from: &ModuleName) -> impl Iterator<Item = &Edge> {
        self.out.get(from).into_iter().flatten()
    }

    /// The modules that edges start at, by name.
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
