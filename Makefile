# Everything that a fresh machine needs besides Python 3.11 (and npm, where Anvil and the contract tests are wanted)
# is installed by these targets, into .venv and node_modules.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
NODE := node_modules/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo check test test-e2e fuzz test-faults test-every-kill test-machines test-compose soak soak-long lock clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(RUNTIME) $(NODE)  ## Install what a run needs

demo: setup  ## Train a federation of five real clients on MovieLens and settle every round on a chain
	$(BIN)/tfedrs run

check: $(DEV)  ## Format, lint, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(DEV) $(NODE)  ## Properties, contracts, whole runs in one process, processes one by one
	$(BIN)/python -m pytest

test-e2e: $(DEV) $(NODE)  ## Whole federations of real processes on a real chain
	$(BIN)/python -m pytest tests/e2e

fuzz: $(DEV)  ## 100,000 changed inputs to everything that reads what others wrote
	$(BIN)/python -m tests.fuzz

test-faults: $(DEV) $(NODE)  ## What kills processes, fills disks or attacks the network
	$(BIN)/python -m pytest tests/faults --deselect tests/faults/test_killed_anywhere.py

test-every-kill: $(DEV)  ## A run killed before each of its steps, one after the other
	$(BIN)/python -m pytest tests/faults/test_killed_anywhere.py

test-machines: $(RUNTIME)  ## A federation over network namespaces as separate hosts (root, iproute2, nginx)
	PYTHON=$(BIN)/python tests/machines.sh

test-compose: $(RUNTIME)  ## docker compose with real containers: rounds, verification, killed services
	PYTHON=$(BIN)/python tests/compose/run.sh

soak: $(RUNTIME) $(NODE)  ## 30 rounds of a federation without growth in memory, files, threads or disk
	$(BIN)/python -m benchmarks.soak --rounds 30

soak-long: $(RUNTIME) $(NODE)  ## The same over 200 rounds, about half an hour
	$(BIN)/python -m benchmarks.soak --rounds 200

lock: $(DEV)  ## Choose the versions of all packages anew, within the ranges of pyproject.toml: requirements.lock
	$(BIN)/python .ci/lock.py

clean:  ## Remove what the targets installed and what tools cached; runs stay
	rm -rf $(VENV) node_modules build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# torch comes first and by itself: a later requirement then finds it instead of choosing another build.
$(RUNTIME): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint requirements.lock torch
	$(BIN)/pip install --quiet --constraint requirements.lock --editable .
	$(BIN)/python -m compileall -qq $(VENV)/lib client common contracts experiments launch server || true
	touch $@

$(DEV): $(RUNTIME)
	$(BIN)/pip install --quiet --constraint requirements.lock --editable '.[dev,experiments]'
	touch $@

# Anvil, forge, the Solidity compiler and OpenZeppelin. Without npm a run uses the embedded chain.
$(NODE): package.json package-lock.json
	@mkdir -p node_modules
	@if command -v npm >/dev/null; then npm ci --ignore-scripts --no-audit --no-fund --silent; \
	else echo "npm is not here: runs use the embedded chain, and the contract tests are skipped."; mkdir -p node_modules; fi
	@touch $@
