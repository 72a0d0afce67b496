//! In which thread does the code of an update run, and how long is it waited for?
//!
//! In a thread of Python's `threading`, so that code it runs finds an ordinary thread; not in the
//! updating one, which goes on to hear of saves and requests. If something newer is saved while the
//! code hangs, the attempt is given up (`state/attempt.rs`). A thread that does not end even then
//! (a call into C that hangs) is left behind, and the next attempt gets another.

use std::{sync::Arc, time::Duration, time::Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};
use pyo3::{prelude::*, types::PyDict};
use transfuse_engine::{SourceSnapshot, sync::Mutex};

use crate::cpython::{at_end::Inside, exceptions, log, panics};
use crate::state::{attempt, attempt::Attempt, notify, runtime::Runtime};
use crate::update::pipeline::Quiet;
use crate::updater::listener::ChangeListener;

/// How often an update that takes long is looked at.
const TURN: Duration = Duration::from_millis(50);
/// How long code may go on after something newer was saved, and after the exception was raised in it.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many attempts in a row are given up, for a module that changes files as it runs.
const GIVEN_UP: usize = 20;

type Job = Box<dyn FnOnce(Python<'_>) + Send>;

/// A question of the staging thread to the updating one.
#[derive(Clone, Copy)]
pub enum Question {
    /// Was no file saved meanwhile?
    IsQuiet,
    /// Is none saved for a while either?
    StaysQuiet,
}

/// A question, and where the answer goes.
type Asked = (Question, Sender<bool>);

enum AttemptEnd<R> {
    Ended(PyResult<R>),
    /// It does not end, though it was given up.
    GivenUp,
    /// It does not end, though the time limit has raised its exception.
    PastLimit,
}

impl<R> AttemptEnd<R> {
    /// None: its thread has ended without a result.
    fn of(ended: Option<PyResult<R>>) -> AttemptEnd<R> {
        ended.map_or(AttemptEnd::GivenUp, AttemptEnd::Ended)
    }
}

/// The thread that stages. Belongs to the updating thread.
pub struct Stager {
    runtime: &'static Runtime,
    /// To the thread; none before the first job, and once it was left behind.
    jobs: Option<Sender<Job>>,
    /// How many attempts in a row were given up because something newer was saved.
    given_up: usize,
}

/// The reasons to give an attempt up.
pub struct Watched<'a> {
    /// The files as the attempt has them; none: whatever is saved, it goes on.
    pub snapshot: Option<&'a SourceSnapshot>,
    /// Whether a rollback that is asked for comes first.
    pub yields: bool,
}

impl Stager {
    pub fn new(runtime: &'static Runtime) -> Stager {
        Stager { runtime, jobs: None, given_up: 0 }
    }

    /// Has the thread call `work`, and returns the result; none if its thread was left behind. `work`
    /// gets a function that asks the updating thread.
    pub fn run<R: Send + 'static>(
        &mut self,
        py: Python<'_>,
        listener: &mut ChangeListener,
        watched: &Watched<'_>,
        work: impl FnOnce(Python<'_>, &mut dyn FnMut(Question) -> bool) -> PyResult<R> + Send + 'static,
    ) -> PyResult<Option<R>> {
        let attempt = Arc::new(Attempt::default());
        let (questions, asked) = unbounded::<Asked>();
        let (done, result) = bounded(1);
        let (runtime, shared) = (self.runtime, Arc::clone(&attempt));
        let process = std::process::id();
        self.send(
            py,
            Box::new(move |py| {
                let current = attempt::Current::begin(&shared);
                let mut answer = |question| py.detach(|| ask(&questions, question, process));
                let ended =
                    runtime.updating_in_this_thread(|| panics::caught(|| work(py, &mut answer)));
                drop(current);
                let _ = done.send(ended);
            }),
        )?;
        match py.detach(|| self.wait(listener, watched, &attempt, &asked, &result)) {
            AttemptEnd::Ended(ended) => ended.map(Some),
            AttemptEnd::GivenUp => {
                self.leave_behind(py, &attempt);
                Ok(None)
            }
            AttemptEnd::PastLimit => {
                self.leave_behind(py, &attempt);
                Err(exceptions::time_limit())
            }
        }
    }

    /// The same for code that is waited for in any case.
    pub fn call(
        &mut self,
        py: Python<'_>,
        work: impl FnOnce(Python<'_>) + Send + 'static,
    ) -> PyResult<()> {
        let (done, result) = bounded(1);
        let runtime = self.runtime;
        self.send(
            py,
            Box::new(move |py| {
                runtime.updating_in_this_thread(|| panics::contained(|| work(py)));
                let _ = done.send(());
            }),
        )?;
        let _ = py.detach(|| result.recv());
        Ok(())
    }

    /// An update has ended otherwise than by being given up.
    pub fn concluded(&mut self) {
        self.given_up = 0;
    }

    fn send(&mut self, py: Python<'_>, job: Job) -> PyResult<()> {
        let jobs = match &self.jobs {
            Some(jobs) => jobs,
            None => self.jobs.insert(start(py)?),
        };
        let ended = || exceptions::misuse("the thread that stages updates has ended");
        jobs.send(job).map_err(|_| ended())
    }

    /// Waits for the result of an attempt, and gives it up if it is time.
    fn wait<R>(
        &mut self,
        listener: &mut ChangeListener,
        watched: &Watched<'_>,
        attempt: &Attempt,
        asked: &Receiver<Asked>,
        result: &Receiver<PyResult<R>>,
    ) -> AttemptEnd<R> {
        let limit = self.runtime.settings().time_limit + 2 * PATIENCE;
        let (mut newer, mut given_up): (Option<Instant>, Option<Instant>) = (None, None);
        loop {
            select! {
                recv(result) -> ended => return AttemptEnd::of(ended.ok()),
                recv(asked) -> question => if let Ok(question) = question {
                    let answer = match question.0 {
                        Question::IsQuiet => listener.is_still_quiet(),
                        Question::StaysQuiet => listener.stays_quiet(),
                    };
                    let _ = question.1.send(answer);
                    continue;
                },
                default(TURN) => {}
            }
            if let Some(at) = given_up {
                if at.elapsed() > PATIENCE {
                    return AttemptEnd::GivenUp;
                }
                continue;
            }
            if attempt.runs_modules_for().is_some_and(|time| time > limit) {
                return AttemptEnd::PastLimit;
            }
            if newer.is_none() && watched.snapshot.is_some_and(|files| listener.has_newer(files)) {
                newer = Some(Instant::now());
            }
            let hangs = newer.is_some_and(|at| at.elapsed() > PATIENCE);
            let hangs = hangs && self.given_up < GIVEN_UP;
            if hangs
                || watched.yields && self.runtime.urgent.has_rollback()
                || self.runtime.urgent.is_stopping()
            {
                if Python::attach(|py| attempt.give_up(py)) {
                    self.given_up += usize::from(hangs);
                    given_up = Some(Instant::now());
                } else {
                    // It is being published.
                    return AttemptEnd::of(result.recv().ok());
                }
            }
        }
    }

    /// Goes on without the thread.
    fn leave_behind(&mut self, py: Python<'_>, attempt: &Attempt) {
        self.jobs = None;
        let (thread, prepared) = attempt.leave_behind();
        self.runtime.flights.forget(thread);
        *self.runtime.wanted.lock() = None;
        if let Some(generation) = prepared
            && let Err(error) = self.runtime.stages.call(py, ("abandoned", generation))
        {
            let _ = log::complain(py, "participants could not be told of the end", error);
        }
        notify::left_behind(py, self.runtime, attempt.ident());
    }
}

/// The answer of the updating thread. A forked child has none.
fn ask(questions: &Sender<Asked>, question: Question, process: u32) -> bool {
    if attempt::is_given_up() || std::process::id() != process {
        return false;
    }
    let (reply, answer) = bounded(1);
    questions.send((question, reply)).is_ok() && answer.recv().unwrap_or(false)
}

fn start(py: Python<'_>) -> PyResult<Sender<Job>> {
    let (jobs, receiver) = unbounded();
    let target = Bound::new(py, StagingThread(Mutex::new(Some(receiver))))?;
    let options = PyDict::new(py);
    options.set_item("target", target)?;
    options.set_item("name", "transfuse-stage")?;
    options.set_item("daemon", true)?;
    let thread = py.import("transfuse.config.native")?.call_method("thread", (), Some(&options))?;
    thread.call_method0("start")?;
    Ok(jobs)
}

/// The thread's function.
#[pyclass(frozen, module = "transfuse._core")]
struct StagingThread(Mutex<Option<Receiver<Job>>>);

#[pymethods]
impl StagingThread {
    fn __call__(&self, py: Python<'_>) {
        let Some(jobs) = self.0.lock().take() else { return };
        let _inside = Inside::enter();
        while let Ok(job) = py.detach(|| jobs.recv()) {
            job(py);
        }
    }
}

/// Asks whether files are still being saved; an explicit update does not.
pub struct QuietFiles<'a> {
    /// Asks the updating thread.
    pub ask: &'a mut dyn FnMut(Question) -> bool,
    pub automatic: bool,
}

impl Quiet for QuietFiles<'_> {
    fn holds(&mut self) -> bool {
        !attempt::is_given_up() && (!self.automatic || (self.ask)(Question::IsQuiet))
    }

    fn lasts(&mut self) -> bool {
        !attempt::is_given_up() && (!self.automatic || (self.ask)(Question::StaysQuiet))
    }
}
