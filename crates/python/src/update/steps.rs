//! In which thread do the modules of a plan run?
//!
//! In the one that stages (`updater/stager.rs`). If one of them asks for the main thread (`__thread__`),
//! all of them run there, one after the other, as in a fresh process: by the event loop in it, or while it
//! waits for this update (`state/lent_thread.rs`). The staging thread waits meanwhile, and an attempt that
//! is given up ends in the thread that runs it.

use std::time::Instant;

use crossbeam_channel::{RecvTimeoutError, bounded};
use pyo3::{exceptions::PyKeyboardInterrupt, ffi, intern, prelude::*};
use transfuse_engine::{ModuleName, Plan};

use crate::cpython::{
    context::EnteredContext, exceptions, interruptible_wait::SLICE, panics, time_limit::Watchdog,
    traceback::module_of_error,
};
use crate::effects::{builtins_names, conflict};
use crate::loading::{in_place, load, load::Loaded, packages_before};
use crate::state::{
    attempt, attempt::Interruptible, execution_stack, generation::Generation, lent_thread,
    live_module::LiveModule, pin::GenerationScope, policy, runtime::Runtime, scope::Scope,
};
use crate::update::staged_update::StagedUpdate;

impl<'py> StagedUpdate<'py> {
    /// Executes the steps, pinned to the staged generation.
    ///
    /// `in_main_thread`: whether a module that the plan does not name has asked for the main thread.
    pub fn run(&mut self, py: Python<'py>, plan: &Plan, in_main_thread: bool) -> PyResult<()> {
        conflict::take();
        self.begin_environ(py, plan);
        self.forget_lines(py)?;
        self.forget_lookups_of_plan(py);
        self.unmap(py, &self.given_up(py));
        self.staged.get().staging.expect(plan.steps.len());
        packages_before::begin(&Scope::new(py, self.runtime, &self.staged), plan);
        let steps = plan.start_order.iter().map(|place| plan.steps[*place].name.clone());
        let steps = steps.filter(|name| !self.is_without_package(py, name));
        let steps = Steps {
            runtime: self.runtime,
            staged: self.staged.clone().unbind(),
            names: steps.collect(),
        };
        let ran = match in_main_thread || self.asks_for_main_thread(py, plan) {
            true => in_lent_thread(py, self.runtime, move |py| steps.run(py))?,
            false => steps.run(py),
        };
        for (affected, by) in ran.conflicts {
            conflict::add(&affected, &by);
        }
        if let Some((error, failed)) = ran.error {
            self.error = Some(exceptions::with_traceback(py, &error));
            self.failed = Some(failed);
            return Err(error);
        }
        in_place::prepare(py, &self.staged)
    }

    /// Whether a module began that has to run in the main thread, and that the plan did not name.
    pub fn lacks_main_thread(&self) -> bool {
        self.staged.get().staging.lacks_main_thread()
    }

    fn asks_for_main_thread(&self, py: Python<'py>, plan: &Plan) -> bool {
        let settings = self.runtime.settings();
        let view = self.staged.get().view();
        let asks = |instance: &LiveModule| {
            if instance.in_main_thread() || settings.in_main_thread(&instance.name) {
                return true;
            }
            let new = instance.path.as_ref().and_then(|path| view.get(path));
            let (Some(new), Some(file)) = (new, &instance.file) else { return false };
            if instance.source().is_some_and(|source| source.digest() == new.digest()) {
                return false;
            }
            // An invalid declaration is reported when the module runs.
            new.text().is_some_and(|text| {
                policy::declared_policy(py, self.runtime, &instance.name, &text, file)
                    .is_ok_and(|declared| declared.in_main_thread)
            })
        };
        let base = self.base.get();
        plan.steps
            .iter()
            .any(|step| base.find(py, step.name.as_str()).is_some_and(|one| asks(one.get())))
    }
}

/// The modules of a plan, in the order in which they begin.
struct Steps {
    runtime: &'static Runtime,
    staged: Py<Generation>,
    names: Vec<ModuleName>,
}

/// How they ended.
#[derive(Default)]
struct Ran {
    /// The modules to add to the plan (`effects/conflict.rs`).
    conflicts: Vec<(ModuleName, ModuleName)>,
    /// The first error, and the module whose code raised it.
    error: Option<(PyErr, ModuleName)>,
}

impl Steps {
    fn run(&self, py: Python<'_>) -> Ran {
        let mut ran = Ran::default();
        if let (Err(error), Some(first)) = (self.execute(py, &mut ran), self.names.first()) {
            ran.error.get_or_insert((error, first.clone()));
        }
        ran.conflicts = conflict::take();
        ran
    }

    fn execute(&self, py: Python<'_>, ran: &mut Ran) -> PyResult<()> {
        let context = py.import("transfuse.updates.import_context")?.call_method0("begin")?;
        let scope = Scope::new(py, self.runtime, self.staged.bind(py));
        // All end with this function, however that ends.
        let _context = EnteredContext::enter(context)?;
        let _pinned = GenerationScope::begin(&scope)?;
        let _limit = Watchdog::begin(self.runtime.settings().time_limit);
        let _interruptible = Interruptible::begin_modules();
        let _builtins = builtins_names::Shown::begin(scope.clone());
        for name in &self.names {
            match load::load_own(&scope, name) {
                Ok(Loaded::Live(_) | Loaded::Foreign | Loaded::Missing(_)) => {}
                Err(error) => {
                    let failed = module_of_error(py, &error).unwrap_or_else(|| name.clone());
                    if lent_thread::is_lent() && error.is_instance_of::<PyKeyboardInterrupt>(py) {
                        // It was for the program: Ctrl-C comes to the main thread.
                        // SAFETY: attached; it only notes that a signal has come.
                        unsafe { ffi::PyErr_SetInterrupt() };
                    }
                    ran.error = Some((error, failed));
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Has the main thread call `work`, and waits for the result: until the time limit for that it begins, and
/// then for its end, which the time limit brings about.
fn in_lent_thread<R: Send + 'static>(
    py: Python<'_>,
    runtime: &'static Runtime,
    work: impl FnOnce(Python<'_>) -> R + Send + 'static,
) -> PyResult<R> {
    let lender = py.import(intern!(py, "transfuse.updates.main_thread"))?;
    let place = lender.call_method0(intern!(py, "find"))?;
    let attempt = attempt::current();
    let (done, result) = bounded(1);
    let work = move |py: Python<'_>| {
        let carried_out = attempt.as_ref().map(attempt::Current::begin);
        let ended = match execution_stack::is_executing() {
            true => Err(exceptions::misuse("the main thread is importing a live module itself")),
            false => runtime.updating_in_this_thread(|| panics::caught(|| Ok(work(py)))),
        };
        drop(carried_out);
        let _ = done.send(ended);
    };
    let offered = lent_thread::offer(place.getattr("thread")?.extract()?, Box::new(work));
    let limit = runtime.settings().time_limit;
    let until = Instant::now().checked_add(limit);
    let mut reached = place.call_method0("reach").map(drop);
    loop {
        match py.detach(|| result.recv_timeout(SLICE)) {
            Ok(ended) => {
                attempt::continue_here();
                return ended;
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(exceptions::misuse("the main thread did not run the update"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if !lent_thread::is_waiting(offered) {
            continue;
        }
        if reached.is_ok() {
            reached = place.call_method0("check").map(drop);
        }
        let late = until.is_some_and(|until| Instant::now() > until);
        if (late || reached.is_err() || attempt::is_given_up()) && lent_thread::withdraw(offered) {
            reached?;
            return Err(match attempt::is_given_up() {
                true => exceptions::given_up(),
                false => exceptions::misuse(&format!(
                    "the main thread, in which modules of this update are to run (__thread__), was \
                     busy for longer than the setting time_limit ({} s)",
                    limit.as_secs_f64()
                )),
            });
        }
    }
}
