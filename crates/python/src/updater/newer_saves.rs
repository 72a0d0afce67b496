//! Was something saved while an update was being staged?
//!
//! The events stay where they are: an update that goes on is followed by another one.

use transfuse_engine::{
    DirtyPaths, Event, EventKind, Readiness, SourceSnapshot, fork_gate, refresh,
};

use crate::updater::listener::ChangeListener;

impl ChangeListener {
    /// Do files that are quiet by now have other content than `snapshot`?
    pub fn has_newer(&mut self, snapshot: &SourceSnapshot) -> bool {
        while let Ok(event) = self.events.try_recv() {
            self.receive(&event);
        }
        let Readiness::Ready(batch) = self.debouncer.poll(self.now()) else { return false };
        let newer = {
            let _critical = fork_gate::enter_critical();
            let runtime = self.runtime;
            let mut found =
                refresh(&*runtime.system, &runtime.roots, &runtime.budget, snapshot, &batch);
            runtime.set_aside.lock().clone().withhold(&mut found, snapshot);
            self.drop_unread_data_files(&mut found.changes);
            !found.changes.is_empty()
        };
        let now = self.now();
        match batch {
            DirtyPaths::Rescan => self.debouncer.event(now, &Event::Rescan),
            DirtyPaths::Listed(paths) => {
                for path in paths {
                    self.debouncer.event(now, &EventKind::Touched.at(path));
                }
            }
        }
        newer
    }
}
