//! Which content was tried already, so that no update is made of it again?

use std::{path::PathBuf, sync::Arc};

use transfuse_engine::{Digest, FileChange, SourceSnapshot};

use crate::state::settings::Settings;

/// `[(/srv/shop/tax.py, its digest)]`: changed files; none: it was deleted.
pub type Content = Vec<(PathBuf, Option<Digest>)>;

/// The changed files with their content in `snapshot`.
pub fn content_of(snapshot: &SourceSnapshot, changes: &[FileChange]) -> Content {
    let digest = |path: &PathBuf| snapshot.get(path).map(|source| source.digest());
    changes.iter().map(|change| (change.path.clone(), digest(&change.path))).collect()
}

#[derive(Default)]
pub struct Tried {
    /// What the last refused update would have served, or what other workers have refused. No automatic
    /// update tries it again.
    refused: Option<Content>,
    /// Whether that was refused, and does not only wait for a restart.
    is_refusal: bool,
    /// What the last update has left for a restart, and nothing else: tried again it would make a
    /// generation that answers as this one. With the settings in force, because by others it may change
    /// in place after all.
    waits: Option<(Content, Arc<Settings>)>,
}

impl Tried {
    /// This was refused.
    pub fn refuse(&mut self, content: Content) {
        self.refused = Some(content);
        self.is_refusal = true;
    }

    /// An update of this was published, apart from these files, which wait for a restart.
    pub fn publish(&mut self, content: Content, held_back: &[PathBuf], settings: Arc<Settings>) {
        let mut waits = content.clone();
        waits.retain(|(path, _)| held_back.contains(path));
        self.refused = (!held_back.is_empty()).then_some(content);
        self.is_refusal = false;
        self.waits = (!waits.is_empty()).then_some((waits, settings));
    }

    /// Nothing waits any more.
    pub fn nothing_waits(&mut self) {
        self.waits = None;
    }

    /// Nothing is left of it.
    pub fn clear(&mut self) {
        *self = Tried::default();
    }

    /// Is this what waits for a restart, by these settings, and nothing else?
    pub fn waits(&self, content: &Content, settings: &Arc<Settings>) -> bool {
        let waits = self.waits.as_ref();
        waits.is_some_and(|(waits, by)| waits == content && Arc::ptr_eq(by, settings))
    }

    /// Was this refused?
    pub fn is_refused(&self, content: &Content) -> bool {
        self.refused.as_ref() == Some(content)
    }

    /// What was refused; empty if nothing was.
    pub fn refusal(&self) -> &[(PathBuf, Option<Digest>)] {
        self.refused.as_deref().filter(|_| self.is_refusal).unwrap_or_default()
    }

    /// Only what waits is left, of a change that was refused.
    pub fn keep_waiting(&mut self) {
        self.refused = self.waits.as_ref().map(|(waits, _)| waits.clone());
        self.is_refusal = false;
    }
}
