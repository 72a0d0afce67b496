//! What does the system tell about files, and what does that mean? `notify`, one watch per
//! directory.
//!
//! One watch per directory and not a recursive one, because most of a tree may be foreign (a
//! virtual environment, `node_modules`). Directories are watched by their canonical path, since the
//! system knows one only once: an event is told for each of the paths by which the directory was
//! named. Only Linux says when a writer closes a file; elsewhere a write counts as closed, and
//! `settle` and `refresh` bear with it.

use crate::{
    EngineError, Event,
    event::is_noise,
    outbox::Outbox,
    sync::{Mutex, lock},
};
use notify::{
    Error, ErrorKind, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, CreateKind, MetadataKind, ModifyKind, RemoveKind, RenameMode},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Does the system say when a writer closes a file?
const CLOSES: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// `EMFILE`: what the system says when a process, or for inotify a user, has too much open.
const TOO_MANY_OPEN: i32 = 24;

/// A running watcher.
#[derive(Debug)]
pub(crate) struct Native {
    /// Notify's own handle. A lock because adding needs it alone; never held together with `names`.
    watcher: Mutex<RecommendedWatcher>,
    /// What is watched. Shared with notify's thread.
    names: Arc<Mutex<Names>>,
    /// Where events go.
    sender: Outbox,
}

/// What is watched, and by which names.
#[derive(Debug, Default)]
struct Names {
    /// `/srv/releases/7/shop` (canonical, watched) to `/srv/current/shop`, ...: the paths it was
    /// given as. Written by `add`; an entry leaves when the directory goes.
    given: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// `/srv/current/shop` to `/srv/releases/7/shop`: `given` turned around.
    real: HashMap<PathBuf, PathBuf>,
    /// `/app/..data`: places in watched directories of which everything is told, by this name. Written by
    /// `mind`; an entry leaves when its directory goes.
    minded: BTreeSet<PathBuf>,
}

impl Native {
    pub(crate) fn start(dirs: &[PathBuf], sender: Outbox) -> Result<Native, EngineError> {
        let names = Arc::new(Mutex::new(Names::default()));
        let (heard, out) = (Arc::clone(&names), sender.clone());
        let told = move |told: notify::Result<notify::Event>| {
            for event in events(&heard, told) {
                // Nobody listens any more: the watcher is about to be dropped.
                let _ = out.send(event);
            }
        };
        let first = dirs.first().cloned().unwrap_or_default();
        let watcher = notify::recommended_watcher(told).map_err(|error| refused(&first, &error))?;
        let native = Native { watcher: Mutex::new(watcher), names, sender };
        for dir in dirs {
            native.watch(dir)?;
        }
        let _ = native.sender.send(Event::Rescan);
        Ok(native)
    }

    pub(crate) fn add(&self, dir: &Path) -> Result<(), EngineError> {
        if self.watch(dir)? {
            let _ = self.sender.send(Event::Dir(dir.to_owned()));
        }
        Ok(())
    }

    pub(crate) fn mind(&self, place: &Path) -> Result<(), EngineError> {
        let Some(dir) = place.parent() else { return Ok(()) };
        if !lock(&self.names).minded.insert(place.to_owned()) {
            return Ok(());
        }
        let watched = lock(&self.watcher).watch(dir, RecursiveMode::NonRecursive);
        match watched {
            Err(error) if !matches!(error.kind, ErrorKind::PathNotFound) => {
                lock(&self.names).minded.remove(place);
                Err(refused(dir, &error))
            }
            _ => Ok(()),
        }
    }

    /// Watches `dir`, and says whether that is news.
    fn watch(&self, dir: &Path) -> Result<bool, EngineError> {
        let Ok(real) = fs::canonicalize(dir) else { return Ok(false) };
        let (fresh, first) = lock(&self.names).name(dir, &real);
        if !first {
            return Ok(fresh);
        }
        // The name is there before the watch is, so that no event meets a directory without a name.
        let watched = lock(&self.watcher).watch(&real, RecursiveMode::NonRecursive);
        match watched {
            Ok(()) => Ok(true),
            Err(error) => {
                lock(&self.names).forget(&real);
                match error.kind {
                    ErrorKind::PathNotFound => Ok(false),
                    _ => Err(refused(dir, &error)),
                }
            }
        }
    }
}

impl Names {
    /// Notes that the directory `real` is called `dir`. Says whether that is news, and whether it
    /// is its first name.
    fn name(&mut self, dir: &Path, real: &Path) -> (bool, bool) {
        // A link that leads elsewhere now.
        if let Some(other) = self.real.insert(dir.to_owned(), real.to_owned())
            && other != real
            && let Some(names) = self.given.get_mut(&other)
        {
            names.remove(dir);
        }
        let first = !self.given.contains_key(real);
        let names = self.given.entry(real.to_owned()).or_default();
        (names.insert(dir.to_owned()), first)
    }

    /// Forgets the directory `real` and all below it; notify has let go of them by itself.
    fn forget(&mut self, real: &Path) {
        self.given.retain(|dir, _| !dir.starts_with(real));
        self.real.retain(|_, dir| !dir.starts_with(real));
        self.minded.retain(|place| !place.parent().is_some_and(|dir| dir.starts_with(real)));
    }

    /// Is everything told of `real`: as a place, or as the directory of one, which may go with it?
    fn minds(&self, real: &Path) -> bool {
        self.minded.contains(real) || self.minded.iter().any(|place| place.parent() == Some(real))
    }

    fn is_dir(&self, real: &Path) -> bool {
        self.given.contains_key(real)
    }

    /// The paths by which `real`, a watched directory or something in one, was named.
    fn paths(&self, real: &Path) -> BTreeSet<PathBuf> {
        let mut paths = self.given.get(real).cloned().unwrap_or_default();
        if let (Some(dir), Some(name)) = (real.parent(), real.file_name()) {
            let dirs = self.given.get(dir).into_iter().flatten();
            paths.extend(dirs.map(|dir| dir.join(name)));
        }
        paths
    }
}

/// What a notification of notify means.
fn events(names: &Mutex<Names>, told: notify::Result<notify::Event>) -> Vec<Event> {
    let Ok(told) = told else { return vec![Event::Lost] };
    if told.need_rescan() {
        return vec![Event::Lost];
    }
    let mut names = lock(names);
    let mut events = Vec::new();
    for (at, real) in told.paths.iter().enumerate() {
        let Some(make) = meaning(&told.kind, at, real, &names) else { continue };
        let paths = names.paths(real);
        let kept = paths.into_iter().filter(|path| names.is_dir(real) || !is_noise(path));
        let minded = names.minds(real).then(|| real.clone());
        let all: BTreeSet<PathBuf> = kept.chain(minded).collect();
        events.extend(all.into_iter().map(make));
        if matches!(make(PathBuf::new()), Event::Dir(_)) && is_over(&told.kind) {
            names.forget(real);
        }
    }
    events
}

/// Which event a notification is for its path number `at`; none if it says nothing about content.
fn meaning(
    kind: &EventKind,
    at: usize,
    real: &Path,
    names: &Names,
) -> Option<fn(PathBuf) -> Event> {
    // What a path that is gone was, the system does not always say; that it was watched does.
    let gone = || if names.is_dir(real) { Event::Dir } else { Event::Gone };
    let here = |file: fn(PathBuf) -> Event| if real.is_dir() { Event::Dir } else { file };
    let written = if CLOSES { Event::Modified } else { Event::Closed };
    Some(match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Event::Closed,
        EventKind::Access(_) => return None,
        EventKind::Create(CreateKind::Folder) => Event::Dir,
        EventKind::Create(_) if real.is_symlink() => here(Event::Moved),
        EventKind::Create(_) => here(if CLOSES { Event::Created } else { Event::Moved }),
        EventKind::Remove(RemoveKind::Folder) => Event::Dir,
        EventKind::Remove(_) => gone(),
        EventKind::Modify(ModifyKind::Name(mode)) => match mode {
            RenameMode::From => gone(),
            RenameMode::To => here(Event::Moved),
            // Linux told of both already.
            RenameMode::Both if CLOSES => return None,
            RenameMode::Both if at == 0 => gone(),
            RenameMode::Both => here(Event::Moved),
            _ if real.symlink_metadata().is_err() => gone(),
            _ => here(Event::Moved),
        },
        EventKind::Modify(ModifyKind::Metadata(MetadataKind::AccessTime)) => return None,
        EventKind::Modify(ModifyKind::Metadata(_)) if real.is_dir() => return None,
        EventKind::Modify(ModifyKind::Metadata(_)) => Event::Touched,
        EventKind::Modify(_) => here(written),
        EventKind::Any | EventKind::Other => return None,
    })
}

/// Does this notification end a watch?
fn is_over(kind: &EventKind) -> bool {
    use ModifyKind::Name;
    matches!(
        kind,
        EventKind::Remove(_) | EventKind::Modify(Name(RenameMode::From | RenameMode::Both))
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
