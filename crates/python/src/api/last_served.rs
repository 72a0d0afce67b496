//! The last served state, for the process that starts next.
//!
//! The engine's `last_served` decides and writes. A thread of the package
//! (`transfuse/last_served/keeper.py`) calls [`ServedStore::write`] after each update.

use std::{collections::BTreeMap, path::Path, path::PathBuf};
use std::{time::Duration, time::SystemTime, time::UNIX_EPOCH};

use pyo3::{exceptions::PyValueError, prelude::*, types::PyDict};
use transfuse_engine::sync::Mutex;
use transfuse_engine::{
    Budget, Cause, Difference, FileSystem, FormerState, GenerationId, History, LastServed, Outcome,
    Recall, Record, Resumed, Roots, SourceSnapshot, Take, Why, Withheld, read_last_served, recall,
    resume, with_served_files,
};

use crate::state::command::{Command, SourceOverrides};
use crate::state::{generation::Generation, runtime, runtime::GivenFiles, runtime::Runtime};
use crate::update::succession;
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
    let (at, _, partial) = served_between(runtime, id).unwrap_or((now, now, false));
    let noted = |why| move |left| Withheld { left, why, since: seconds(now) };
    let refused = runtime.refused.lock().clone().into_iter();
    let aside = runtime.set_aside.lock().files().clone().into_iter();
    let refused = refused.map(|(path, left)| (path, noted(Why::Refused)(left)));
    // The later entry counts: a refused file that a rollback then left is set aside.
    let all = refused.chain(aside.map(|(path, left)| (path, noted(Why::RolledBack)(left))));
    let withheld: BTreeMap<PathBuf, Withheld> = all.collect();
    let (before, former, same) = former_states(py, runtime, &current);
    LastServed { generation: id.0, at: seconds(at), partial, before, files, withheld, former, same }
}

/// When a generation was published, when another one was after it, and whether it is a part of a
/// change.
fn served_between(runtime: &Runtime, id: GenerationId) -> Option<(SystemTime, SystemTime, bool)> {
    let records = runtime.records.lock();
    let served = records.history.iter().filter(|record| record.outcome != Outcome::Refused);
    let mut since = served.skip_while(|record| record.generation != id);
    let record = since.next()?;
    let until = record.until.or_else(|| since.next().map(|next| next.at));
    Some((record.at, until.unwrap_or(record.at), record.partial))
}

/// What a rollback goes back to, all states that one can go back to, and the numbers that lead to
/// others.
fn former_states(
    py: Python<'_>,
    runtime: &Runtime,
    current: &Bound<'_, Generation>,
) -> (Option<u64>, Vec<FormerState>, Vec<(u64, u64)>) {
    let generations = &runtime.generations;
    let of = |id| generations.before(id).map(|before| before.0);
    // One that answers as the current one does is none to go back to.
    let same = generations.perhaps_same();
    let same = same.filter(|_| succession::answers_as_before(py, runtime, current));
    let kept = generations.all_kept().into_iter().filter(|id| same != Some(*id));
    let state = |id: GenerationId| {
        let files = generations.kept(id, |kept| kept.get().view())?;
        let now = SystemTime::now();
        let (at, until, partial) = served_between(runtime, id).unwrap_or((now, now, false));
        let (generation, at, until) = (id.0, seconds(at), seconds(until));
        Some(FormerState { generation, at, until, partial, before: of(id), files })
    };
    let aliases = generations.aliases().into_iter().map(|(older, to)| (older.0, to.0));
    // It takes the place of that one with the next update.
    let current = current.get().id;
    let to = |to| if same.is_some_and(|same| same.0 == to) { current.0 } else { to };
    let aliases = aliases.chain(same.map(|same| (same.0, current.0)));
    let aliases = aliases.map(|(older, it)| (older, to(it))).collect();
    (of(same.unwrap_or(current)), kept.filter_map(state).collect(), aliases)
}

/// The source with which a process begins.
pub struct Beginning {
    pub view: SourceSnapshot,
    pub given: GivenFiles,
    /// The number of its first generation.
    pub first: u64,
    /// The last served state and the files that differ; none if no state is known or wanted.
    pub told: Option<Py<PyDict>>,
    /// What it can go back to.
    past: Recall,
}

impl Beginning {
    /// Has a process that begins go back to what was served before.
    pub fn recall(&mut self, py: Python<'_>, runtime: &Runtime) -> PyResult<()> {
        let Recall { former, before, same, others } = std::mem::take(&mut self.past);
        let (generations, id) = (&runtime.generations, GenerationId);
        let at =
            |seconds: f64| UNIX_EPOCH + Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let mut history = History::default();
        for state in former {
            history.push(Record {
                at: at(state.at),
                until: state.until.map(at),
                partial: state.partial,
                cause: Cause::FormerProcess,
                back_to: None,
                generation: id(state.generation),
                outcome: Outcome::Published,
                changed: state.changed,
                ran: Vec::new(),
                took: Duration::ZERO,
                error: None,
            });
            let number = id(state.generation);
            let what = Generation::new(number, state.view, PyDict::new(py).unbind());
            generations.recall(number, state.before.map(id), Py::new(py, what)?);
        }
        let same: Vec<_> = same.into_iter().map(id).collect();
        let others: Vec<_> = others.into_iter().map(|(older, to)| (id(older), id(to))).collect();
        generations.follows_on(before.map(id), &same, &others);
        let mut records = runtime.records.lock();
        for record in records.history.iter() {
            history.push(record.clone());
        }
        records.history = history;
        Ok(())
    }
}

/// Where what was served last is kept, and which of the two a process takes:
/// `("/home/ann/.local/state/transfuse/shop-5c2f", "disk")`; and the former generation that it serves
/// again, if it was started for that.
pub type Last = Option<(PathBuf, String, Option<u64>)>;

/// Chooses the source of a new process: the `contents` that others serve, or the last served state.
#[allow(clippy::too_many_arguments)]
pub fn beginning(
    py: Python<'_>,
    (system, roots, budget): (&dyn FileSystem, &Roots, &Budget),
    disk: &SourceSnapshot,
    contents: SourceOverrides,
    aside: Vec<PathBuf>,
    (first, keep): (u64, usize),
    last: Last,
) -> PyResult<Beginning> {
    let view = off_disk::with_contents(disk, &contents, budget);
    let paths = contents.into_keys().collect();
    let given = GivenFiles { paths, aside, ..GivenFiles::default() };
    let mut others = Beginning { view, given, first, told: None, past: Recall::default() };
    let Some((folder, word, back_to)) = last else { return Ok(others) };
    let read = || read_last_served(system, Path::new(&folder));
    let Some(last) = py.detach(read) else { return Ok(others) };
    let known = |view: &SourceSnapshot| {
        py.detach(|| with_served_files((system, roots, budget), view, &last))
    };
    let past = |view: &SourceSnapshot| {
        py.detach(|| recall((system, roots, budget), view, &last, back_to, keep))
    };
    let Some(take) = take(&word)? else {
        others.view = known(&others.view);
        others.past = past(&others.view);
        // Their numbers are not those of the process that has written.
        let is_it = others.past.same.contains(&last.generation);
        others.first = first.max(last.generation.saturating_add(u64::from(!is_it)));
        return Ok(others);
    };
    let resumed = py.detach(|| resume(system, roots, budget, disk, &last, take));
    let told = told(py, &last, &resumed)?;
    let Resumed { snapshot, files } = resumed;
    // Numbers only grow, so that each is of one state.
    let first = first.max(last.generation.saturating_add(1));
    let snapshot = known(&snapshot);
    let past = past(&snapshot);
    let mut given = GivenFiles::default();
    for file in files.into_iter().filter(|file| file.is_last) {
        let is_left = matches!(file.difference, Difference::Withheld(Why::RolledBack, _));
        let into = if is_left || take == Take::Last { &mut given.left } else { &mut given.refused };
        into.insert(file.path, file.on_disk);
    }
    Ok(Beginning { view: snapshot, given, first, told: Some(told.unbind()), past })
}

/// None: what others serve.
fn take(word: &str) -> PyResult<Option<Take>> {
    match word {
        "default" => Ok(Some(Take::Default)),
        "disk" => Ok(Some(Take::Disk)),
        "last" => Ok(Some(Take::Last)),
        "last, then update" => Ok(Some(Take::LastThenUpdate)),
        "others" => Ok(None),
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
