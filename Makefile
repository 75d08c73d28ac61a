# make setup first; then any other target. To use an environment of your own: make test BIN=/path/to/env/bin
PYTHON ?= python3
VENV   ?= .venv
BIN    ?= $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup format lint type test test-slow bench docs tables lesson check

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv and install musegen in it, editable, with all that development needs
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -e '.[dev,bench,plot]'

format: ## sort imports, fix what is safe to fix, format
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

lint: ## check style, format and the direction of imports
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/lint-imports

type: ## check types
	$(BIN)/python -m mypy

test: ## run the fast tests
	$(BIN)/python -m pytest -m 'not slow'

test-slow: ## run the slow tests, which train and compose
	$(BIN)/python -m pytest -m slow

bench: ## run every benchmark, one file a question
	@set -e; for file in $(filter-out benchmarks/_%,$(wildcard benchmarks/*.py)); do \
	    echo "== $$file"; $(BIN)/python $$file; done

docs: ## write the generated pages anew
	@set -e; for file in $(filter-out docs/_%,$(wildcard docs/*.py)); do \
	    echo "== $$file"; $(BIN)/python $$file; done

RUNS ?= runs
tables: ## measure the runs of recipes in RUNS, and write docs/results.md
	$(BIN)/python docs/results.py $(RUNS)

lesson: ## run what docs/explanation/gradients.md tells of, and draw its pictures (minutes)
	$(BIN)/python docs/_gradients_lesson.py

check: ## run all that CI runs, on the last commit, in environments made for it
	bash .ci/run
