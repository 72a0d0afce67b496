"""Which fault is inserted for each promise, and which tests must notice it?"""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One deliberate fault.

    Attributes:
        promise: such as ``"P1"``.
        what: what is wrong then, in words.
        file: where; a path from the project's folder.
        before, after: the text that is replaced, once, and by what.
        tests: what is given to pytest.
    """

    promise: str
    what: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


CORE, ENGINE = "crates/python/src/", "crates/engine/src/"
PROMISES = "tests/promises/"

MUTANTS = (
    Mutant(
        "P1",
        "every thread that asks for a module may load it",
        ENGINE + "concurrency/single_flight.rs",
        "if !table.loads.contains_key(key) {",
        "if !table.loads.contains_key(key) || thread > 0 {",
        (PROMISES + "test_p1_one_load.py",),
    ),
    Mutant(
        "P2",
        "a pinned unit of work is answered from the current generation",
        CORE + "state/caller.rs",
        "&& pinned.get().holds(py, caller)",
        "&& pinned.get().holds(py, caller) && pinned.get().id.0 == 0",
        (PROMISES + "test_p2_version_consistency.py",),
    ),
    Mutant(
        "P3",
        "modules are staged in the table that is in use",
        CORE + "update/staged_update.rs",
        "let instances = base.get().instances.bind(py).copy()?;\n        let mut update",
        "let instances = base.get().instances.bind(py).clone();\n        let mut update",
        (PROMISES + "test_p3_all_at_once.py",),
    ),
    Mutant(
        "P4",
        "what failing code had set on foreign modules stays",
        CORE + "loading/execute.rs",
        "foreign_patches::undo_unless_replaced(scope, &before);",
        "();",
        (PROMISES + "test_p4_failure_changes_nothing.py",),
    ),
    Mutant(
        "P5",
        "changed modules begin before those that import them",
        ENGINE + "plan/order.rs",
        "start_order: place }",
        "start_order: (0..names.len()).collect() }",
        ("tests/imports/test_circles.py", "tests/model"),
    ),
    Mutant(
        "P6",
        "names that left the source are carried like data",
        CORE + "loading/namespace.rs",
        "let dropped = !keep_deleted",
        "let dropped = keep_deleted",
        (PROMISES + "test_p6_gone_is_gone.py",),
    ),
    Mutant(
        "P7",
        "preserved values are lost",
        CORE + "loading/namespace.rs",
        "carried.push((name.clone(), value));",
        "carried.push((name.clone(), py.None().into_bound(py)));",
        (PROMISES + "test_p7_carried.py", PROMISES + "test_p7_locks.py"),
    ),
    Mutant(
        "P8",
        "a generation that is over holds its modules",
        CORE + "state/runtime.rs",
        "let _ = generation.get().let_go(py);",
        "let _ = (py, generation);",
        (PROMISES + "test_p8_memory.py",),
    ),
    Mutant(
        "P9",
        "a request's pin ends before its body is read",
        CORE + "api/wsgi.rs",
        "        pin.get().suspend(py)?;\n        match answered {",
        "        pin.get().suspend(py)?;\n        pin.get().close();\n        match answered {",
        (PROMISES + "test_p9_nothing_is_lost.py",),
    ),
    Mutant(
        "P10",
        "each request looks its application up in Python",
        CORE + "api/wsgi.rs",
        "            && instance.get().is_ready()\n            && entry",
        "            && !instance.get().is_ready()\n            && entry",
        (PROMISES + "test_p10_no_tax.py",),
    ),
    Mutant(
        "P11",
        "uninstall leaves import statements to Transfuse",
        CORE + "api/install.rs",
        "runtime.original_import.bind(py),",
        "&fast_path::import(py)?,",
        (PROMISES + "test_p11_foreign_code.py",),
    ),
    Mutant(
        "P12",
        "importers in a function run, whether or not they kept anything",
        ENGINE + "plan/update_plan.rs",
        "self.deferred.entry(of()).or_default().push(from.clone());",
        "self.follow(from, || Reason::Imports(of()));",
        (PROMISES + "test_p12_only_what_must.py", "tests/update/test_policies.py"),
    ),
    Mutant(
        "P13",
        "tracebacks read the file as it is now",
        "python/transfuse/source/old_source.py",
        "_replace(traceback.StackSummary, extract, _extracting)",
        "pass",
        (PROMISES + "test_p13_tracebacks.py",),
    ),
    Mutant(
        "P14",
        "databases in memory are replaced by empty ones without a word",
        "python/transfuse/frameworks/databases.py",
        "return list(_in_memory(namespace))",
        "return []",
        ("tests/frameworks/test_lost_state.py",),
    ),
    Mutant(
        "P15",
        "what cannot be changed in place waits until the server is restarted",
        "python/transfuse/handover/occasions.py",
        'if self._ask is not None and mode() == "auto":',
        'if self._ask is None and mode() == "auto":',
        (PROMISES + "test_p15_every_edit_is_served.py",),
    ),
    Mutant(
        "P15",
        "a process ends as soon as others have taken over from it",
        "python/transfuse/handover/retirement.py",
        "while none < _TURNS or time.monotonic() - began < _LEAST:",
        "while False:",
        (PROMISES + "test_p15_every_edit_is_served.py",),
    ),
    Mutant(
        "P16",
        "what a rollback has left is compared like any other file",
        CORE + "updater/listener.rs",
        "runtime.set_aside.lock().withhold(&mut found, &view);",
        "let _ = &mut found;",
        (PROMISES + "test_p16_rolled_back_stays_back.py",),
    ),
    Mutant(
        "P16",
        "error rates are compared by the likelihood of the best rate, which holds for one look",
        "python/transfuse/updates/error_rates.py",
        "mixture = lgamma(failed + 1) + lgamma(succeeded + 1) - lgamma(begun + 2)",
        "mixture = sum(each * log(each / begun) for each in (failed, succeeded) if each)",
        ("tests/unit/test_error_rates.py",),
    ),
    Mutant(
        "P16",
        "what was on trial stays when its time is up",
        "python/transfuse/updates/trial_watch.py",
        "if not why and time.monotonic() >= now.deadline:",
        "if not why and time.monotonic() >= now.deadline + 3600:",
        (PROMISES + "test_p16_trials.py",),
    ),
    Mutant(
        "P16",
        "a process that starts takes all files from disk",
        "crates/engine/src/last_served/resume.rs",
        "Take::Default => withheld.is_some(),",
        "Take::Default => false,",
        ("tests/unit/test_last_served.py",),
    ),
    Mutant(
        "P16",
        "a new process forgets the states that its predecessor had read from disk",
        ENGINE + "last_served/recall.rs",
        "for (state, until) in former.chain([(&now, None)]) {",
        "for (state, until) in former.take(0).chain([(&now, None)]) {",
        ("-m", "servers", "tests/servers/test_back_over_processes.py"),
    ),
    Mutant(
        "P16",
        "a template goes back in the worker that was asked, and in no other",
        "python/transfuse/workers/voted_view.py",
        "    if not others:\n",
        "    if True:\n",
        ("-m", "servers", "tests/servers/test_templates_in_workers.py"),
    ),
)
