# Everything a person types. A fresh machine needs Python >= 3.11 with pip, and make.
PYTHON ?= python3
BIN := .venv/bin
# One more than there are cores: many tests wait for processes that they have started.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')

.PHONY: help setup demo test test-compose coverage chaos bench instructions bench-quick lint format lock clean

help:  ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: .venv/dev  ## the virtual environment, with everything pinned by hash

# Without ensurepip, which Debian ships apart: the machine's own pip fills the environment.
.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Clickloom needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@echo "Setting up .venv; it takes a minute, once."
	@$(PYTHON) -m venv --without-pip .venv
	@$(PYTHON) -m pip --python $(BIN)/python install --quiet --require-hashes -r requirements.lock
	@$(PYTHON) -m pip --python $(BIN)/python install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/ready requirements-dev.lock
	@echo "Setting up the tools of development."
	@$(PYTHON) -m pip --python $(BIN)/python install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

demo: .venv/ready  ## the whole system with generated traffic
	AUTH=off $(BIN)/clickloom up --demo

test: setup  ## all tests
	$(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-compose: setup  ## build the image and try docker-compose.yml; needs a Docker Engine
	.ci/with-engine $(BIN)/pytest tests/compose -m compose $(ARGS)

coverage: setup  ## which lines no test runs; what the services' processes run counts
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(WORKERS) $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

chaos: setup  ## kill, pause and cut off everything for ten minutes; it must come out exact
	$(BIN)/python -m tests.chaos $(ARGS)

bench: setup  ## what each part does, over repeated runs; kept for docs/performance.md, which is made anew
	$(BIN)/python -m bench $(ARGS)
	$(BIN)/python -m bench.report

instructions: setup  ## instructions a click, against those that are kept; needs valgrind
	$(BIN)/python -m bench.instructions $(ARGS)

bench-quick: setup  ## a look at some parts, in three minutes; not kept
	$(BIN)/python -m bench --quick --runs 1 $(ARGS)

lint: setup  ## lint, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## what can be put right by machine
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup  ## write the lock files anew
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml --group build -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml --group dev -o requirements-dev.lock

clean:  ## remove the environment, the data of the local run, and what tools left
	rm -rf .venv .clickloom* .coverage* .*_cache .hypothesis *.egg-info
