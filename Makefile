# One command for each job; each does all its own set-up in a virtual environment (VENV=, default .venv).
# Tests mostly wait: JOBS= of them run at a time, each group with a Redis of its own.
VENV   ?= .venv
PYTHON ?= python3
JOBS   ?= 3
SEED   ?= 1
MINUTES ?= 10
BIN    := $(VENV)/bin
TYPED  := build/typed
LOCK   := requirements.lock
NEEDS  := pyproject.toml $(LOCK)
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(LOCK)
ROOMS  := askfirst config gateway interest schedules tasks waiters workers

# Hundreds of processes are started: without bytecode each would compile anew what it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test slow faults mutants containers check lint types imports bench bench-overload bench-gateway lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## run the main job on real input, under two minutes
	$(BIN)/askfirst demo

test: check ## all checks, then all tests
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal

slow: $(VENV)/.dev ## the tests in full size: half-minute outages, hundreds of works under kill -9
	$(BIN)/python -m pytest -m slow

faults: $(VENV)/.dev ## a fleet broken in every way for MINUTES= (10), by the seed SEED= (1)
	$(BIN)/python -m tests.faults --seed $(SEED) --minutes $(MINUTES)

containers: $(VENV)/.dev ## the deployment in real containers (needs a container engine)
	CONTAINERS=pull $(BIN)/python -m pytest -m containers -rs

mutants: $(VENV)/.dev ## break the ledger on purpose, one line at a time: its model must notice
	$(BIN)/python -m tests.faults.mutants

check: lint types imports ## ruff, strict mypy and import-linter

bench: $(VENV)/.dev ## askfirst and plain Celery measured side by side
	$(BIN)/python -m bench.overhead

bench-overload: $(VENV)/.bench-overload ## askfirst, Celery and other queues under ten times what they can do
	$(BIN)/python -m bench.overload

bench-gateway: $(VENV)/.dev ## 2,000 clients that wait on one gateway, beside 300 requests/s and a bare apply_async endpoint
	$(BIN)/python -m bench.gateway

lint: $(VENV)/.dev
	$(BIN)/ruff check .

# mypy and import-linter can't follow the editable install's finder: they check an installed copy.
types: $(TYPED)/.made
	$(BIN)/mypy -p askfirst

imports: $(TYPED)/.made
	cd $(TYPED) && $(abspath $(BIN))/lint-imports --config $(CURDIR)/pyproject.toml

$(TYPED)/.made: $(VENV)/.dev $(shell find $(ROOMS) -name '*.py' -o -name '*.lua' -o -name py.typed)
	rm -rf build
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --target $(TYPED) .
	touch $@

$(VENV)/.dev: $(NEEDS) | $(BIN)/python
	$(INSTALL) --editable '.[dev]'
	touch $@ $(VENV)/.demo

$(VENV)/.bench-overload: $(NEEDS) | $(VENV)/.dev
	$(INSTALL) --editable '.[dev,bench-overload]'
	touch $@

$(VENV)/.demo: $(NEEDS) | $(BIN)/python
	$(INSTALL) --editable '.[demo]'
	touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'expected $(PYTHON) to be Python 3.11 or newer: name another one with PYTHON='; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo 'expected $(PYTHON) to have venv and ensurepip: apt-get install python3-venv'; exit 1; }
	$(PYTHON) -m venv $(VENV)

lock: ## pin every dependency anew (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade --quiet \
	  --custom-compile-command 'make lock' --output-file $(LOCK)

clean: ## remove everything the other targets made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
