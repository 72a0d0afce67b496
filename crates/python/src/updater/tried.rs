//! Which content was tried already, so that no update is made of it again?

use std::{path::Path, path::PathBuf, sync::Arc};

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
    /// The content of the last update that was refused here or by other workers. No automatic update
    /// tries it again.
    refused: Option<Content>,
    /// Whether that content was refused, and does not only wait for a restart.
    is_refusal: bool,
    /// The content that the last update has left for a restart, if nothing else differs. Another try
    /// would make a generation that answers as this one. With the settings in force, because with
    /// others the change may be made in place after all.
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

    /// Of what others have refused, this waits in them for a restart.
    pub fn waits_in_others(&mut self, waiting: &[PathBuf], settings: Arc<Settings>) {
        let Some(content) = self.refused.take() else { return };
        self.publish(content.clone(), waiting, settings);
        let waits = self.waits.as_ref().map_or(0, |(waits, _)| waits.len());
        self.is_refusal = waits < content.len();
        self.refused = Some(content);
    }

    /// Nothing waits any more.
    pub fn nothing_waits(&mut self) {
        self.waits = None;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Tried::default();
    }

    /// Is this exactly the content that waits for a restart, by these settings?
    pub fn waits(&self, content: &Content, settings: &Arc<Settings>) -> bool {
        let waits = self.waits.as_ref();
        waits.is_some_and(|(waits, by)| waits == content && Arc::ptr_eq(by, settings))
    }

    /// Was this refused?
    pub fn is_refused(&self, content: &Content) -> bool {
        self.refused.as_ref() == Some(content)
    }

    /// Is this file among the content that is not tried again?
    pub fn has(&self, path: &Path) -> bool {
        self.refused.iter().flatten().any(|(tried, _)| tried == path)
    }

    /// The refused content; empty if there is none.
    pub fn refusal(&self) -> &[(PathBuf, Option<Digest>)] {
        self.refused.as_deref().filter(|_| self.is_refusal).unwrap_or_default()
    }

    /// Keeps only the content that waits, of a change that was refused.
    pub fn keep_waiting(&mut self) {
        self.refused = self.waits.as_ref().map(|(waits, _)| waits.clone());
        self.is_refusal = false;
    }
}
