//! How does the listener hear of data that no walk comes to?
//!
//! A module may depend on files in hidden folders, in ignored ones and beside the roots, and on the
//! names in a folder. Their directories are watched one by one.

use std::path::{Path, PathBuf};

use transfuse_engine::{DependencyGraph, Event, EventKind, fork_gate, is_source};

use crate::updater::listener::ChangeListener;

impl ChangeListener {
    /// Watches data that no walk comes to, and compares it next.
    pub fn follow(&mut self, path: &Path) {
        let _critical = fork_gate::enter_critical();
        self.watcher.follow(path);
        let now = self.now();
        self.debouncer.event(now, &EventKind::Touched.at(path.to_owned()));
    }

    /// Watches all data that the current generation knows and that no walk comes to.
    pub(super) fn follow_known(&mut self) {
        let (view, runtime) = (self.runtime.view(), self.runtime);
        let data = view.iter().filter(|(path, _)| !is_source(path));
        for (path, _) in data.filter(|(path, _)| !runtime.roots.is_walked(&*runtime.system, path)) {
            self.watcher.follow(path);
        }
    }

    /// Is it about data that no walk comes to: a file that a module read, a directory that it listed?
    pub(super) fn is_followed(&mut self, event: &Event, graph: &DependencyGraph) -> bool {
        let Some(path) = event.path() else { return false };
        if event.is_of_transfer() {
            return path.parent().is_some_and(|dir| self.runtime.roots.root_of(dir).is_some());
        }
        let view = self.runtime.view();
        let served = |path: &Path| view.get(path).is_some_and(|source| source.is_served());
        let read = |path: &Path| graph.readers(path).next().is_some() || served(path);
        if matches!(event, Event::Path(EventKind::Dir, _)) {
            // It may have been made anew, with followed files in it.
            let inside: Vec<PathBuf> = view.under(path).map(|(path, _)| path.to_owned()).collect();
            for path in inside.iter().filter(|path| read(path)) {
                self.follow(path);
            }
        }
        read(path) || path.parent().is_some_and(read)
    }
}
