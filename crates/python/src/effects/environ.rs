//! What does a module's code put into `os.environ`, and how is that taken back?
//!
//! The working directory counts as one more variable (`effects/working_directory.rs`).
//!
//! Environment variables outlive the module that set them. Run again, `load_dotenv()` or
//! `os.environ.setdefault(...)` would find the value of the former run and leave it. So each variable
//! that a module's code sets or removes is recorded with its former value. That is put back right
//! before the next instance runs, or another module of the plan that runs earlier and may read it, and
//! the new value if that fails or is not published, always only
//! where the variable still has the value that the module gave it. `os.environ` belongs to the whole
//! process: while the module runs, other threads see what its code sees.

use std::cell::Cell;
use std::ffi::OsString;

use pyo3::types::{PyBytes, PyDict, PyTuple};
use pyo3::{intern, prelude::*};
use transfuse_engine::Target;

use crate::code::name_usage::NameUsage;
use crate::cpython::frames;
use crate::effects::working_directory;
use crate::state::environ_change::{EnvironChange, Place};
use crate::state::{
    caller, execution_stack, live_module::LiveModule, runtime::Runtime, scope::Scope,
};

/// Names in code that reads the environment, by itself or by a library of settings.
const READS_ENVIRONMENT: [&str; 15] = [
    "environ",
    "environb",
    "getenv",
    "getenvb",
    "expandvars",
    "from_envvar",
    "from_prefixed_env",
    "AutoConfig",
    "BaseSettings",
    "Config",
    "DotEnv",
    "Dynaconf",
    "Env",
    "config",
    "env",
];

thread_local! {
    /// Whether this thread puts back, or there again, what an execution did: not the running one's doing.
    static RESTORING: Cell<bool> = const { Cell::new(false) };
}

/// `os.putenv(key, value)` or `os.unsetenv(key)` is about to happen. Nothing here may raise.
pub fn record(_: &'static Runtime, args: &Bound<'_, PyTuple>) {
    let Some(name) = argument(args, 0) else { return };
    let value = if args.len() > 1 { argument(args, 1) } else { None };
    record_change(args.py(), Place::Variable(name), value);
}

/// `os.chdir(path)` or `os.fchdir(descriptor)` is about to happen. Nothing here may raise.
pub fn record_directory(runtime: &'static Runtime, args: &Bound<'_, PyTuple>) {
    let to =
        args.get_item(0).ok().and_then(|given| working_directory::destination(runtime, &given));
    if to.is_some() {
        record_change(args.py(), Place::WorkingDirectory, to);
    }
}

/// The module that this thread executes is about to change something.
fn record_change(py: Python<'_>, place: Place, value: Option<OsString>) {
    if RESTORING.get() {
        return;
    }
    let Some(instance) = execution_stack::innermost(py) else { return };
    // A foreign module stays as it is, and would not set the variable again.
    if is_foreign_import(py, &instance).unwrap_or(true) {
        return;
    }
    let Ok(before) = now(py, &place) else { return };
    let called_by = call_of_foreign(py, instance.get()).unwrap_or(None);
    instance.get().with_environ(|changes| {
        match changes.iter_mut().find(|change| change.place == place) {
            Some(change) => change.value = value,
            None => changes.push(EnvironChange { place, original: before, value, called_by }),
        }
    });
}

/// Whether what is running is a foreign module's import, inside the module's execution.
fn is_foreign_import(py: Python<'_>, instance: &Bound<'_, LiveModule>) -> PyResult<bool> {
    let namespace = instance.get().namespace(py);
    for frame in frames::stack(py) {
        let code = frame.getattr(intern!(py, "f_code"))?;
        if code.getattr(intern!(py, "co_name"))?.eq("<module>")? {
            return Ok(!frame.getattr(intern!(py, "f_globals"))?.is(&namespace));
        }
    }
    Ok(false)
}

/// The line of a module that has called the foreign code which is running; none if live code is. `os` itself
/// does not count.
fn call_of_foreign(py: Python<'_>, instance: &LiveModule) -> PyResult<Option<String>> {
    let namespace = instance.namespace(py);
    let mut is_foreign = false;
    for frame in frames::stack(py) {
        let globals = frame.getattr(intern!(py, "f_globals"))?.cast_into::<PyDict>()?;
        if is_foreign && globals.is(&namespace) {
            let number: usize = frame.getattr(intern!(py, "f_lineno"))?.extract()?;
            let text = instance.text()?;
            return Ok(lines(&text).nth(number.saturating_sub(1)));
        }
        let name = globals.get_item(intern!(py, "__name__"))?;
        if !is_foreign && !name.is_some_and(|name| name.eq("os").unwrap_or(false)) {
            if caller::module_of_globals(py, &globals).is_some() {
                return Ok(None);
            }
            is_foreign = true;
        }
    }
    Ok(None)
}

fn lines(text: &[u8]) -> impl Iterator<Item = String> {
    text.split(|byte| *byte == b'\n').map(|line| String::from_utf8_lossy(line).trim().to_owned())
}

fn argument(args: &Bound<'_, PyTuple>, index: usize) -> Option<OsString> {
    let given = args.get_item(index).ok()?;
    match given.cast::<PyBytes>() {
        Ok(bytes) => Some(from_bytes(bytes.as_bytes())),
        Err(_) => given.extract().ok(),
    }
}

fn from_bytes(bytes: &[u8]) -> OsString {
    #[cfg(unix)]
    return std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec());
    #[cfg(not(unix))]
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn now(py: Python<'_>, place: &Place) -> PyResult<Option<OsString>> {
    let Place::Variable(name) = place else { return Ok(working_directory::now()) };
    let environ = py.import(intern!(py, "os"))?.getattr(intern!(py, "environ"))?;
    environ.call_method1(intern!(py, "get"), (name,))?.extract()
}

fn put(py: Python<'_>, place: &Place, value: Option<&OsString>) -> PyResult<()> {
    let Place::Variable(name) = place else {
        return value.map_or(Ok(()), |to| restoring(|| working_directory::put(py, to)));
    };
    let environ = py.import(intern!(py, "os"))?.getattr(intern!(py, "environ"))?;
    restoring(|| match value {
        Some(value) => environ.set_item(name, value),
        None => environ.call_method1(intern!(py, "pop"), (name, py.None())).map(drop),
    })
}

fn restoring(act: impl FnOnce() -> PyResult<()>) -> PyResult<()> {
    RESTORING.set(true);
    let done = act();
    RESTORING.set(false);
    done
}

/// Whether code with these names may read the environment.
pub fn may_read(usage: &NameUsage) -> bool {
    let mentioned =
        |name: &&str| usage.mentions.contains(name) || usage.mentions_later.contains(name);
    READS_ENVIRONMENT.iter().any(mentioned)
}

/// Called before code that may read the environment: removes the variables of modules of the plan that
/// run after it, because a fresh process does not have them yet.
pub fn undo_later(scope: &Scope<'_>) {
    for former in scope.generation.get().staging.setters(scope.py) {
        if scope.find(former.get().name.as_str()).is_none() {
            undo(scope.py, former.get());
        }
    }
}

/// A module is about to run again: undoes what its former run changed. If a module that runs later has changed
/// the same, that change is undone first.
pub fn undo_former(scope: &Scope<'_>, former: &Bound<'_, LiveModule>) {
    let py = scope.py;
    let own = former.get().environ();
    if own.is_empty() {
        return;
    }
    let is_own = |change: &EnvironChange| own.iter().any(|one| one.place == change.place);
    for later in scope.generation.get().staging.setters(py) {
        if later.is(former) {
            break;
        }
        if scope.find(later.get().name.as_str()).is_none() {
            undo_where(py, later.get(), is_own);
        }
    }
    undo(py, former.get());
}

/// Puts back what was there before the instance ran. Variables that have another value by now stay.
pub fn undo(py: Python<'_>, instance: &LiveModule) {
    undo_where(py, instance, |_| true);
}

/// The same for the working directory.
pub fn undo_directory(py: Python<'_>, instance: &LiveModule) {
    undo_where(py, instance, |change| change.place == Place::WorkingDirectory);
}

fn undo_where(py: Python<'_>, instance: &LiveModule, which: impl Fn(&EnvironChange) -> bool) {
    for change in instance.environ().iter().rev().filter(|change| which(change)) {
        if now(py, &change.place).is_ok_and(|now| now == change.value) {
            let _ = put(py, &change.place, change.original.as_ref());
        }
    }
}

/// Puts there again what the instance had put there, where it has been undone.
pub fn redo(py: Python<'_>, instance: &LiveModule) {
    for change in &instance.environ() {
        if now(py, &change.place).is_ok_and(|now| now == change.original) {
            let _ = put(py, &change.place, change.value.as_ref());
        }
    }
}

/// A module has run again: what foreign code has done when the former run called it stands, if the call is
/// still there and has not done it again. Django sets `TZ` with the first use of its settings.
pub fn keep_of_foreign<'py>(
    scope: &Scope<'py>,
    former: Option<&Bound<'py, LiveModule>>,
    new: &LiveModule,
) -> PyResult<()> {
    let Some(former) = former.map(|former| former.get()) else { return Ok(()) };
    let (py, again, text) = (scope.py, new.environ(), new.text()?);
    for change in former.environ() {
        let Some(call) = &change.called_by else { continue };
        let is_again = again.iter().any(|one| one.place == change.place);
        if !is_again
            && lines(&text).any(|line| line == *call)
            && now(py, &change.place)? == change.original
            && !has_other_data(scope, former)
        {
            put(py, &change.place, change.value.as_ref())?;
        }
    }
    Ok(())
}

/// Whether a file that a module has read has other content in the staged generation. A variable that was
/// removed from `.env` is not set by `load_dotenv()` any more.
fn has_other_data(scope: &Scope<'_>, module: &LiveModule) -> bool {
    let Some(base) = scope.base() else { return false };
    let views = [base.generation.get().view(), scope.generation.get().view()];
    module.edges().into_iter().any(|edge| match edge.to {
        Target::File(path) => {
            let [before, now] = [0, 1].map(|at| views[at].get(&path).map(|file| file.digest()));
            before != now
        }
        Target::Module(_) => false,
    })
}

/// Whether the process has what a change has put there.
pub fn is_in_force(py: Python<'_>, place: &Place, value: Option<&OsString>) -> bool {
    now(py, place).is_ok_and(|now| now.as_ref() == value)
}

/// Keeps the process in the directory where the former run of a module began, until the module has run. Other
/// code may have changed the directory since.
pub struct WhereItBegan<'py> {
    py: Python<'py>,
    /// Where the process goes afterwards.
    back: OsString,
}

impl<'py> WhereItBegan<'py> {
    /// To be called when the changes of the former run have been undone; none if the process is there already.
    pub fn enter(py: Python<'py>, former: &LiveModule) -> Option<Self> {
        let place = Place::WorkingDirectory;
        let change = former.environ().into_iter().find(|change| change.place == place)?;
        let back = working_directory::now()?;
        let elsewhere = change.original.as_ref() != Some(&back)
            && put(py, &place, change.original.as_ref()).is_ok();
        elsewhere.then_some(WhereItBegan { py, back })
    }
}

impl Drop for WhereItBegan<'_> {
    fn drop(&mut self) {
        let _ = put(self.py, &Place::WorkingDirectory, Some(&self.back));
    }
}
