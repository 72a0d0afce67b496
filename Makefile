# Everything that is done with this project, from a fresh clone on: needs python3, cargo, make, cc.
#
#   make demo     a real application takes edits under load, and what was measured
#   make apache-demo   the same in Apache, while wrk runs
#   make test     all tests
#   make pythons       the Pythons that are too new for this machine, as root (scripts/make-pythons)
#   make test-all      the Python tests on every supported Python that is found (VERSIONS="3.10 3.13")
#   make test-oldest   promises, imports, cases and model on the oldest (VERSIONS=3.10)
#   make test-free-threaded   the promises and the storms on a Python without a GIL, if one is found
#   make test-slow     the same by thousands of random examples and long storms
#   make test-servers   real servers under load, edited: nothing lost, nothing mixed
#   make servers       the same as a table, beside what each server's own reloader loses
#   make test-packages   the test suites of real packages, with and without Transfuse
#   make test-history    real packages updated through five releases each, against fresh processes
#   make test-apps       real applications: start, updates and memory against plain ones (APPS="moto")
#   make mutants  break each promise in the source, and see its tests fail
#   make lint     formatters, linters, type checks
#   make bench    what an update costs in a small and in a large application
#
# Another interpreter: make test PYTHON=python3.12 VENV=.venv-3.12

PYTHON ?= python3
VENV ?= .venv
# How much CPU test-apps spends on editing one module again and again, in seconds.
SERIES ?= 120
BIN := $(VENV)/bin

# What the compiled core is made of: when none of it changed, nothing is built.
SOURCES := Cargo.toml Cargo.lock pyproject.toml $(shell find crates -name '*.rs' -o -name Cargo.toml)

# Cargo must not pick another interpreter than the one that will load the core.
export PYO3_PYTHON := $(abspath $(BIN)/python)

.PHONY: demo apache-demo test test-rust test-python pythons test-all test-oldest test-free-threaded test-slow test-servers servers test-packages test-history test-apps mutants lint bench venv clean

demo: $(VENV)/.built
	$(BIN)/python -m demo

test: test-rust test-python

test-rust:
	scripts/cargo-test -p transfuse-engine
	cargo test -p transfuse-engine --features shuttle --test interleavings

test-python: $(VENV)/.built
	$(BIN)/python -m pytest $(TESTS)

pythons:
	scripts/make-pythons

test-all:
	scripts/test-all $(VERSIONS)

test-oldest: VERSIONS ?= 3.10
test-oldest:
	TESTS="tests/promises tests/imports tests/update/test_cases.py tests/model" scripts/test-all $(VERSIONS)

test-free-threaded:
	scripts/test-free-threaded

test-slow: $(VENV)/.built
	INTERLEAVINGS=100000 cargo test --release -p transfuse-engine --features shuttle --test interleavings
	PROPTEST_CASES=100000 cargo test --release -p transfuse-engine --test plan_oracle
	HYPOTHESIS_PROFILE=slow $(BIN)/python -m pytest -m slow
	HYPOTHESIS_PROFILE=slow scripts/test-free-threaded -m slow

apache-demo: $(VENV)/.built $(VENV)/.apache
	$(BIN)/python -m servers.apache_demo

test-servers: $(VENV)/.built $(VENV)/.apache
	$(BIN)/python -m pytest -m servers

servers: $(VENV)/.built $(VENV)/.apache
	$(BIN)/python -m servers $(SERVERS)

test-packages: $(VENV)/.built
	$(BIN)/python -m packages $(PACKAGES)

test-history: $(VENV)/.built
	$(BIN)/python -m replay $(HISTORIES)

test-apps: $(VENV)/.built
	$(BIN)/python -m apps --seconds $(SERIES) $(APPS)

mutants: $(VENV)/.built
	$(BIN)/python -m mutants $(PROMISES)

lint: $(VENV)/.built
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest transfuse._core

bench: $(VENV)/.built
	$(BIN)/python -m bench.update_cost
	$(BIN)/python -m bench.import_cost
	$(BIN)/python -m bench.request_cost
	$(BIN)/python -m bench.stalls
	$(BIN)/python -m bench.status_cost

venv: $(VENV)/.built

# With the feature `testing`, which no release has: some tests need its switches.
$(VENV)/.built: $(VENV)/.installed $(SOURCES)
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release --features testing,pyo3/extension-module
	touch $@

$(VENV)/.installed: requirements-dev.txt scripts/make-venv
	scripts/make-venv $(PYTHON) $(VENV)
	touch $@

$(VENV)/.apache: $(VENV)/.installed scripts/install-apache
	scripts/install-apache $(VENV)
	touch $@

clean:
	cargo clean
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find python demo tests bench -name __pycache__ -prune -exec rm -rf {} +
	rm -f python/transfuse/_core.*.so
