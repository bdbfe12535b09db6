# Every target makes what it needs, first of all .venv with the versions that requirements.lock pins.
# Needed beforehand: Python 3.11 or later, git and make. uv is taken when it is there.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup demo test chaos check lint types imports generated fix proto docs lock bench sim build smoke clean

BIN := .venv/bin
READY := .venv/.ready
PACKAGES := iris iris_api iris_actor iris_controller iris_worker iris_backends
# What else is Python here; a folder without any is passed over, as mypy takes an empty one for a mistake.
CODE := $(PACKAGES) $(foreach d,tests tools benchmarks examples plugins,$(if $(shell find $(d) -name '*.py' 2>/dev/null),$(d)))

export PYTHON

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "make %-8s %s\n", $$1, $$2 }'

$(READY): pyproject.toml requirements.lock tools/setup.sh
	@sh tools/setup.sh

setup: $(READY) ## make .venv and install the locked dependencies

demo: $(READY) ## start a cluster on this machine and run jobs and actors on it
	@$(BIN)/iris demo

test: $(READY) ## run the tests; make test ARGS='-k actor -x'
	@$(BIN)/python -m pytest $(ARGS)

check: lint types imports generated ## lint, formatting, types, import rules, generated code and pages (-k: do not stop at the first)

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY)
	@$(BIN)/mypy $(CODE)

imports: $(READY)
	@$(BIN)/lint-imports --no-logo

generated: $(READY)
	@$(BIN)/python -m tools.proto --check
	@$(BIN)/python -m tools.plugin_docs --check

fix: $(READY) ## let ruff repair what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

proto: $(READY) ## regenerate iris_api/rpc from proto/
	@$(BIN)/python -m tools.proto

docs: $(READY) ## renew the generated parts of docs/plugins; make docs ARGS=--transcripts runs every plugin's rules too
	@$(BIN)/python -m tools.plugin_docs $(ARGS)

lock: $(READY) ## renew requirements.lock after a change of pyproject.toml; UPGRADE=1 for the newest of everything
	@UPGRADE='$(UPGRADE)' sh tools/lock.sh

chaos: $(READY) ## kill, suspend, fill, cut off: real faults, about 25 min; make chaos ARGS='--seed S -k cycles'
	@$(BIN)/python -m tests.chaos $(ARGS)

bench: $(READY) ## run the benchmarks
	@$(BIN)/python -m benchmarks $(ARGS)

SEEDS := 0-99999
JOBS := $(shell nproc)

sim: $(READY) ## run simulated clusters; make sim SEEDS=0-1999 JOBS=2
	@$(BIN)/iris sim --seeds $(SEEDS) --jobs $(JOBS)

build: $(READY) ## build the wheel into dist/
	@$(BIN)/python -m hatchling build --target wheel --directory dist
	@$(BIN)/python -m tools.wheel dist/*.whl

smoke: $(READY) ## install the wheel with plain pip, away from the checkout, and run a job
	@sh tools/smoke.sh

clean: ## remove all that make has made
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
