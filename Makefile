# Each target sets itself up: it makes .venv with what it needs, once, and again when setup.py changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest

.PHONY: demo test slow lint types docs bench fuzz soak lowest audit clean

$(STAMP): setup.py pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/python examples/demo.py

test: $(STAMP)
	$(PYTEST) -q -n 2 -m 'not slow and not peers'

slow: $(STAMP)
	$(PYTEST) -q -n 2 -m 'slow or peers'

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

docs: $(STAMP)
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# Seconds per target. atheris has wheels for some Pythons on Linux only, so it has an environment of its own.
FUZZ_SECONDS ?= 60
FUZZ_PYTHON ?= $(PYTHON)

fuzz:
	test -x .venv-fuzz/bin/python || $(FUZZ_PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	.venv-fuzz/bin/python -m fuzz schema -max_total_time=$(FUZZ_SECONDS)
	.venv-fuzz/bin/python -m fuzz archive -max_total_time=$(FUZZ_SECONDS)

# SOAK_SECONDS shortens it; 600 by default.
soak: $(STAMP)
	$(BIN)/python -m soak

# The tests with the oldest versions that setup.py allows; 'make test' has the newest.
lowest:
	test -x .venv-lowest/bin/python || $(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check 'setuptools>=68'
	.venv-lowest/bin/python tests/lowest_versions.py > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' \
		--constraint .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip list | grep -i -E "^($$(sed 's/[=<].*//' .venv-lowest/constraints.txt | paste -sd'|')) "
	.venv-lowest/bin/python -m pytest -q -n 2 -m 'not slow and not peers'

# Known vulnerabilities of what is installed; asks the Python advisory database.
audit: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/pip-audit --skip-editable

clean:
	rm -rf $(VENV) .venv-fuzz .venv-lowest fuzz/corpus build docs/_build .pytest_cache .mypy_cache .ruff_cache *.egg-info
