# Every target makes what it needs, from nothing but Python 3.11 to 3.13 and make. `make help` lists them.

PYTHON ?= $(shell for p in python3.12 python3.11 python3.13 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CODE := pipelines steps materializers deploy data_checks inspection
WORKERS ?= 2
FUZZ_SECONDS ?= 30
PYTEST := $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all check format fuzz fuzz-long benchmarks lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 20

setup: $(READY)  ## .venv with everything, from requirements.lock

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Plumbline needs Python 3.11, 3.12 or 3.13 on the PATH (or: make PYTHON=/path/to/python)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); command -v uv >/dev/null && uv venv -q --seed --python $(PYTHON) $(VENV); } \
		|| { rm -rf $(VENV); echo "'$(PYTHON) -m venv' failed: install your system's python3-venv package, or uv"; exit 2; }
	@command -v uv >/dev/null || test -x $(BIN)/uv || $(BIN)/python -m pip install -q --disable-pip-version-check uv
	@uv=$$(command -v uv || echo $(BIN)/uv); \
		$$uv pip install -q --compile-bytecode --python $(BIN)/python -r requirements.lock && \
		$$uv pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

demo: $(READY)  ## the main job on generated images: checks, teacher, student, bundle, registry, report
	@$(BIN)/plumbline run configs/demo.yaml

test: $(READY)  ## the tests (8 minutes on 2 cores)
	@$(PYTEST) -m "not slow and not browser" --cov=deploy.edge --cov=data_checks --cov-report=term:skip-covered --cov-fail-under=90

test-all: $(READY)  ## and kills, servers, fuzz, browser (25 minutes on 2 cores)
	@$(PYTEST)
	@$(MAKE) --no-print-directory fuzz

check: $(READY)  ## format, lint, types, contracts, fast tests (under a minute)
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports >/dev/null || $(BIN)/lint-imports
	@$(PYTEST) tests/architecture tests/unit -m "not slow and not browser and not zenml and not assets and not training and not process and not thorough"

format: $(READY)  ## rewrite the code in the house's format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

fuzz: $(READY)  ## property tests (FUZZ_EXAMPLES each), then broken files for every parser (FUZZ_SECONDS each)
	@HYPOTHESIS_PROFILE=fuzz $(PYTEST) -m fuzz
	@$(BIN)/python tests/fuzz/fuzz_parsers.py --seconds $(FUZZ_SECONDS) --jobs $(WORKERS)

fuzz-long: $(READY)  ## ten minutes of broken files for every parser (80 minutes on 2 cores)
	@$(BIN)/python tests/fuzz/fuzz_parsers.py --seconds 600 --jobs $(WORKERS)

benchmarks: $(READY)  ## every script in benchmarks/, one after the other
	@for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

lock: $(READY)  ## resolve requirements.lock anew
	@uv=$$(command -v uv || echo $(BIN)/uv); $$uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate \
		--extra data --extra pipeline --extra dev pyproject.toml -o requirements.lock

clean:  ## remove what tests and runs left behind (not .venv)
	@rm -rf .plumbline .zenml/state .zenml/config.yaml .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* build dist
