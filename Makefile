# Everything a developer or CI runs. Each target makes what it needs in .venv first, and is quick when it
# is there already: the stamps below are redone only when pyproject.toml or the interpreter changed.
#
#   make demo               see it work, on a sample repository, without a key
#   make test               the tests that need no network and no real agent
#   make PYTHON=python3.13 setup
#   make test ARGS='-k config -x'
#   make test TESTS=tests/plan

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
UV := $(shell command -v uv 2>/dev/null)

# The first of these that is new enough; a PYTHON given by hand is taken as it is, or refused.
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))) python3)

ifdef UV
INSTALL := $(UV) pip install --quiet --python $(PY)
else
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check
endif

# The tools are a dependency group, which pip knows only from 25.1 on; so they are read from the file.
DEV_LIST = import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"], sep="\n")

TESTS := tests

# The unit tests are shared out among the processors; ARGS=-n0 runs them in one process, for a debugger.
SHARED_OUT := -n auto --maxprocesses 8 --dist worksteal

.PHONY: help setup test system-test soak integration-test check format requirements bench demo clean

help:
	@echo 'make setup             .venv with .venv/bin/scriptorium'
	@echo 'make demo              a sample repository, from spec to landed code'
	@echo 'make test              no network, no keys, no real agent'
	@echo 'make system-test       whole processes, kills, signals, load'
	@echo 'make soak              the system tests with many more kills, faults and processes: for hours'
	@echo 'make integration-test  the real agent CLIs, against a model server on this machine'
	@echo 'make check             format, lint, types, import rules, and make test'
	@echo 'make requirements      the requirements with the tests that show them (STRICT=V1,CA to insist)'
	@echo 'make bench             measurements, each as a ratio'

# An environment is made anew when its interpreter is gone, or when it was moved: its programs name the
# folder that they were made for. One that somebody else made is used as it is.
STALE := $(shell test -x $(PY) && test "$$(cat $(VENV)/.place 2>/dev/null || pwd)" = '$(CURDIR)' || echo stale)
.PHONY: stale
stale:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "scriptorium needs Python 3.11 or newer; '$(PYTHON)' is: $$($(PYTHON) --version 2>&1 | head -n 1)" >&2; \
	  echo "Install one, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
ifndef UV
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments: it lacks venv or ensurepip." >&2; \
	  echo "On Debian and Ubuntu: apt install python3-venv. Or install uv, which is then used." >&2; exit 1; }
endif
	@echo 'making $(VENV) (once)'
ifdef UV
	@$(UV) venv --quiet --clear --python '$(PYTHON)' $(VENV)
else
	@$(PYTHON) -m venv --clear $(VENV)
endif

$(VENV)/.ready: pyproject.toml $(STALE)
	@echo 'installing scriptorium into $(VENV)'
ifndef UV
	@$(PY) -c 'import pip' 2>/dev/null || $(PY) -m ensurepip --upgrade >/dev/null
endif
	@$(INSTALL) --editable .
	@echo '$(CURDIR)' > $(VENV)/.place
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.ready
	@echo 'installing the development tools into $(VENV)'
	@$(PY) -c '$(DEV_LIST)' > $(VENV)/dev-requirements.txt
	@$(INSTALL) --requirement $(VENV)/dev-requirements.txt
	@touch $@

$(VENV)/.codex: pyproject.toml $(VENV)/.ready
	@echo 'installing the Codex CLI into $(VENV)'
	@$(INSTALL) --editable '.[codex]'
	@touch $@

# A program of its own, without node and without its installer. Without npm its tests are skipped.
CLAUDE_CODE := @anthropic-ai/claude-code@2.1.330
$(VENV)/.claude: Makefile $(VENV)/.ready
	@if command -v npm >/dev/null; then \
	  echo 'installing Claude Code into $(VENV)'; mkdir -p $(VENV)/claude; \
	  npm install --loglevel=error --no-audit --no-fund --ignore-scripts --prefix $(VENV)/claude \
	    $(CLAUDE_CODE) >/dev/null && touch $@; \
	else echo 'npm is not there: the tests with Claude Code are skipped'; fi

$(VENV)/.bench: pyproject.toml benchmarks/triotp.txt $(VENV)/.ready
	@echo 'installing what the benchmarks measure against into $(VENV)'
	@$(INSTALL) --editable '.[bench]'
	@rm -rf $(VENV)/peers
	@$(INSTALL) --no-deps --target $(VENV)/peers/triotp --requirement benchmarks/triotp.txt
	@touch $@

setup: $(VENV)/.ready
	@echo 'ready: $(BIN)/scriptorium --help'

demo: $(VENV)/.ready
	@$(BIN)/scriptorium demo $(ARGS)

test: $(VENV)/.dev
	SCRIPTORIUM_SUITE=unit $(PY) -m pytest $(TESTS) $(SHARED_OUT) --ignore=tests/system --ignore=tests/integration $(ARGS)

system-test: $(VENV)/.dev
	SCRIPTORIUM_SUITE=system $(PY) -m pytest tests/system $(ARGS)

# A test takes hours here, so the limit for one that hangs is a day.
soak: $(VENV)/.dev
	SCRIPTORIUM_SOAK=1 $(PY) -m pytest tests/system -o timeout=86400 $(ARGS)

integration-test: $(VENV)/.dev $(VENV)/.codex $(VENV)/.claude
	SCRIPTORIUM_SUITE=integration $(PY) -m pytest tests/integration $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --explicit-package-bases src tests benchmarks
	$(BIN)/lint-imports --no-logo --no-cache
	@$(MAKE) --no-print-directory test

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

requirements: $(VENV)/.ready
	@$(PY) tests/requirements.py --strict '$(STRICT)'

bench: $(VENV)/.dev $(VENV)/.bench
	@status=0; for file in benchmarks/bench_*.py; do \
	  echo "== $$file"; $(PY) "$$file" $(ARGS) || status=1; done; exit $$status

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .requirements
