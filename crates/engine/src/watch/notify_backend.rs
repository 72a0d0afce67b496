//! Which file events does the operating system report? By `notify`, with one watch per directory.
//!
//! One watch per directory and not a recursive one, because most of a tree may be foreign (a
//! virtual environment, `node_modules`). Directories are watched by their canonical path, because
//! the system accepts each only once: an event is sent for each of the paths that name the
//! directory. Only Linux reports that a writer closes a file; elsewhere a write counts as closed,
//! which `debounce` and `refresh` tolerate.

use super::{Event, EventKind, bounded_sender::BoundedSender, event::is_noise};
use crate::fs::{FileKind, FileSystem, OsFileSystem};
use crate::{base::EngineError, concurrency::sync::Mutex};
use notify::{
    Error, ErrorKind, EventKind as NotifyKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, CreateKind, MetadataKind, ModifyKind, RemoveKind, RenameMode},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Does the system report that a writer closes a file?
const CLOSES: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// `EMFILE`: a process, or for inotify a user, has too much open.
const TOO_MANY_OPEN: i32 = 24;

#[derive(Debug)]
pub(crate) struct NotifyBackend {
    /// Notify's own handle. A lock because adding needs exclusive access; never held together with
    /// `watched`.
    watcher: Mutex<RecommendedWatcher>,
    /// The watched directories. Shared with notify's thread.
    watched: Arc<Mutex<WatchedDirs>>,
    sender: BoundedSender,
}

/// The watched directories, and their names.
#[derive(Debug, Default)]
struct WatchedDirs {
    /// `/srv/releases/7/shop` (canonical, watched) to `/srv/current/shop`, ...: the paths it was
    /// given as. Written by `add`; an entry leaves when the directory goes.
    given: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// `/srv/current/shop` to `/srv/releases/7/shop`: the reverse of `given`.
    real: HashMap<PathBuf, PathBuf>,
    /// `/app/..data`: places in watched directories whose events are all sent, under this name.
    /// Written by `watch_place`; an entry leaves when its directory goes.
    places: BTreeSet<PathBuf>,
}

impl NotifyBackend {
    pub(crate) fn start(
        dirs: &[PathBuf],
        sender: BoundedSender,
    ) -> Result<NotifyBackend, EngineError> {
        let watched = Arc::new(Mutex::new(WatchedDirs::default()));
        let (shared, out) = (Arc::clone(&watched), sender.clone());
        let on_event = move |notification: notify::Result<notify::Event>| {
            for event in events(&shared, notification) {
                // An error means that the receiver is gone: the watcher is about to be dropped.
                let _ = out.send(event);
            }
        };
        let first = dirs.first().cloned().unwrap_or_default();
        let watcher =
            notify::recommended_watcher(on_event).map_err(|error| refused(&first, &error))?;
        let backend = NotifyBackend { watcher: Mutex::new(watcher), watched, sender };
        // A directory to its canonical path: the system would look at each one above it once more.
        let mut reals: HashMap<&Path, PathBuf> = HashMap::new();
        for dir in dirs {
            let above = dir.parent().and_then(|above| reals.get(above));
            let beside = above.zip(dir.file_name()).map(|(above, name)| above.join(name));
            let is_link = || !matches!(OsFileSystem.read_link(dir), Ok(None));
            let real = match beside.filter(|_| !is_link()) {
                Some(real) => real,
                None => match OsFileSystem.canonicalize(dir) {
                    Ok(real) => real,
                    Err(_) => continue,
                },
            };
            backend.watch(dir, &real)?;
            reals.insert(dir, real);
        }
        let _ = backend.sender.send(Event::Rescan);
        Ok(backend)
    }

    pub(crate) fn add(&self, dir: &Path) -> Result<(), EngineError> {
        let Ok(real) = OsFileSystem.canonicalize(dir) else { return Ok(()) };
        if self.watch(dir, &real)? {
            let _ = self.sender.send(EventKind::Dir.at(dir.to_owned()));
        }
        Ok(())
    }

    pub(crate) fn watch_place(&self, place: &Path) -> Result<(), EngineError> {
        let Some(dir) = place.parent() else { return Ok(()) };
        if !self.watched.lock().places.insert(place.to_owned()) {
            return Ok(());
        }
        let result = self.watcher.lock().watch(dir, RecursiveMode::NonRecursive);
        match result {
            Err(error) if !matches!(error.kind, ErrorKind::PathNotFound) => {
                self.watched.lock().places.remove(place);
                Err(refused(dir, &error))
            }
            _ => Ok(()),
        }
    }

    /// Watches `dir`, whose canonical path is `real`, and returns whether it is new.
    fn watch(&self, dir: &Path, real: &Path) -> Result<bool, EngineError> {
        let (fresh, first) = self.watched.lock().name(dir, real);
        if !first {
            return Ok(fresh);
        }
        // The name is registered before the watch, so that each event finds a directory with a
        // name.
        let result = self.watcher.lock().watch(real, RecursiveMode::NonRecursive);
        match result {
            Ok(()) => Ok(true),
            Err(error) => {
                self.watched.lock().forget(real);
                match error.kind {
                    ErrorKind::PathNotFound => Ok(false),
                    _ => Err(refused(dir, &error)),
                }
            }
        }
    }
}

impl WatchedDirs {
    /// Records that the directory `real` has the name `dir`. Returns whether the name is new, and
    /// whether it is the directory's first.
    fn name(&mut self, dir: &Path, real: &Path) -> (bool, bool) {
        // The name is a link that was switched.
        if let Some(other) = self.real.insert(dir.to_owned(), real.to_owned())
            && other != real
            && let Some(watched) = self.given.get_mut(&other)
        {
            watched.remove(dir);
        }
        let first = !self.given.contains_key(real);
        let watched = self.given.entry(real.to_owned()).or_default();
        (watched.insert(dir.to_owned()), first)
    }

    /// Forgets the directory `real` and all below it; notify has removed their watches by itself.
    fn forget(&mut self, real: &Path) {
        self.given.retain(|dir, _| !dir.starts_with(real));
        self.real.retain(|_, dir| !dir.starts_with(real));
        self.places.retain(|place| !place.parent().is_some_and(|dir| dir.starts_with(real)));
    }

    /// Are all events of `real` sent: as a place, or as the directory of one, which may go with it?
    fn is_place(&self, real: &Path) -> bool {
        self.places.contains(real) || self.places.iter().any(|place| place.parent() == Some(real))
    }

    fn is_dir(&self, real: &Path) -> bool {
        self.given.contains_key(real)
    }

    /// The paths that name `real`, a watched directory or something in one.
    fn paths(&self, real: &Path) -> BTreeSet<PathBuf> {
        let mut paths = self.given.get(real).cloned().unwrap_or_default();
        if let (Some(dir), Some(name)) = (real.parent(), real.file_name()) {
            let dirs = self.given.get(dir).into_iter().flatten();
            paths.extend(dirs.map(|dir| dir.join(name)));
        }
        paths
    }
}

/// The events that a notification of notify stands for.
fn events(watched: &Mutex<WatchedDirs>, notification: notify::Result<notify::Event>) -> Vec<Event> {
    let Ok(notification) = notification else { return vec![Event::Lost] };
    if notification.need_rescan() {
        return vec![Event::Lost];
    }
    let mut watched = watched.lock();
    let mut events = Vec::new();
    for (at, real) in notification.paths.iter().enumerate() {
        let Some(kind) = meaning(&notification.kind, at, real, &watched) else { continue };
        let paths = watched.paths(real);
        let kept = paths.into_iter().filter(|path| watched.is_dir(real) || !is_noise(path));
        let places = watched.is_place(real).then(|| real.clone());
        let all: BTreeSet<PathBuf> = kept.chain(places).collect();
        events.extend(all.into_iter().map(|path| kind.at(path)));
        if kind == EventKind::Dir && is_over(&notification.kind) {
            watched.forget(real);
        }
    }
    events
}

/// The kind of event that a notification means for its path number `at`; none if the content did
/// not change.
fn meaning(kind: &NotifyKind, at: usize, real: &Path, watched: &WatchedDirs) -> Option<EventKind> {
    // The system does not always report whether a removed path was a directory; a watched one was.
    let gone = || if watched.is_dir(real) { EventKind::Dir } else { EventKind::Gone };
    let here = |file: EventKind| if is_dir(real) { EventKind::Dir } else { file };
    let written = if CLOSES { EventKind::Modified } else { EventKind::Closed };
    Some(match kind {
        NotifyKind::Access(AccessKind::Close(AccessMode::Write)) => EventKind::Closed,
        NotifyKind::Access(_) => return None,
        NotifyKind::Create(CreateKind::Folder) => EventKind::Dir,
        NotifyKind::Create(_) if matches!(OsFileSystem.read_link(real), Ok(Some(_))) => {
            here(EventKind::Moved)
        }
        NotifyKind::Create(_) => here(if CLOSES { EventKind::Created } else { EventKind::Moved }),
        NotifyKind::Remove(RemoveKind::Folder) => EventKind::Dir,
        NotifyKind::Remove(_) => gone(),
        NotifyKind::Modify(ModifyKind::Name(mode)) => match mode {
            RenameMode::From => gone(),
            RenameMode::To => here(EventKind::Moved),
            // Linux has reported both already.
            RenameMode::Both if CLOSES => return None,
            RenameMode::Both if at == 0 => gone(),
            RenameMode::Both => here(EventKind::Moved),
            _ if OsFileSystem.read_link(real).is_err() => gone(),
            _ => here(EventKind::Moved),
        },
        NotifyKind::Modify(ModifyKind::Metadata(MetadataKind::AccessTime)) => return None,
        NotifyKind::Modify(ModifyKind::Metadata(_)) if is_dir(real) => return None,
        NotifyKind::Modify(ModifyKind::Metadata(_)) => EventKind::Touched,
        NotifyKind::Modify(_) => here(written),
        NotifyKind::Any | NotifyKind::Other => return None,
    })
}

fn is_dir(path: &Path) -> bool {
    OsFileSystem.metadata(path).is_ok_and(|found| found.kind == FileKind::Dir)
}

/// Does this notification end a watch?
fn is_over(kind: &NotifyKind) -> bool {
    use ModifyKind::Name;
    matches!(
        kind,
        NotifyKind::Remove(_) | NotifyKind::Modify(Name(RenameMode::From | RenameMode::Both))
    )
}

fn refused(path: &Path, error: &Error) -> EngineError {
    let path = path.to_owned();
    match &error.kind {
        ErrorKind::MaxFilesWatch => EngineError::WatchLimit { path },
        ErrorKind::Io(error) if error.raw_os_error() == Some(TOO_MANY_OPEN) => {
            EngineError::WatcherLimit { path }
        }
        _ => EngineError::Watch { path, what: error.to_string() },
    }
}
