# The project's verbs. `make demo` is all that a fresh clone needs.
#
#   make demo     install into .venv, then show what Diabolo does
#   make test     run the tests                  make check    formatting, lint, types, import contract
#   make format   rewrite the code's formatting  make bench    measure (several hours)
#   make clean    remove .venv and all caches
#
# Another Python: make demo PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
INSTALL := $(PIP) install --constraint constraints.txt

.PHONY: demo test check format bench clean

demo: $(VENV)/.installed
	$(BIN)/diabolo demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check src tests bench
	$(BIN)/ruff check src tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff format src tests bench
	$(BIN)/ruff check --fix src tests bench

bench: $(VENV)/.installed-bench
	$(BIN)/python -m bench all

# A venv whose pip does not answer is missing or half made, so it is made (again).
# torch goes first and alone: it is by far the largest download, and a mistake in choosing its
# build (CPU or GPU) shows before anything else is installed. It alone shows its progress.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PIP) --version >/dev/null 2>&1 || { \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Diabolo needs Python 3.11 or newer. Name one: make demo PYTHON=python3.12" >&2; exit 1; }; \
	  $(PYTHON) -m venv $(VENV); }
	@echo "Installing Diabolo into $(VENV) ..."
	$(INSTALL) torch
	$(INSTALL) --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) --quiet --editable '.[dev]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	$(INSTALL) --quiet --editable '.[bench]'
	@touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name '*.egg-info' -type d -prune -exec rm -rf {} +
