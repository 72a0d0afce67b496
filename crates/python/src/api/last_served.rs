//! The last served state, for the process that starts next.
//!
//! The engine's `last_served` decides and writes. A thread of the package
//! (`transfuse/last_served/keeper.py`) calls [`ServedStore::write`] after each update.

use std::{collections::BTreeMap, path::Path, path::PathBuf};
use std::{time::SystemTime, time::UNIX_EPOCH};

use pyo3::{exceptions::PyValueError, prelude::*, types::PyDict};
use transfuse_engine::sync::Mutex;
use transfuse_engine::{
    Budget, Difference, FileSystem, LastServed, Outcome, Resumed, Roots, SourceSnapshot, Take, Why,
    Withheld, read_last_served, resume,
};

use crate::state::command::{Command, SourceOverrides};
use crate::state::{runtime, runtime::GivenFiles, runtime::Runtime};
use crate::updater::off_disk;

/// The folder that keeps the served state.
#[pyclass(frozen, module = "transfuse._core")]
pub struct ServedStore(Mutex<transfuse_engine::ServedStore>);

#[pymethods]
impl ServedStore {
    /// `limit` is in bytes.
    #[new]
    fn new(py: Python<'_>, folder: PathBuf, limit: usize) -> PyResult<Self> {
        let runtime = runtime::required()?;
        let open = || transfuse_engine::ServedStore::open(&*runtime.system, folder, limit);
        Ok(ServedStore(Mutex::new(py.detach(open))))
    }

    /// Writes the current served state. OSError if that is impossible.
    fn write(&self, py: Python<'_>) -> PyResult<()> {
        let runtime = runtime::required()?;
        let served = served_now(py, runtime);
        Ok(py.detach(|| self.0.lock().write(&*runtime.system, served))?)
    }
}

/// Tries the edits that were refused before this process started, now that the program is loaded.
#[pyfunction]
pub fn retry() -> PyResult<()> {
    runtime::required()?.command(Command::Retry);
    Ok(())
}

fn seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn served_now(py: Python<'_>, runtime: &Runtime) -> LastServed {
    let current = runtime.current(py);
    let (id, files) = (current.get().id, current.get().view());
    let now = SystemTime::now();
    let at = {
        let records = runtime.records.lock();
        let mut of_it = records.history.iter().filter(|record| record.generation == id);
        of_it.find(|record| record.outcome != Outcome::Refused).map_or(now, |record| record.at)
    };
    let noted = |why| move |left| Withheld { left, why, since: seconds(now) };
    let refused = runtime.refused.lock().clone().into_iter();
    let aside = runtime.set_aside.lock().files().clone().into_iter();
    let refused = refused.map(|(path, left)| (path, noted(Why::Refused)(left)));
    // The later entry counts: a refused file that a rollback then left is set aside.
    let all = refused.chain(aside.map(|(path, left)| (path, noted(Why::RolledBack)(left))));
    let withheld: BTreeMap<PathBuf, Withheld> = all.collect();
    LastServed { generation: id.0, at: seconds(at), files, withheld }
}

/// The source with which a process begins.
pub struct Beginning {
    pub view: SourceSnapshot,
    pub given: GivenFiles,
    /// The number of its first generation.
    pub first: u64,
    /// The last served state and the files that differ; none if no state is known or wanted.
    pub told: Option<Py<PyDict>>,
}

/// The folder of the last served state, and the choice between it and the files:
/// `("/home/ann/.local/state/transfuse/shop-5c2f", "disk")`.
pub type Last = Option<(PathBuf, String)>;

/// Chooses the source of a new process: the `contents` that others serve, or the last served state.
#[allow(clippy::too_many_arguments)]
pub fn beginning(
    py: Python<'_>,
    (system, roots, budget): (&dyn FileSystem, &Roots, &Budget),
    disk: &SourceSnapshot,
    contents: SourceOverrides,
    aside: Vec<PathBuf>,
    first: u64,
    last: Last,
) -> PyResult<Beginning> {
    let view = off_disk::with_contents(disk, &contents, budget);
    let paths = contents.into_keys().collect();
    let given = GivenFiles { paths, aside, ..GivenFiles::default() };
    let others = Beginning { view, given, first, told: None };
    let Some((folder, word)) = last else { return Ok(others) };
    let take = take(&word)?;
    let compared = py.detach(|| {
        let last = read_last_served(system, Path::new(&folder))?;
        let resumed = resume(system, roots, budget, disk, &last, take);
        Some((last, resumed))
    });
    let Some((last, resumed)) = compared else { return Ok(others) };
    let told = told(py, &last, &resumed)?;
    let Resumed { snapshot, files } = resumed;
    // Numbers only grow, as long as something is served as it was.
    let goes_on = files.iter().any(|file| file.is_last) || take == Take::LastThenUpdate;
    let first = if goes_on { first.max(last.generation.saturating_add(1)) } else { first };
    let mut given = GivenFiles::default();
    for file in files.into_iter().filter(|file| file.is_last) {
        let is_left = matches!(file.difference, Difference::Withheld(Why::RolledBack, _));
        let into = if is_left || take == Take::Last { &mut given.left } else { &mut given.refused };
        into.insert(file.path, file.on_disk);
    }
    Ok(Beginning { view: snapshot, given, first, told: Some(told.unbind()) })
}

fn take(word: &str) -> PyResult<Take> {
    match word {
        "default" => Ok(Take::Default),
        "disk" => Ok(Take::Disk),
        "last" => Ok(Take::Last),
        "last, then update" => Ok(Take::LastThenUpdate),
        _ => Err(PyValueError::new_err(format!("{word:?} is not what a process can begin with"))),
    }
}

fn told<'py>(
    py: Python<'py>,
    last: &LastServed,
    resumed: &Resumed,
) -> PyResult<Bound<'py, PyDict>> {
    let made = PyDict::new(py);
    made.set_item("generation", last.generation)?;
    made.set_item("at", last.at)?;
    let files = resumed.files.iter().map(|file| {
        let (word, since) = match file.difference {
            Difference::Withheld(Why::RolledBack, since) => ("rolled back", Some(since)),
            Difference::Withheld(Why::Refused, since) => ("refused", Some(since)),
            Difference::Changed => ("changed", None),
        };
        (file.path.to_string_lossy(), word, since, file.is_last, file.is_lost)
    });
    made.set_item("files", files.collect::<Vec<_>>())?;
    Ok(made)
}
