SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

# `make demo` and `make test` are all that a newcomer needs: each makes the virtual environment first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# One dot for every package that pip looks at.
DOTS := awk '/^(Collecting|  Downloading|Building|Installing)/ { printf "."; fflush() } END { print " done" }'

.PHONY: install demo test lint types check bench torture clean

install: $(STAMP)

$(STAMP): pyproject.toml setup.py
	@command -v $(PYTHON) >/dev/null || { echo "ovro-alert needs Python 3.11: set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing ovro-alert into $(VENV), a minute or two the first time:"
	@$(BIN)/python -m pip install --disable-pip-version-check --use-pep517 --editable '.[dev]' | $(DOTS)
	@touch $@

demo: $(STAMP)
	@$(BIN)/ovro-alert demo

test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

check: lint types test

bench: $(STAMP)
	@$(BIN)/python -m benchmarks

# About three quarters of an hour; `make torture QUICK=--quick` takes ten minutes.
torture: $(STAMP)
	@$(BIN)/python -m torture $(QUICK)

clean:
	rm -rf $(VENV) build out
