# make setup first; then any other target. To use an environment of your own: make test BIN=/path/to/env/bin
PYTHON ?= python3
VENV   ?= .venv
BIN    ?= $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup format lint type test test-slow coverage bench docs site tutorial tables lesson check

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## create .venv and install musegen in it, editable, with everything for development
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

coverage: ## run the fast tests, and list the lines that none of them reaches
	$(BIN)/python -m pytest -m 'not slow' --cov --cov-report=term-missing:skip-covered

bench: ## run every benchmark; each file answers one question
	@set -e; for file in $(filter-out benchmarks/_%,$(wildcard benchmarks/*.py)); do \
	    echo "== $$file"; $(BIN)/python $$file; done

docs: ## regenerate the generated pages and pictures
	@set -e; for file in $(filter-out docs/_%,$(wildcard docs/*.py)); do \
	    echo "== $$file"; $(BIN)/python $$file; done

site: ## build the documentation site in site/; open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

tutorial: ## rerun the commands of docs/tutorial.md, and update what they print (minutes)
	$(BIN)/python docs/_transcripts.py docs/tutorial.md

RUNS ?= runs
tables: ## evaluate the runs of the recipes in RUNS, and write docs/results.md
	$(BIN)/python docs/results.py $(RUNS)

lesson: ## rerun the experiments of docs/explanation/gradients.md and redraw its pictures (minutes)
	$(BIN)/python docs/_gradients_lesson.py

check: ## run everything that CI runs, on the last commit, in fresh environments
	bash .ci/run
